"""Starts Portero for those who know it over HTTP only: other people's clients, attacks, benchmarks.

Owns: an instance on the embedded stores or on Postgres and Redis, on free ports, with its own folder and its own database;
clients and users made by the command line; a small HTTP client and a browser without script that walks through
sign-in and consent. Standard library only. Ends what it started, and fails loudly when the log shows a panic.

    from rig import Portero, Browser, STORES
    with Portero("postgres") as op:
        client = op.client(name="app", redirect_uri="http://127.0.0.1:9/callback", scope="openid offline_access")
        op.user("ana@example.org", "correct horse battery staple")
        flow = op.code_flow(client, "ana@example.org", "correct horse battery staple", scope="openid")
        flow.tokens["id_token"]

`PORTERO_BIN` names the binary (default: target/debug/portero). `PORTERO_TEST_POSTGRES_URL` and `PORTERO_TEST_REDIS_URL`
name servers on which databases may be made and emptied; `scripts/with-stores COMMAND` provides both.
"""

from __future__ import annotations

import atexit
import base64
import collections
import hashlib
import html.parser
import http.client
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
STORES = ("embedded", "postgres")
PASSWORD = "correct horse battery staple"

AUTHORIZE = "/oauth2/authorize"
TOKEN = "/oauth2/token"
USERINFO = "/oauth2/userinfo"
INTROSPECT = "/oauth2/introspect"
REVOKE = "/oauth2/revoke"
LOGOUT = "/oauth2/logout"
DISCOVERY = "/.well-known/openid-configuration"
METADATA = "/.well-known/oauth-authorization-server"
JWKS = "/.well-known/jwks.json"


class RigError(Exception):
    """The rig itself, or the server's process, is at fault; not a verdict on an answer."""


class CliError(RigError):
    """A command of the binary ended with another exit code than 0."""

    def __init__(self, args: tuple[str, ...], code: int, stdout: str, stderr: str):
        super().__init__(f"portero {' '.join(args)}: exit code {code}\n{stderr.strip() or stdout.strip()}")
        self.code, self.stdout, self.stderr = code, stdout, stderr


class ErrorPage(Exception):
    """The server answered a flow with its own error page. `code` is the content of #error-code."""

    def __init__(self, response: "Response"):
        self.response = response
        self.code = response.page.text_of("error-code")
        super().__init__(f"error page {response.status} {self.code!r} at {response.url}")


# --- what a suite needs from npm and PyPI -------------------------------------------------------------------------


def install(folder: pathlib.Path, of: pathlib.Path, *steps: list) -> None:
    """Runs the steps unless `folder` was made from this very `of`; a half-made one has no stamp and is made again."""
    stamp, digest = folder / ".made-from", hashlib.sha256(of.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    print(f"installs what {of.name} names", flush=True)
    for step in steps:
        done = subprocess.run(step, cwd=of.parent, capture_output=True, text=True, timeout=900)
        if done.returncode:
            raise RigError(f"{' '.join(map(str, step))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    stamp.write_text(digest)


def node_modules(suite: pathlib.Path) -> pathlib.Path:
    """The programs that a suite's package.json names, at the versions of its package-lock.json; none of them runs a script of its own to be installed."""
    install(suite / "node_modules", suite / "package-lock.json", ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"])
    return suite / "node_modules" / ".bin"


def venv(suite: pathlib.Path) -> pathlib.Path:
    """The programs that a suite's requirements.txt names, in an environment of its own below target."""
    folder, requirements = ROOT / "target" / "conformance" / f"{suite.name}-venv", suite / "requirements.txt"
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements]
    install(folder, requirements, [sys.executable, "-m", "venv", "--clear", folder], pip)
    return folder / "bin"


# --- ports and stores ---------------------------------------------------------------------------------------------


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def binary() -> str:
    path = pathlib.Path(os.environ.get("PORTERO_BIN") or ROOT / "target" / "debug" / "portero")
    if not path.is_file():
        raise RigError(f"no binary at {path}: run `cargo build`, or set PORTERO_BIN")
    return str(path.resolve())


def _needed(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RigError(f"{name} is not set: run the command under scripts/with-stores, which starts a private Postgres and Redis")
    return value


def _psql(url: str, statement: str) -> str:
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RigError(f"psql: {done.stderr.strip()}")
    return done.stdout.strip()


class _Postgres:
    """A database of its own on the test server."""

    def __init__(self):
        self.server = _needed("PORTERO_TEST_POSTGRES_URL")
        self.name = f"portero_{secrets.token_hex(6)}"
        _psql(self.server, f'CREATE DATABASE "{self.name}"')
        self.url = urllib.parse.urlsplit(self.server)._replace(path=f"/{self.name}").geturl()

    def drop(self):
        _psql(self.server, f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')


class _Redis:
    """A numbered database of its own, emptied before use."""

    def __init__(self):
        server = _needed("PORTERO_TEST_REDIS_URL")
        total = int(redis_command(server, "CONFIG", "GET", "databases")[1])
        number = 1 + redis_command(server, "INCR", "rig:databases") % (total - 1)
        self.url = urllib.parse.urlsplit(server)._replace(path=f"/{number}").geturl()
        self.drop()

    def drop(self):
        redis_command(self.url, "FLUSHDB")


def redis_command(url: str, *words: str):
    """Sends one command to Redis and gives back its answer: int, str, None or a list of them."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 6379), timeout=10) as sock:
        stream = sock.makefile("rwb")

        def call(*words: str):
            stream.write(b"*%d\r\n" % len(words))
            for word in words:
                raw = word.encode()
                stream.write(b"$%d\r\n%s\r\n" % (len(raw), raw))
            stream.flush()
            return answer()

        def answer():
            line = stream.readline().rstrip(b"\r\n")
            kind, rest = line[:1], line[1:]
            if kind == b"-":
                raise RigError(f"redis: {rest.decode()}")
            if kind == b":":
                return int(rest)
            if kind == b"+":
                return rest.decode()
            if kind == b"$":
                if rest == b"-1":
                    return None
                return stream.read(int(rest) + 2)[:-2].decode(errors="replace")
            if kind == b"*":
                return [answer() for _ in range(int(rest))]
            raise RigError(f"redis: unexpected answer {line!r}")

        if parts.password:
            call("AUTH", *([parts.username] if parts.username else []), urllib.parse.unquote(parts.password))
        if parts.path.strip("/"):
            call("SELECT", parts.path.strip("/"))
        return call(*words)


# --- the server ---------------------------------------------------------------------------------------------------

_running: list["Portero"] = []


@atexit.register
def _stop_all():
    for instance in reversed(_running[:]):
        try:
            instance.stop(check=False)
        except Exception as error:  # the interpreter is ending; the next one still has to be stopped
            print(f"rig: {error}", file=sys.stderr)


def _end_by_signal(*_):
    sys.exit(1)


signal.signal(signal.SIGTERM, _end_by_signal)


class Portero:
    """One running instance.

    store       "embedded" (SQLite and the process) or "postgres" (Postgres and Redis).
    env         further settings, e.g. {"PORTERO_PKCE": "public"}; None as a value removes one.
    production  production mode with a random master key; otherwise development. Limits are off in development unless
                `env` says otherwise; production refuses that.
    share       another instance whose database, Redis, master key and issuer this one uses: a second replica.
    path        the issuer's own path, e.g. "/auth".
    command     words before the binary, e.g. ("taskset", "-c", "0").
    wait        seconds until it must be ready; 0 starts it without waiting.
    """

    def __init__(self, store="embedded", env=None, production=False, share=None, path="", command=(), wait=30, start=True):
        if store not in STORES:
            raise RigError(f"unknown store {store!r}: {STORES}")
        self.store = share.store if share else store
        self.bin = share.bin if share else binary()
        self.share, self.command, self._wait = share, tuple(command), wait
        self.process, self._postgres, self._redis, self._resources = None, None, None, None
        self.port, self.management_port = free_port(), free_port()
        if share and share.store == "embedded":
            raise RigError("a replica needs shared stores: use store='postgres'")
        #: where this instance listens, with the issuer's path
        self.url = f"http://127.0.0.1:{self.port}{path}"
        #: where it answers /livez, /readyz and /metrics
        self.management = f"http://127.0.0.1:{self.management_port}"
        #: the issuer identifier; a replica has the one of its first instance
        self.issuer = share.issuer if share else self.url

        settings = dict(share._settings) if share else self._own_settings(production)
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="portero-rig-"))
        self.log_path = self.home / "portero.log"
        settings.update(PORTERO_LISTEN=f"127.0.0.1:{self.port}", PORTERO_MANAGEMENT_LISTEN=f"127.0.0.1:{self.management_port}")
        settings["PORTERO_ISSUER"] = self.issuer
        for name, value in (env or {}).items():
            settings.pop(name, None)
            if value is not None:
                settings[name] = str(value)
        self.issuer = settings.get("PORTERO_ISSUER", self.url)
        self._settings = settings
        if start:
            self.start()

    def _own_settings(self, production):
        # Development's master key lies in ./keys of the folder it runs in; a replica has another folder, so the key is given.
        settings = {"PORTERO_ENV": "production" if production else "development", "PORTERO_MASTER_KEY": secrets.token_hex(32)}
        if production:
            settings["PORTERO_SHUTDOWN__DRAIN"] = "0s"  # no load balancer has to notice
        else:
            settings["PORTERO_LIMITS"] = "off"
        if self.store == "postgres":
            self._postgres, self._redis = _Postgres(), _Redis()
            settings.update(PORTERO_DATABASE_URL=self._postgres.url, PORTERO_REDIS_URL=self._redis.url)
        return settings

    @property
    def environment(self) -> dict:
        """The whole environment of the process: nothing of ours leaks in from outside."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PORTERO_")}
        return {"LANG": "C.UTF-8", **clean, "RUST_BACKTRACE": "1", **self._settings}

    def start(self):
        """Starts the process (again, after `stop(keep=True)` or `kill`) and waits until it is ready."""
        self._log = open(self.log_path, "ab")
        self.process = subprocess.Popen([*self.command, self.bin, "serve"], cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT)
        _running.append(self)
        if self._wait:
            try:
                self.wait_ready(self._wait)
            except BaseException:
                self.stop(check=False)
                raise
        return self

    def wait_ready(self, seconds=30.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RigError(f"the server ended with exit code {self.process.returncode}:\n{self.log()[-4000:]}")
            try:
                if fetch("GET", f"{self.management}/readyz", timeout=2).status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        raise RigError(f"not ready after {seconds} s:\n{self.log()[-4000:]}")

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def kill(self):
        """Ends the process at once, as a crash would; stores and folder stay."""
        self.process.kill()
        self.process.wait()
        self._log.close()
        _running.remove(self)

    def stop(self, check=True, keep=False):
        """Asks the process to end (SIGTERM), checks its exit code and its log, and removes folder and databases.

        keep: leave both in place, so that `start` continues where this ended.
        """
        trouble = []
        if self in _running:
            _running.remove(self)
            was_running = self.process.poll() is None
            if was_running:
                self.process.terminate()
                try:
                    self.process.wait(40)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
                    trouble.append("it did not end within 40 s of SIGTERM")
            if self.process.returncode != 0:
                trouble.append(f"exit code {self.process.returncode}" + ("" if was_running else " before it was asked to stop"))
            self._log.close()
        log = self.log()
        if "panicked at" in log:
            at = log.index("panicked at")
            trouble.append("its log shows a panic:\n" + log[max(0, at - 200) : at + 1500])
        if not keep:
            shutil.rmtree(self.home, ignore_errors=True)
            if self._postgres:
                self._postgres.drop()
                self._redis.drop()
                self._postgres = self._redis = None
        if check and trouble:
            raise RigError("; ".join(trouble))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        # While another failure is on its way out, its own message matters more than how the server ended.
        self.stop(check=kind is None)

    # --- the command line

    def run(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess:
        """Runs the binary on the same stores, whatever it answers."""
        return subprocess.run([self.bin, *args], cwd=self.home, env=self.environment, input=stdin if stdin is not None else "", capture_output=True, text=True, timeout=120)

    def cli(self, *args: str, stdin: str | None = None):
        """Runs a command with `--json` and gives back what it printed."""
        done = self.run(*args, "--json", stdin=stdin)
        if done.returncode:
            raise CliError(args, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def client(self, **flags) -> dict:
        """`client create`: each keyword is a flag (`redirect_uri=[…]`, `public=True`, `metadata={…}`)."""
        flags.setdefault("name", f"client {secrets.token_hex(3)}")
        return self.cli("client", "create", *self._flags(flags))

    def user(self, email: str, password: str = PASSWORD, **flags) -> dict:
        """`user create`: a verified person unless `verified=False`."""
        flags.setdefault("verified", True)
        return self.cli("user", "create", "--email", email, *self._flags(flags), "--password-stdin", stdin=password + "\n")

    def _flags(self, flags: dict) -> list[str]:
        words = []
        for name, value in flags.items():
            flag = "--" + name.replace("_", "-")
            if value is True:
                words.append(flag)
            elif isinstance(value, dict):
                path = self.home / f"{name}-{secrets.token_hex(4)}.json"
                path.write_text(json.dumps(value))
                words += [flag, str(path)]
            elif value is not None and value is not False:
                for one in [value] if isinstance(value, (str, int)) else value:
                    words += [flag, str(one)]
        return words

    # --- the protocol

    def at(self, path: str) -> str:
        """A path of the server as absolute URL under the issuer."""
        return self.issuer.rstrip("/") + path

    def get(self, path: str, **kwargs) -> "Response":
        """One GET at this instance, without cookies, without following."""
        return fetch("GET", self.at(path), connect=self.port, **kwargs)

    def post(self, path: str, form=None, **kwargs) -> "Response":
        """One POST of a form (dict, list of pairs, or text as it is)."""
        return fetch("POST", self.at(path), form=form if form is not None else {}, connect=self.port, **kwargs)

    def as_client(self, client: dict, path: str, form, headers=None) -> "Response":
        """A POST in which the client authenticates the way it registered."""
        pairs = list(form.items()) if isinstance(form, dict) else list(form)
        headers = dict(headers or {})
        method = client.get("token_endpoint_auth_method", "client_secret_basic")
        if method == "client_secret_basic":
            headers["Authorization"] = basic(client["client_id"], client["client_secret"])
        else:
            pairs.append(("client_id", client["client_id"]))
            if method == "client_secret_post":
                pairs.append(("client_secret", client["client_secret"]))
        return self.post(path, pairs, headers=headers)

    def token(self, client: dict, **form) -> "Response":
        return self.as_client(client, TOKEN, form)

    def introspect(self, client: dict, token: str, **form) -> "Response":
        return self.as_client(client, INTROSPECT, {"token": token, **form})

    def revoke(self, client: dict, token: str, **form) -> "Response":
        return self.as_client(client, REVOKE, {"token": token, **form})

    def userinfo(self, access_token: str) -> "Response":
        return self.get(USERINFO, headers={"Authorization": f"Bearer {access_token}"})

    def authorize_url(self, client: dict, **params) -> str:
        """An authorization request with the client's first redirect URI; None leaves a parameter out."""
        query = {"response_type": "code", "client_id": client["client_id"], "redirect_uri": (client.get("redirect_uris") or [None])[0], "state": secrets.token_urlsafe(12)}
        query.update(params)
        return self.at(AUTHORIZE) + "?" + urllib.parse.urlencode([(k, v) for k, v in query.items() if v is not None])

    def code_flow(self, client: dict, username: str, password: str = PASSWORD, browser: "Browser | None" = None, **params) -> "Flow":
        """Authorization code with PKCE from the first request to the tokens. `params` are of the authorization request."""
        verifier, challenge = pkce()
        params = {"scope": "openid", "nonce": secrets.token_urlsafe(12), "code_challenge": challenge, "code_challenge_method": "S256", **params}
        browser = browser or Browser(self)
        url = self.authorize_url(client, **params)
        callback = browser.authorize(url, username, password)
        if "error" in callback.params:
            raise RigError(f"authorization was refused: {callback.params}")
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        if callback.params.get("state") != asked.get("state"):
            raise RigError(f"state came back changed: {callback.params.get('state')!r} for {asked.get('state')!r}")
        answer = self.token(client, grant_type="authorization_code", code=callback.params["code"], redirect_uri=asked["redirect_uri"], code_verifier=verifier)
        if answer.status != 200:
            raise RigError(f"the code was refused: {answer.status} {answer.text}")
        return Flow(browser, callback, verifier, asked, answer.json())


Flow = collections.namedtuple("Flow", "browser callback verifier request tokens")


def basic(name: str, secret: str) -> str:
    """RFC 6749 §2.3.1: both form-encoded, then RFC 7617."""
    pair = f"{urllib.parse.quote_plus(name)}:{urllib.parse.quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def pkce() -> tuple[str, str]:
    """A code verifier and its S256 challenge (RFC 7636 §4)."""
    verifier = secrets.token_urlsafe(32)
    return verifier, b64url(hashlib.sha256(verifier.encode()).digest())


def b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jwt_header(token: str) -> dict:
    return json.loads(unb64url(token.split(".")[0]))


def jwt_claims(token: str) -> dict:
    """The claims of a JWT, not verified."""
    return json.loads(unb64url(token.split(".")[1]))


def tampered(token: str) -> str:
    """The same JWT with one bit of its signature changed."""
    head, body, signature = token.split(".")
    raw = bytearray(unb64url(signature))
    raw[len(raw) // 2] ^= 1
    return f"{head}.{body}.{b64url(bytes(raw))}"


# --- HTTP ---------------------------------------------------------------------------------------------------------


class Response:
    """What came back: `status`, `headers` (list of pairs), `body`, `url` of the request."""

    def __init__(self, method, url, status, headers, body):
        self.method, self.url, self.status, self.headers, self.body = method, url, status, headers, body
        self._page = None

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def header_all(self, name: str) -> list[str]:
        return [v for k, v in self.headers if k.lower() == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    @property
    def location(self) -> str | None:
        """Where a redirect leads, as absolute URL."""
        target = self.header("location")
        return None if target is None else urllib.parse.urljoin(self.url, target)

    @property
    def page(self) -> "Page":
        if self._page is None:
            self._page = Page(self.text)
        return self._page

    @property
    def error(self) -> str | None:
        """The OAuth error code of a JSON answer, or of an error page."""
        kind = self.header("content-type") or ""
        if "json" in kind:
            body = self.json()
            return body.get("error") if isinstance(body, dict) else None
        return self.page.text_of("error-code") if "html" in kind else None

    def __repr__(self):
        return f"<{self.status} {self.method} {self.url} {self.text[:300]!r}>"


def fetch(method: str, url: str, form=None, body: bytes | None = None, headers=None, connect: int | None = None, timeout=30.0) -> Response:
    """One request. `headers` is a dict or a list of pairs (repeated ones stay). `connect`: the loopback port that is
    spoken to, while the request names the host of `url`, as a load balancer would hand it on."""
    parts = urllib.parse.urlsplit(url)
    sent = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    names = {k.lower() for k, _ in sent}
    if form is not None:
        body = form.encode() if isinstance(form, str) else form if isinstance(form, bytes) else urllib.parse.urlencode(form, doseq=True).encode()
        if "content-type" not in names:
            sent.append(("Content-Type", "application/x-www-form-urlencoded"))
    connection = http.client.HTTPConnection("127.0.0.1" if connect else parts.hostname, connect or parts.port or 80, timeout=timeout)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        if "host" not in names:
            connection.putheader("Host", parts.netloc)
        if body is not None and "content-length" not in names:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in sent:
            connection.putheader(name, value)
        try:
            connection.endheaders(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent: the answer may be there already
        got = connection.getresponse()
        return Response(method, url, got.status, got.getheaders(), got.read())
    finally:
        connection.close()


# --- pages --------------------------------------------------------------------------------------------------------


class Form:
    """A form of a page. `fields` holds what a browser would send without a click on a button."""

    def __init__(self, attributes):
        self.action, self.method, self.id = attributes.get("action", ""), attributes.get("method", "get").upper(), attributes.get("id")
        self.fields: dict[str, str] = {}
        self.names: dict[str, str] = {}  # id of a control → its name
        self.buttons: list[dict] = []


class Page(html.parser.HTMLParser):
    """The forms, the text by id, and the links of a page."""

    VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.ids: dict[str, list[str]] = {}
        self.attributes: dict[str, dict] = {}
        self.links: list[str] = []
        self.lang = None
        self._form, self._open, self._select, self._textarea = None, [], None, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = {k: v if v is not None else "" for k, v in attrs}
        if tag == "html":
            self.lang = attributes.get("lang")
        if tag not in self.VOID:
            self._open.append((tag, attributes.get("id")))
        if identifier := attributes.get("id"):
            self.ids.setdefault(identifier, [])
            self.attributes[identifier] = {"tag": tag, **attributes}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "form":
            self._form = Form(attributes)
            self.forms.append(self._form)
        owner = self._owner(attributes)
        if owner is None or "disabled" in attributes:
            return
        name, kind = attributes.get("name"), attributes.get("type", "").lower()
        if tag == "button" and kind in ("", "submit") or tag == "input" and kind in ("submit", "image"):
            owner.buttons.append(attributes)
        elif tag == "input" and name:
            if attributes.get("id"):
                owner.names[attributes["id"]] = name
            if kind not in ("checkbox", "radio") or "checked" in attributes:
                owner.fields[name] = attributes.get("value", "on" if kind in ("checkbox", "radio") else "")
        elif tag == "select" and name:
            self._select = (owner, name)
        elif tag == "option" and self._select:
            owner, name = self._select
            if "selected" in attributes or name not in owner.fields:
                owner.fields[name] = attributes.get("value", "")
        elif tag == "textarea" and name:
            owner.fields[name] = ""
            self._textarea = (owner, name)
            if attributes.get("id"):
                owner.names[attributes["id"]] = name

    def _owner(self, attributes) -> Form | None:
        if named := attributes.get("form"):
            return next((f for f in self.forms if f.id == named), None)
        return self._form

    def handle_endtag(self, tag):
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at][0] == tag:
                del self._open[at:]
                break

    def handle_data(self, data):
        if self._textarea:
            owner, name = self._textarea
            owner.fields[name] += data
        for _, identifier in self._open:
            if identifier:
                self.ids[identifier].append(data)

    def has(self, identifier: str) -> bool:
        return identifier in self.ids

    def text_of(self, identifier: str) -> str | None:
        return " ".join("".join(self.ids[identifier]).split()) if identifier in self.ids else None

    def form_with(self, identifier: str) -> Form:
        """The form that holds the control or button of that id."""
        for form in self.forms:
            if identifier in form.names or form.id == identifier or any(b.get("id") == identifier for b in form.buttons):
                return form
        raise RigError(f"no form with #{identifier} on the page; it has {sorted(self.ids)}")


class Callback:
    """What arrived at the client's redirect URI. `params` of the query, the fragment or the posted form."""

    def __init__(self, url: str, params: list[tuple[str, str]], mode: str, response: Response):
        self.url, self.pairs, self.mode, self.response = url, params, mode, response
        self.params = dict(params)

    def __repr__(self):
        return f"<callback {self.mode} {self.url} {self.params}>"


class Browser:
    """A browser without script: cookies, redirects inside the server, forms. It never speaks to the client's host.

    `via`: the instance spoken to; set it to another replica between two steps at will.
    """

    def __init__(self, via: Portero, headers=None):
        self.via, self.issuer = via, via.issuer
        self.headers = dict(headers or {"User-Agent": "rig", "Accept": "text/html,*/*;q=0.8", "Accept-Language": "en"})
        self.cookies: dict[tuple[str, str], str] = {}  # (name, path) → value
        self.set_cookies: list[str] = []  # every Set-Cookie header seen, as it was sent
        self._referrer_policy = None

    @property
    def origin(self) -> str:
        return _origin(self.issuer)

    def at_home(self, url: str) -> bool:
        return _origin(url) == self.origin

    def request(self, method: str, url: str, form=None, headers=None) -> Response:
        """One request with the cookies of the jar, not followed."""
        url = urllib.parse.urljoin(self.issuer.rstrip("/") + "/", url)
        if not self.at_home(url):
            raise RigError(f"the browser of the rig does not leave {self.origin}: {url}")
        sent = {**self.headers, "Sec-Fetch-Site": "same-origin" if method == "POST" else "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        if method == "POST":
            # Fetch, "append a request Origin header": a page under `no-referrer` posts with `Origin: null`.
            sent["Origin"] = "null" if self._referrer_policy == "no-referrer" else self.origin
        if cookie := self.cookie_header(urllib.parse.urlsplit(url).path):
            sent["Cookie"] = cookie
        sent.update(headers or {})
        response = fetch(method, url, form=form, headers={k: v for k, v in sent.items() if v is not None}, connect=self.via.port)
        for line in response.header_all("set-cookie"):
            self._keep(line, urllib.parse.urlsplit(url).path)
        self._referrer_policy = response.header("referrer-policy")
        return response

    def cookie_header(self, path: str) -> str:
        fit = [(p, n, v) for (n, p), v in self.cookies.items() if path == p or path.startswith(p if p.endswith("/") else p + "/")]
        return "; ".join(f"{n}={v}" for _, n, v in sorted(fit, key=lambda c: -len(c[0])))

    def _keep(self, line: str, path: str):
        self.set_cookies.append(line)
        pair, *rest = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        attributes = {k.strip().lower(): v.strip() for k, _, v in (part.partition("=") for part in rest)}
        at = attributes.get("path") or path.rsplit("/", 1)[0] or "/"
        gone = attributes.get("max-age", "1").lstrip("-") == "0" or attributes.get("max-age", "").startswith("-") or "1970" in attributes.get("expires", "")
        if gone:
            self.cookies.pop((name, at), None)
        else:
            self.cookies[(name, at)] = value

    def follow(self, response: Response, hops=20) -> Response:
        """Follows redirects inside the server; one that leads elsewhere is given back as it is."""
        for _ in range(hops):
            if response.status not in (301, 302, 303, 307, 308) or not response.location or not self.at_home(response.location):
                return response
            response = self.request("GET", response.location)
        raise RigError(f"more than {hops} redirects, last to {response.location}")

    def get(self, url: str, **kwargs) -> Response:
        return self.follow(self.request("GET", url, **kwargs))

    def post(self, url: str, form=None, **kwargs) -> Response:
        return self.follow(self.request("POST", url, form=form if form is not None else {}, **kwargs))

    def submit(self, response: Response, button: str, values=None, follow=True) -> Response:
        """Fills the form around `#button` (`values`: by id or by name) and presses that button."""
        form = response.page.form_with(button)
        fields = dict(form.fields)
        for key, value in (values or {}).items():
            fields[form.names.get(key, key)] = value
        pressed = next((b for b in form.buttons if b.get("id") == button), {})
        if pressed.get("name"):
            fields[pressed["name"]] = pressed.get("value", "")
        method = pressed.get("formmethod", form.method).upper()
        target = urllib.parse.urljoin(response.url, pressed.get("formaction") or form.action or response.url)
        if method == "GET":
            target = target.split("?")[0] + "?" + urllib.parse.urlencode(fields)
            answer = self.request("GET", target)
        else:
            answer = self.request("POST", target, form=fields)
        return self.follow(answer) if follow else answer

    def sign_in(self, response: Response, username: str, password: str, follow=True) -> Response:
        """Fills in the sign-in page that `response` shows."""
        return self.submit(response, "sign-in-submit", {"username": username, "password": password}, follow)

    def authorize(self, url: str, username: str | None = None, password: str = PASSWORD, consent="allow", form=None) -> Callback:
        """From the authorization request to the client's redirect URI: signs in and consents where a page asks for it.

        consent: "allow" or "deny". form: send the request by POST with these fields. Raises ErrorPage on the server's
        error page, and RigError where a page asks for what was not given or asks again.
        """
        response = self.post(url, form) if form is not None else self.get(url)
        asked = collections.Counter()
        while True:
            if found := self.callback(response):
                return found
            page = response.page
            if page.has("error-code"):
                raise ErrorPage(response)
            if page.has("sign-in-submit"):
                asked["sign-in"] += 1
                if username is None or asked["sign-in"] > 1:
                    raise RigError(f"the sign-in page was shown {'again' if username else ''}: {_words(response)}")
                response = self.sign_in(response, username, password)
            elif page.has("consent-allow"):
                asked["consent"] += 1
                if asked["consent"] > 1:
                    raise RigError(f"the consent page was shown again: {_words(response)}")
                response = self.submit(response, f"consent-{consent}")
            else:
                raise RigError(f"a page the rig does not know: {response.status} {response.url} {_words(response)}")

    def callback(self, response: Response) -> Callback | None:
        """The answer to the client, if this response is one: a redirect elsewhere, or a form that posts elsewhere."""
        if response.location and not self.at_home(response.location) and response.status in (302, 303, 307):
            parts = urllib.parse.urlsplit(response.location)
            mode = "fragment" if parts.fragment else "query"
            return Callback(response.location, urllib.parse.parse_qsl(parts.fragment or parts.query, keep_blank_values=True), mode, response)
        if response.status == 200 and "html" in (response.header("content-type") or ""):
            for form in response.page.forms:
                target = urllib.parse.urljoin(response.url, form.action)
                if form.method == "POST" and not self.at_home(target):
                    return Callback(target, list(form.fields.items()), "form_post", response)
        return None


    def sign_out(self, url: str) -> Response:
        """Follows a logout URL; confirms where a page asks. The last answer: the page after it, or a redirect elsewhere."""
        response = self.get(url)
        if response.status == 200 and response.page.has("sign-out-submit"):
            response = self.submit(response, "sign-out-submit")
        return response


class Running:
    """A server that somebody else started, or another host, for a Browser of its own."""

    def __init__(self, issuer: str):
        self.issuer = self.url = issuer
        self.port = urllib.parse.urlsplit(issuer).port


def _origin(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _words(response: Response) -> str:
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", response.text, flags=re.S)
    return " ".join(text.split())[:400]


def _walk():
    """For clients in other languages: one JSON object in, one out.

    {"do": "authorize", "issuer", "url", "username", "password", "jar"}  → {"url", "params", "mode"} or {"error_page"}
    {"do": "sign-out", "issuer", "url", "jar"}                           → {"status", "location", "signed_out"}
    `jar` is a file that keeps the cookies between two walks.
    """
    order = json.load(sys.stdin)
    browser = Browser(Running(order["issuer"]))
    jar = pathlib.Path(order["jar"]) if order.get("jar") else None
    if jar and jar.exists():
        browser.cookies = {(name, path): value for name, path, value in json.loads(jar.read_text())}
    if order["do"] == "authorize":
        try:
            callback = browser.authorize(order["url"], order.get("username"), order.get("password", PASSWORD))
            answer = {"url": callback.url, "params": callback.params, "mode": callback.mode}
        except ErrorPage as page:
            answer = {"error_page": page.code, "status": page.response.status}
    else:
        response = browser.sign_out(order["url"])
        answer = {"status": response.status, "location": response.location, "signed_out": response.page.has("signed-out")}
    if jar:
        jar.write_text(json.dumps([[name, path, value] for (name, path), value in browser.cookies.items()]))
    json.dump(answer, sys.stdout)


# --- cases --------------------------------------------------------------------------------------------------------


class Report:
    """Counts cases and prints them as they end; `finish` prints the closing line and ends the process."""

    def __init__(self, title: str):
        self.title, self.passed, self.failed = title, 0, []

    def check(self, name: str, holds, detail="") -> bool:
        if holds:
            self.passed += 1
            print(f"ok    {self.title}: {name}", flush=True)
        else:
            self.failed.append(name)
            print(f"FAIL  {self.title}: {name}{': ' if detail != '' else ''}{detail}", flush=True)
        return bool(holds)

    def case(self, name: str, body, *args):
        """Runs `body`; an exception is the failure of this case alone."""
        try:
            body(*args)
        except Exception as error:
            self.check(name, False, f"{type(error).__name__}: {error}")
        else:
            self.check(name, True)

    def must_fail(self, name: str, body, expect=Exception, *args):
        """A negative control: passes when `body` raises `expect`."""
        try:
            body(*args)
        except expect:
            self.check(name, True)
        except Exception as error:
            self.check(name, False, f"failed in another way: {type(error).__name__}: {error}")
        else:
            self.check(name, False, "was accepted")

    def finish(self):
        print(f"\n{self.passed} passed, {len(self.failed)} failed", flush=True)
        sys.exit(1 if self.failed else 0)


if __name__ == "__main__":
    _walk()
