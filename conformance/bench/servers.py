"""The servers that `peers` measures: how each is installed, configured as its documentation says for production, started, and given
clients, people and tokens. Each is asked for the same: client credentials with an RS256 JWT of RSA-2048, refresh with
an access and an ID token, introspection, its key set.

Everything goes to target/conformance/peers, at the versions below. Standard library only. Knows nothing of measuring.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import platform
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse

import cases
import rig
from measure import ROOT, say

HERE = pathlib.Path(__file__).resolve().parent
INSTALLED = ROOT / "target" / "conformance" / "peers"

#: the one place
OIDC_PROVIDER, NODE = "9.13.3", "22.23.3"
KEYCLOAK = "26.7.3"
#: not to be had from a package registry: HYDRA names a binary of this version
HYDRA_VERSION = "v26.2.0"

PEOPLE = cases.CHAINS
RESOURCE = "urn:bench:reports"
WEB_SCOPE = "openid offline_access"


class PeerError(Exception):
    """A server that does not do what it is to be measured at; nothing is measured then."""


def run(*command, timeout=600, **kwargs) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, **kwargs)
    if done.returncode:
        raise PeerError(f"{' '.join(map(str, command))[:200]}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def size_mib(*paths: pathlib.Path) -> float:
    """What files occupy, each once."""
    seen = {}
    for path in paths:
        for one in [path] if path.is_file() else path.rglob("*"):
            if one.is_file() and not one.is_symlink():
                found = one.stat()
                seen[found.st_dev, found.st_ino] = found.st_size
    return sum(seen.values()) / 2**20


# --- RSA ----------------------------------------------------------------------------------------------------------


def rsa_jwk(kid: str) -> dict:
    """A new private RSA-2048 key as JWK (RFC 7517, 7518 §6.3)."""
    pem = run("openssl", "genrsa", "-traditional", "2048")
    numbers = re.findall(r"INTEGER\s*:([0-9A-F]+)", run("openssl", "asn1parse", input=pem))[1:]
    values = {name: rig.b64url(bytes.fromhex(number)) for name, number in zip(("n", "e", "d", "p", "q", "dp", "dq", "qi"), numbers, strict=True)}
    return {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", **values}


#: RFC 8017 §9.2, note 1: DigestInfo of SHA-256
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def verify_rs256(token: str, jwks: dict) -> dict:
    """The claims of a JWT that the key set proves: RS256 with RSA-2048 (RFC 7518 §3.3, RFC 8017 §8.2.2)."""
    head = rig.jwt_header(token)
    if head.get("alg") != "RS256":
        raise PeerError(f"asked for RS256 and got {head}")
    key = next((key for key in jwks["keys"] if key.get("kid") == head.get("kid") and key["kty"] == "RSA"), None)
    if key is None:
        raise PeerError(f"no key for {head} in {[key.get('kid') for key in jwks['keys']]}")
    n, e = (int.from_bytes(rig.unb64url(key[name]), "big") for name in ("n", "e"))
    if n.bit_length() != 2048:
        raise PeerError(f"a key of {n.bit_length()} bits instead of 2048")
    signed, _, signature = token.rpartition(".")
    tail = SHA256_INFO + hashlib.sha256(signed.encode()).digest()
    expected = b"\0\1" + b"\xff" * (256 - 3 - len(tail)) + b"\0" + tail
    if pow(int.from_bytes(rig.unb64url(signature), "big"), e, n).to_bytes(256, "big") != expected:
        raise PeerError("the signature of the token does not fit the key set")
    return rig.jwt_claims(token)


# --- what all have in common --------------------------------------------------------------------------------------


class Server:
    """One server. `install` once; then `create`, `start` and `stop` as often as wanted, `close`."""

    name = ""
    #: seconds before the first load, and before each later one: JIT compilers need long to show what they can
    warm_up = (3, 3)
    discovery = rig.DISCOVERY
    jwks_path = rig.JWKS
    token_path = rig.TOKEN
    introspect_path = rig.INTROSPECT
    #: seconds until a start must have answered
    patience = 60
    needs_postgres = False

    def __init__(self):
        self.port = rig.free_port()
        self.process = None
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="portero-bench-"))
        self.machine = {"client_id": "machine", "client_secret": secrets.token_hex(24)}
        self.web = {"client_id": "web", "client_secret": secrets.token_hex(24)}
        self.postgres = rig._Postgres() if self.needs_postgres else None

    def create(self):
        """What must be there before the first start."""

    def populate(self):
        """What is made at the running server before the loads."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict:
        return {}

    def start(self):
        with open(self.home / "log", "ab") as log:
            environment = {**os.environ, **{name: str(value) for name, value in self.environment().items()}}
            self.process = subprocess.Popen(self.command(), cwd=self.home, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        if self.postgres:
            self.postgres.drop()

    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, client: dict, **form) -> dict:
        answer = rig.fetch("POST", self.url + self.token_path, form=form, headers={"Authorization": cases.authorization(client)})
        if answer.status != 200:
            raise PeerError(f"{self.name}: the token endpoint answered {answer}")
        return answer.json()

    def keys(self) -> dict:
        return cases.expect(rig.fetch("GET", self.url + self.jwks_path), lambda answer: answer.json()["keys"]).json()

    def line(self, client: dict, path: str, form: dict) -> list[str]:
        return ["POST", path, urllib.parse.urlencode(form), cases.FORM, f"Authorization: {cases.authorization(client)}"]

    # The four loads. Each proves its first answer.

    machine_form = {"grant_type": "client_credentials"}

    def client_credentials(self) -> cases.Work:
        verify_rs256(self.token(self.machine, **self.machine_form)["access_token"], self.keys())
        return cases.Work("requests", [self.line(self.machine, self.token_path, self.machine_form)])

    def sign_in(self, number: int) -> dict:
        """Tokens of a person: refresh, access and ID token."""
        raise NotImplementedError

    def refresh(self) -> cases.Work:
        first = [self.sign_in(number)["refresh_token"] for number in range(PEOPLE)]
        answer = self.token(self.web, grant_type="refresh_token", refresh_token=first[0])
        for name in ("access_token", "id_token"):
            verify_rs256(answer[name], self.keys())
        first[0] = answer["refresh_token"]
        return cases.Work("refresh", [[self.token_path, cases.authorization(self.web), token] for token in first], threads=cases.CHAINS)

    def introspected(self) -> list[str]:
        return [self.sign_in(number)["access_token"] for number in range(PEOPLE)]

    def introspection_line(self, token: str) -> list[str]:
        return self.line(self.web, self.introspect_path, {"token": token})

    def introspection_url(self) -> str:
        return self.url

    def introspection(self) -> cases.Work:
        tokens = self.introspected()
        lines = [self.introspection_line(token) for token in tokens]
        headers = dict(line.split(": ", 1) for line in lines[0][3:])
        answer = rig.fetch("POST", self.introspection_url() + self.introspect_path, form=lines[0][2], headers=headers)
        cases.expect(answer, lambda answer: answer.json()["active"] is True and answer.json()["sub"])
        return cases.Work("requests", lines, answer_bytes=cases.size(answer))

    def jwks(self) -> cases.Work:
        answer = cases.expect(rig.fetch("GET", self.url + self.jwks_path), lambda answer: answer.json()["keys"])
        return cases.Work("requests", [["GET", self.jwks_path, ""]], answer_bytes=cases.size(answer))


# --- Portero ------------------------------------------------------------------------------------------------------


class Portero(Server):
    """In production mode, limits on, as it would run."""

    store = "embedded"

    @property
    def name(self):
        return "Portero, " + {"embedded": "SQLite and the process", "postgres": "Postgres and Redis"}[self.store]

    def __init__(self):
        self.op = rig.Portero(self.store, production=True, start=False, wait=0)
        self.port, self.postgres = self.op.port, self.op._postgres

    @staticmethod
    def version() -> str:
        return run(rig.binary(), "--version").split()[1]

    @staticmethod
    def sizes() -> list[tuple[str, float]]:
        return [("program", size_mib(pathlib.Path(rig.binary())))]

    def start(self):
        self.op.start()
        self.process = self.op.process

    def stop(self):
        self.op.stop(keep=True)

    def close(self):
        self.op.stop(check=False)

    def log(self):
        return self.op.log()

    def populate(self):
        self.op.wait_ready()
        self.server = cases.Server(self.op)
        self.machine, self.web = self.server.machine, self.server.web

    machine_form = {"grant_type": "client_credentials", "scope": "reports:read"}

    def sign_in(self, number: int) -> dict:
        return self.server.flow(self.server.browsers()[number % cases.CHAINS], number).tokens

    def introspection(self) -> cases.Work:
        return cases.introspection(self.server, PEOPLE)


class PorteroOnPostgres(Portero):
    store = "postgres"
    needs_postgres = True


# --- oidc-provider ------------------------------------------------------------------------------------------------


class OidcProvider(Server):
    name = "oidc-provider"
    warm_up = (20, 20)
    token_path, introspect_path, jwks_path = "/token", "/token/introspection", "/jwks"
    folder = INSTALLED / "oidc-provider"
    machine_form = {"grant_type": "client_credentials", "scope": "reports:read"}

    @classmethod
    def install(cls):
        kind = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
        wanted = {"private": True, "type": "module", "dependencies": {f"node-linux-{kind}": NODE, "oidc-provider": OIDC_PROVIDER}}
        cls.node = cls.folder / "node_modules" / f"node-linux-{kind}" / "bin" / "node"
        package = cls.folder / "package.json"
        if not cls.node.exists() or not package.exists() or json.loads(package.read_text()) != wanted:
            say("installs oidc-provider and Node")
            shutil.rmtree(cls.folder, ignore_errors=True)
            cls.folder.mkdir(parents=True)
            package.write_text(json.dumps(wanted))
            run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", cwd=cls.folder)
        cls.node.chmod(0o755)
        shutil.copy(HERE / "oidc_provider.mjs", cls.folder / "server.mjs")

    @staticmethod
    def version() -> str:
        return f"{OIDC_PROVIDER}, Node {NODE}"

    @classmethod
    def sizes(cls):
        modules = size_mib(*(one for one in (cls.folder / "node_modules").iterdir() if not one.name.startswith("node-linux")))
        return [("packages", modules), ("Node", size_mib(cls.node))]

    def create(self):
        common = {"token_endpoint_auth_method": "client_secret_basic"}
        machine = {**self.machine, **common, "grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [], "scope": "reports:read"}
        web = {**self.web, **common, "grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [cases.CALLBACK]}
        settings = {"jwks": {"keys": [rsa_jwk("bench")]}, "clients": [machine, web], "resource": RESOURCE, "cookies": [secrets.token_hex(32)]}
        (self.home / "settings.json").write_text(json.dumps(settings))

    def command(self):
        return [str(self.node), str(self.folder / "server.mjs")]

    def environment(self):
        return {"NODE_ENV": "production", "BENCH_PORT": self.port, "BENCH_SETTINGS": self.home / "settings.json"}

    def sign_in(self, number: int, resource: str | None = RESOURCE) -> dict:
        """Through the package's own pages: authorization request, sign-in, consent, code."""
        browser = rig.Browser(_as_running(self.url, self.port))
        verifier, challenge = rig.pkce()
        scope = f"{WEB_SCOPE} reports:read" if resource else WEB_SCOPE
        query = {"client_id": "web", "response_type": "code", "redirect_uri": cases.CALLBACK, "scope": scope, "prompt": "consent", "code_challenge": challenge, "code_challenge_method": "S256"}
        if resource:
            query["resource"] = resource
        response = browser.request("GET", f"{self.url}/auth?{urllib.parse.urlencode(query)}")
        for _ in range(20):
            if response.location and response.location.startswith(cases.CALLBACK):
                code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(response.location).query)).get("code")
                if not code:
                    raise PeerError(f"{self.name}: no code at {response.location}")
                return self.token(self.web, grant_type="authorization_code", code=code, redirect_uri=cases.CALLBACK, code_verifier=verifier)
            if response.location:
                response = browser.request("GET", response.location)
                continue
            form = next(iter(response.page.forms), None)
            if response.status != 200 or form is None:
                break
            filled = {**form.fields, **{name: f"person{number}" for name in ("login", "password") if name in form.fields}}
            response = browser.request(form.method, form.action, form=filled)
        raise PeerError(f"{self.name}: the sign-in ended at {response}")

    def introspected(self):
        """It introspects opaque tokens alone: those for no resource."""
        return [self.sign_in(number, resource=None)["access_token"] for number in range(PEOPLE)]


def _as_running(issuer: str, port: int) -> rig.Running:
    running = rig.Running(issuer)
    running.port = port
    return running


# --- Keycloak -----------------------------------------------------------------------------------------------------


class Keycloak(Server):
    name = "Keycloak"
    warm_up = (45, 20)
    patience = 180
    needs_postgres = True
    folder = INSTALLED / f"keycloak-{KEYCLOAK}"
    realm = "/realms/bench"
    discovery = realm + rig.DISCOVERY
    token_path = realm + "/protocol/openid-connect/token"
    introspect_path = token_path + "/introspect"
    jwks_path = realm + "/protocol/openid-connect/certs"

    @classmethod
    def install(cls):
        cls.java = pathlib.Path(os.environ.get("PEERS_JAVA_HOME") or cls._newest_java())
        if (stamp := cls.folder / ".built-for-postgres").exists() and stamp.read_text() == str(cls.java):
            return
        say("installs Keycloak and builds it for Postgres")
        shutil.rmtree(cls.folder, ignore_errors=True)
        INSTALLED.mkdir(parents=True, exist_ok=True)
        artifact = f"org.keycloak:keycloak-quarkus-dist:{KEYCLOAK}:zip"
        run("mvn", "-q", "-B", "dependency:get", f"-Dartifact={artifact}", "-Dtransitive=false")
        run("mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={INSTALLED}")
        package = INSTALLED / f"keycloak-quarkus-dist-{KEYCLOAK}.zip"
        shutil.unpack_archive(package, INSTALLED)
        package.unlink()
        cls._program().chmod(0o755)
        run(cls._program(), "build", "--db=postgres", "--cache=local", env=cls._java_environment())
        stamp.write_text(str(cls.java))

    @staticmethod
    def _newest_java() -> str:
        found = {}
        for folder in pathlib.Path("/usr/lib/jvm").glob("*/bin/java"):
            spoken = subprocess.run([folder, "-version"], capture_output=True, text=True).stderr
            if major := re.search(r'version "(\d+)', spoken):
                found[int(major[1])] = str(folder.parent.parent.resolve())
        if not found or max(found) < 21:
            raise PeerError("Keycloak needs a Java of 21 or newer: PEERS_JAVA_HOME names one")
        return found[max(found)]

    @classmethod
    def _java_environment(cls) -> dict:
        return {**os.environ, "JAVA_HOME": str(cls.java)}

    @classmethod
    def _program(cls) -> pathlib.Path:
        return cls.folder / "bin" / "kc.sh"

    @classmethod
    def version(cls) -> str:
        spoken = subprocess.run([cls.java / "bin" / "java", "-version"], capture_output=True, text=True).stderr
        java = re.search(r'version "([^"]+)', spoken)
        return f"{KEYCLOAK}, Java {java[1] if java else '?'}"

    @classmethod
    def sizes(cls):
        return [("distribution", size_mib(cls.folder)), ("Java, a whole JDK", size_mib(cls.java))]

    def create(self):
        # It introspects tokens for those alone whose audience they name, as Portero does.
        audience = {"included.client.audience": "web", "access.token.claim": "true", "introspection.token.claim": "true"}
        mapper = {"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper", "config": audience}
        web = {"directAccessGrantsEnabled": True, "standardFlowEnabled": True, "redirectUris": [cases.CALLBACK], "protocolMappers": [mapper]}
        clients = [
            {"clientId": "machine", "secret": self.machine["client_secret"], "serviceAccountsEnabled": True, "standardFlowEnabled": False},
            {"clientId": "web", "secret": self.web["client_secret"], **web},
        ]
        people = [
            {"username": f"person{n}", "enabled": True, "email": f"person{n}@bench.example", "emailVerified": True, "firstName": "Ana María", "lastName": "Example", "credentials": [{"type": "password", "value": rig.PASSWORD}]}
            for n in range(PEOPLE)
        ]
        # Refresh tokens that may be used once, as the others' do.
        realm = {"realm": "bench", "enabled": True, "sslRequired": "none", "revokeRefreshToken": True, "refreshTokenMaxReuse": 0, "accessTokenLifespan": 3600, "clients": clients, "users": people}
        path = self.home / "realm.json"
        path.write_text(json.dumps(realm))
        run(self._program(), "import", "--optimized", "--file", path, env={**self._java_environment(), **{k: str(v) for k, v in self.environment().items()}})

    def command(self):
        return [str(self._program()), "start", "--optimized"]

    def environment(self):
        at = urllib.parse.urlsplit(self.postgres.url)
        return {
            "JAVA_HOME": self.java,
            "KC_DB_URL": f"jdbc:postgresql://{at.hostname}:{at.port}{at.path}",
            "KC_DB_USERNAME": at.username,
            "KC_DB_PASSWORD": at.password or "trusted",
            "KC_HTTP_ENABLED": "true",
            "KC_HTTP_HOST": "127.0.0.1",
            "KC_HTTP_PORT": self.port,
            "KC_HOSTNAME": self.url,
        }

    def sign_in(self, number: int) -> dict:
        """By the password grant: what a person types is no part of the loads."""
        return self.token(self.web, grant_type="password", username=f"person{number}", password=rig.PASSWORD, scope="openid")


# --- Ory Hydra ----------------------------------------------------------------------------------------------------


class Hydra(Server):
    name = "Ory Hydra"
    needs_postgres = True
    token_path, introspect_path = "/oauth2/token", "/admin/oauth2/introspect"
    hasher: dict | None = None
    machine_form = {"grant_type": "client_credentials", "scope": "reports:read"}

    def __init__(self):
        super().__init__()
        self.admin_port = rig.free_port()

    @classmethod
    def install(cls):
        path = os.environ.get("HYDRA") or shutil.which("hydra")
        if not path:
            raise PeerError(f"no package registry has it: HYDRA names a binary of {HYDRA_VERSION}")
        cls.binary = pathlib.Path(path).resolve()
        if (found := cls.version()) != HYDRA_VERSION:
            raise PeerError(f"{cls.binary} is {found}, not {HYDRA_VERSION}")

    @classmethod
    def version(cls) -> str:
        return re.search(r"Version:\s+(\S+)", run(cls.binary, "version"))[1]

    @classmethod
    def sizes(cls):
        return [("program", size_mib(cls.binary))]

    @property
    def issuer(self) -> str:
        """Production wants https: a proxy in front of it would speak it."""
        return f"https://127.0.0.1:{self.port}"

    def create(self):
        (self.home / "hydra.json").write_text(json.dumps(self.settings()))
        run(self.binary, "migrate", "sql", "up", "-e", "--yes", "-c", self.home / "hydra.json", env={**os.environ, **self.environment()})

    def settings(self) -> dict:
        here = {"host": "127.0.0.1"}
        return {
            "serve": {"public": {**here, "port": self.port}, "admin": {**here, "port": self.admin_port}},
            "urls": {"self": {"issuer": self.issuer}, "login": f"{self.issuer}/bench/login", "consent": f"{self.issuer}/bench/consent"},
            "strategies": {"access_token": "jwt"},
            "secrets": {"system": [secrets.token_hex(32)]},
            "sqa": {"opt_out": True},
            "version": HYDRA_VERSION,
            **({"oauth2": {"hashers": self.hasher}} if self.hasher else {}),
        }

    def environment(self):
        # A request holds one connection while it asks for another: with the default, two for each core, 16 at once wait for each other until they time out.
        return {"DSN": self.postgres.url + "?sslmode=disable&max_conns=64&max_idle_conns=64", "SQA_OPT_OUT": "true"}

    def command(self):
        return [str(self.binary), "serve", "all", "-c", str(self.home / "hydra.json"), "--sqa-opt-out"]

    def admin(self, method: str, path: str, body: dict) -> dict:
        answer = rig.fetch(method, f"http://127.0.0.1:{self.admin_port}/admin{path}", body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        if answer.status not in (200, 201):
            raise PeerError(f"{self.name}: {answer}")
        return answer.json()

    def populate(self):
        # Its own keys would be of 4096 bits.
        for name in ("hydra.jwt.access-token", "hydra.openid.id-token"):
            self.admin("PUT", f"/keys/{name}", {"keys": [rsa_jwk(secrets.token_hex(8))]})
        common = {"token_endpoint_auth_method": "client_secret_basic"}
        self.admin("POST", "/clients", {**self.machine, **common, "grant_types": ["client_credentials"], "scope": "reports:read"})
        web = {"grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "redirect_uris": [cases.CALLBACK], "scope": WEB_SCOPE}
        self.admin("POST", "/clients", {**self.web, **common, **web})

    def sign_in(self, number: int) -> dict:
        """Its sign-in and consent pages are the operator's own program: here they say yes at once."""
        browser = rig.Browser(_as_running(self.issuer, self.port))
        verifier, challenge = rig.pkce()
        query = {"client_id": "web", "response_type": "code", "redirect_uri": cases.CALLBACK, "scope": WEB_SCOPE, "state": secrets.token_urlsafe(16), "code_challenge": challenge, "code_challenge_method": "S256"}
        target = f"{self.issuer}/oauth2/auth?{urllib.parse.urlencode(query)}"
        for _ in range(8):
            location = browser.request("GET", target).location
            asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location or "").query))
            if "code" in asked:
                return self.token(self.web, grant_type="authorization_code", code=asked["code"], redirect_uri=cases.CALLBACK, code_verifier=verifier)
            if "login_challenge" in asked:
                target = self.admin("PUT", f"/oauth2/auth/requests/login/accept?login_challenge={asked['login_challenge']}", {"subject": f"person{number}"})["redirect_to"]
            elif "consent_challenge" in asked:
                granted = {"grant_scope": WEB_SCOPE.split()}
                target = self.admin("PUT", f"/oauth2/auth/requests/consent/accept?consent_challenge={asked['consent_challenge']}", granted)["redirect_to"]
            else:
                break
        raise PeerError(f"{self.name}: the sign-in ended at {location}")

    def introspection_url(self):
        return f"http://127.0.0.1:{self.admin_port}"

    def introspection_line(self, token):
        """On the address for administration, where nobody authenticates."""
        return ["POST", self.introspect_path, urllib.parse.urlencode({"token": token}), cases.FORM]


class HydraFastSecrets(Hydra):
    """With one iteration for what a client's secret is hashed by, as fits a random secret; the default is made for passwords."""

    name = "Ory Hydra, client secrets hashed once"
    hasher = {"algorithm": "pbkdf2", "pbkdf2": {"iterations": 1}}


SERVERS = {"embedded": Portero, "postgres": PorteroOnPostgres, "oidc-provider": OidcProvider, "keycloak": Keycloak, "hydra": Hydra, "hydra-fast": HydraFastSecrets}
