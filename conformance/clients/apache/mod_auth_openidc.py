"""Debian's libapache2-mod-auth-openidc in a private Apache: a site behind sign-in, and APIs behind access tokens.

Called by ../run with a running server; makes its clients there. Each virtual host is one configuration of the module on
a port of its own: right ones, and wrong ones as negative controls.
"""

import json
import os
import pathlib
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.parse

from rig import Browser, Report, RigError, Running, fetch, free_port, tampered

APACHE = "/usr/sbin/apache2"
MODULES = "/usr/lib/apache2/modules"
NEEDED = ("mpm_event", "authn_core", "authz_core", "authz_user", "alias", "dir", "headers", "proxy", "proxy_http", "socache_shmcb", "ssl", "auth_openidc")

HEAD = """
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ServerName 127.0.0.1
ErrorLog {folder}/error.log
LogLevel warn auth_openidc:info
DocumentRoot {folder}/site
{user}
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
"""

# What every relying party here has in common. The email claim becomes the name of the user, as sites like it.
PARTY = """
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI http://127.0.0.1:{port}/secret/callback
OIDCCryptoPassphrase {passphrase}
OIDCScope "openid email offline_access"
OIDCAuthRequestParams prompt=consent
OIDCPKCEMethod S256
OIDCRemoteUserClaim email
OIDCInfoHook access_token id_token refresh_token userinfo
OIDCRedirectURLsAllowed ^http://127.0.0.1:{port}/
<Location /secret>
    AuthType openid-connect
    Require claim email:{email}
    Header set X-User "expr=%{{REMOTE_USER}}"
    Header set X-Issuer "%{{OIDC_CLAIM_iss}}e"
</Location>
"""

API = """
<Location /secret>
    AuthType oauth20
    # An API answers 401 to what its `Require` does not name, too.
    Require claim client_id:{allowed}
    Header set X-User "expr=%{{REMOTE_USER}}"
</Location>
"""


# The module fetches this document by https alone: the same server hands it on under a certificate of its own.
TLS = """
SSLEngine on
SSLCertificateFile {{folder}}/tls.crt
SSLCertificateKeyFile {{folder}}/tls.key
ProxyPass /keys {jwks_uri}
"""


class Apache:
    """A private Apache whose virtual hosts are given as port → configuration."""

    def __init__(self, hosts: dict[int, str], documents: dict[str, str]):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portero-apache-"))
        self.folder.chmod(0o755)
        (self.folder / "site/secret").mkdir(parents=True)
        (self.folder / "site/secret/index.html").write_text("<p id=secret>behind the door</p>")
        (self.folder / "site/out.html").write_text("<p id=out>signed out</p>")
        for name, text in documents.items():
            (self.folder / "site" / name).write_text(text)
        user = ""
        if os.getuid() == 0:
            user = "User www-data\nGroup www-data"
            pwd.getpwnam("www-data")
        make_certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*make_certificate, "-keyout", self.folder / "tls.key", "-out", self.folder / "tls.crt"], check=True, capture_output=True)
        lines = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in NEEDED] + [HEAD.format(folder=self.folder, user=user)]
        lines += [f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n{text.replace('{folder}', str(self.folder))}\n</VirtualHost>" for port, text in hosts.items()]
        path = self.folder / "apache.conf"
        path.write_text("\n".join(lines))
        self.process = subprocess.Popen([APACHE, "-X" if os.environ.get("APACHE_DEBUG") else "-DFOREGROUND", "-f", str(path)], stdin=subprocess.DEVNULL, stderr=open(self.folder / "error.log", "ab"))
        end = time.monotonic() + 15
        while True:
            try:
                fetch("GET", f"http://127.0.0.1:{next(iter(hosts))}/out.html", timeout=2)
                return
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    log = self.log()
                    self.stop()
                    raise RigError(f"apache does not start: {log}") from error
                time.sleep(0.1)

    def log(self, since=0) -> str:
        path = self.folder / "error.log"
        return path.read_text(errors="replace")[since:] if path.exists() else ""

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


def cases(op, user: dict, resource: str, report: Report):
    """Every case of this client against `op`."""
    names = ("site", "posted", "wrong_secret", "wrong_issuer", "wrong_keys", "by_introspection", "by_key_set", "tls", "api_wrong_secret")
    ports = {name: free_port() for name in names}
    party = op.client(
        name="A site behind Apache", auth_method="client_secret_basic", scope="openid email offline_access",
        redirect_uri=[f"http://127.0.0.1:{ports[name]}/secret/callback" for name in names[:5]],
        post_logout_redirect_uri=f"http://127.0.0.1:{ports['site']}/out.html", resource=resource,
    )
    api = op.client(name="An API behind Apache", grant_type="client_credentials", audience=resource)
    machine = op.client(name="A machine", grant_type="client_credentials", resource=resource)
    stranger = op.client(name="Another machine", grant_type="client_credentials", resource=resource)
    metadata = op.get("/.well-known/openid-configuration").json()
    discovery = f"OIDCProviderMetadataURL {op.issuer}/.well-known/openid-configuration"
    # The module takes plain http from a metadata document alone; the wrong ones are served by Apache itself.
    wrong_issuer = {**metadata, "issuer": "https://other.example"}
    wrong_keys = {**metadata, "jwks_uri": f"http://127.0.0.1:{ports['site']}/no-keys.json"}
    documents = {"wrong-issuer.json": json.dumps(wrong_issuer), "wrong-keys.json": json.dumps(wrong_keys), "no-keys.json": '{"keys":[]}'}
    served = f"OIDCProviderMetadataURL http://127.0.0.1:{ports['site']}"
    introspection = f"""
OIDCOAuthServerMetadataURL {op.issuer}/.well-known/oauth-authorization-server
OIDCOAuthIntrospectionEndpointAuth client_secret_basic
OIDCOAuthClientID {api["client_id"]}
OIDCOAuthRemoteUserClaim sub
OIDCOAuthTokenIntrospectionInterval 0
OIDCOAuthClientSecret """

    def site(name, secret=party["client_secret"], client_id=party["client_id"]):
        return PARTY.format(client_id=client_id, client_secret=secret, port=ports[name], passphrase=secrets.token_hex(16), email=user["email"])

    guarded = API.format(allowed=machine["client_id"])
    apache = Apache(
        {
            ports["site"]: discovery + site("site"),
            ports["posted"]: discovery + site("posted") + "OIDCResponseMode form_post\nOIDCProviderTokenEndpointAuth client_secret_basic\n",
            ports["wrong_secret"]: discovery + site("wrong_secret", secret="not-the-secret"),
            ports["wrong_issuer"]: f"{served}/wrong-issuer.json" + site("wrong_issuer"),
            ports["wrong_keys"]: f"{served}/wrong-keys.json" + site("wrong_keys"),
            ports["by_introspection"]: introspection + api["client_secret"] + guarded,
            ports["by_key_set"]: f"OIDCOAuthVerifyJwksUri https://127.0.0.1:{ports['tls']}/keys\nOIDCOAuthSSLValidateServer Off\nOIDCOAuthRemoteUserClaim sub\n" + guarded,
            ports["tls"]: TLS.format(jwks_uri=metadata["jwks_uri"]),
            ports["api_wrong_secret"]: introspection + "not-the-secret" + guarded,
        },
        documents,
    )

    def enter(name, person=None):
        """Asks for the guarded page and signs in at the server; what the site answers in the end, and both browsers."""
        here, there = Browser(Running(f"http://127.0.0.1:{ports[name]}")), person or Browser(op)
        asked = here.get("/secret/index.html")
        if asked.status != 302 or not asked.location.startswith(op.issuer):
            raise RigError(f"no redirect to the server: {asked}")
        callback = there.authorize(asked.location, user["username"], user["password"])
        if callback.mode == "form_post":
            return here.post(callback.url, callback.params), here, there
        return here.get(callback.url), here, there

    def inside(name):
        page, here, there = enter(name)
        if page.status != 200 or not page.page.has("secret"):
            raise RigError(f"not inside: {page}\n{apache.log()[-2000:]}")
        if (page.header("x-user"), page.header("x-issuer")) != (user["email"], op.issuer):
            raise RigError(f"another user or issuer: {page.headers}")
        return here, there

    def outside(name, *words):
        before = len(apache.log())
        page, here, _ = enter(name)
        again = here.get("/secret/index.html")
        if page.status == 200 and page.page.has("secret") or again.status == 200:
            raise RigError("the site let it in")
        if not any(word in apache.log(before) for word in words):
            raise RigError(f"kept out for another reason: {apache.log(before)}")

    def refresh():
        here, _ = inside("site")
        hook = f"http://127.0.0.1:{ports['site']}/secret/callback"
        before = here.get(f"{hook}?info=json").json()
        back = urllib.parse.quote(f"http://127.0.0.1:{ports['site']}/out.html", safe="")
        done = here.request("GET", f"{hook}?refresh={back}&access_token={urllib.parse.quote(before['access_token'], safe='')}")
        if done.status != 302 or "error" in done.location:
            raise RigError(f"refresh failed: {done} {apache.log()[-2000:]}")
        after = here.get(f"{hook}?info=json").json()
        if after["access_token"] == before["access_token"] or after["refresh_token"] == before["refresh_token"]:
            raise RigError("nothing was renewed")
        if after["userinfo"]["email"] != user["email"]:
            raise RigError(f"userinfo: {after['userinfo']}")

    def sign_out():
        here, there = inside("site")
        out = f"http://127.0.0.1:{ports['site']}/out.html"
        left = here.get(f"/secret/callback?logout={urllib.parse.quote(out, safe='')}")
        if left.status != 302 or not left.location.startswith(metadata["end_session_endpoint"]):
            raise RigError(f"no redirect to the end session endpoint: {left}")
        back = there.sign_out(left.location)
        if (back.location or "").split("?")[0] != out:
            raise RigError(f"not back at the site: {back}")
        if here.get("/secret/index.html").status == 200:
            raise RigError("still inside")
        silent = there.callback(there.get(op.authorize_url(party, scope="openid", prompt="none", code_challenge="c" * 43, code_challenge_method="S256")))
        if not silent or silent.params.get("error") != "login_required":
            raise RigError(f"prompt=none after sign-out: {silent}")

    def call(name, token):
        return fetch("GET", f"http://127.0.0.1:{ports[name]}/secret/index.html", headers={"Authorization": f"Bearer {token}"})

    def token(client, **more):
        return op.token(client, grant_type="client_credentials", resource=resource, **more).json()["access_token"]

    def let_in(name):
        page = call(name, token(machine))
        if page.status != 200 or not page.header("x-user"):
            raise RigError(f"kept out: {page} {apache.log()[-2000:]}")

    def keeps_out(name, value, status):
        page = call(name, value)
        if page.status != status:
            raise RigError(f"{page.status} where {status} is right")

    def revoked():
        value = token(machine)
        if call("by_introspection", value).status != 200:
            raise RigError(f"kept out before the revocation: {apache.log()[-2000:]}")
        op.revoke(machine, value)
        keeps_out("by_introspection", value, 401)

    try:
        report.case("a site behind sign-in, PKCE, userinfo", inside, "site")
        report.case("the same by response_mode=form_post", inside, "posted")
        report.case("refresh by the module's hook", refresh)
        report.case("sign-out by the module's hook", sign_out)
        report.case("an API that asks introspection", let_in, "by_introspection")
        report.case("an API that verifies through the key set", let_in, "by_key_set")
        report.case("kept out: another client secret", outside, "wrong_secret", "invalid_client")
        report.case("kept out: another issuer", outside, "wrong_issuer", "does not match the issuer")
        report.case("kept out: a key set without the key", outside, "wrong_keys", "could not find key")
        report.case("kept out: a token whose signature was changed, by introspection", keeps_out, "by_introspection", tampered(token(machine)), 401)
        report.case("kept out: a token whose signature was changed, by key set", keeps_out, "by_key_set", tampered(token(machine)), 401)
        report.case("kept out: a client that may not", keeps_out, "by_introspection", token(stranger), 401)
        report.case("kept out: an API with another secret", keeps_out, "api_wrong_secret", token(machine), 401)
        report.case("kept out: a revoked token, by introspection", revoked)
    finally:
        apache.stop()
