"""What every attack needs: instances, clients and people of one store, a watch over every answer, volleys of parallel requests.

A case is a function named by its row (`RU_01`) that takes a `Lab` and raises `Failed` when the server gives in. One that must wait
is a generator: `yield 31` goes on when 31 seconds have passed, while other cases run. What no answer may ever do (a 5xx, an
internal word, a password or client secret, more than the deadline) is watched in every request and fails the case at hand; that
no secret reached a log or a metric is checked when the instances stop.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import secrets
import select
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import rig  # noqa: E402
from rig import AUTHORIZE, INTROSPECT, LOGOUT, PASSWORD, REVOKE, TOKEN, USERINFO, Browser, Portero, Response, basic  # noqa: E402

#: Rounds of a race, guesses at a password, samples of a timing: small in the ordinary run, large before a release.
ROUNDS = int(os.environ.get("ATTACK_ROUNDS", "25"))
GUESSES = int(os.environ.get("ATTACK_GUESSES", "120"))
SAMPLES = int(os.environ.get("ATTACK_SAMPLES", "40"))
LOAD_SECONDS = float(os.environ.get("ATTACK_LOAD", "5"))
#: Seconds within which every answer must be there.
DEADLINE = float(os.environ.get("ATTACK_DEADLINE", "2"))
WORKERS = 16

CB = "https://app.example/cb"
SECOND = "https://app.example/second"
BYE = "https://app.example/bye"
API = "https://api.example"
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


class Failed(AssertionError):
    """The server did what it must not, or did not what it must."""


class Skipped(Exception):
    """The row says nothing about this store."""


def must(condition, why, seen=None):
    if not condition:
        raise Failed(why if seen is None else f"{why}; seen: {shown(seen)}")


def shown(value) -> str:
    text = f"{value.status} {value.header('location') or ''} {value.text[:300]}" if isinstance(value, Response) else repr(value)
    return " ".join(text.split())[:500]


# --- the watch ----------------------------------------------------------------------------------------------------

#: What no error may show: source files, crates, statements, addresses of stores, folders.
INTERNAL = re.compile(
    r"panicked|stack backtrace|\.rs:\d+|\bsqlx\b|\baxum\b|\bhyper\b|\btokio\b|\bredis(?:::|://)|postgres(?:ql)?://|sqlite:|"
    r"\b(?:SELECT|INSERT INTO|UPDATE) \S+ |SQLSTATE|relation \"|no such table|/(?:root|home|work|tmp|usr)/\S",
    re.I,
)


class Watch:
    """Sees every answer of every instance. Violations belong to the case at hand."""

    def __init__(self):
        self.violations: list[str] = []
        self.issued: set[str] = set()  # values the server gave out that no log may hold
        self.typed: set[str] = set()  # passwords and client secrets: in no log and in no answer
        self.slowest = 0.0
        self._lock = threading.Lock()
        self._faults_wanted = False
        self._slow_wanted = False

    @contextlib.contextmanager
    def faults_wanted(self):
        """Inside, 503 with Retry-After is a right answer."""
        self._faults_wanted = True
        try:
            yield
        finally:
            self._faults_wanted = False

    @contextlib.contextmanager
    def slow_wanted(self):
        """Inside, answers may take longer: the machine itself is the limit, or a store was taken away."""
        self._slow_wanted = True
        try:
            yield
        finally:
            self._slow_wanted = False

    def see(self, response: Response, seconds: float):
        with self._lock:
            self._collect(response)
            where = f"{response.method} {urllib.parse.urlsplit(response.url).path} → {response.status}"
            if response.status >= 500 and not (self._faults_wanted and response.status == 503):
                self.violations.append(f"{where}: {' '.join(response.text.split())[:200]}")
            elif response.status == 503 and not response.header("retry-after"):
                self.violations.append(f"{where} without Retry-After")
            if seconds > DEADLINE and not self._slow_wanted:
                self.violations.append(f"{where} took {seconds:.1f} s")
            self.slowest = max(self.slowest, seconds)
            if response.status >= 400 and (inside := INTERNAL.search(response.text)):
                self.violations.append(f"{where} shows an internal word: {inside.group(0)!r}")
            for secret in self.typed:
                if secret in response.text:
                    self.violations.append(f"{where} gives back a password or client secret")

    def _collect(self, response: Response):
        for line in response.header_all("set-cookie"):
            self.issued.add(line.split(";")[0].partition("=")[2])
        if location := response.header("location"):
            parts = urllib.parse.urlsplit(location)
            for name, value in urllib.parse.parse_qsl(parts.query) + urllib.parse.parse_qsl(parts.fragment):
                if name == "code":
                    self.issued.add(value)
        if response.status == 200 and "json" in (response.header("content-type") or "") and b"token" in response.body:
            with contextlib.suppress(ValueError):
                body = response.json()
                if isinstance(body, dict):
                    self.issued.update(v for k in ("access_token", "refresh_token", "id_token") if isinstance(v := body.get(k), str))

    def leaks(self, text: str) -> list[str]:
        """Which of the secrets stand in `text`, whole or a segment of them."""
        runs = set(re.findall(r"[A-Za-z0-9_\-]{16,}", text))
        found = []
        for secret in self.issued:
            if any(part in runs for part in re.findall(r"[A-Za-z0-9_\-]{16,}", secret)):
                found.append(secret)
        forms = {form for secret in self.typed if len(secret) >= 8 for form in (secret, urllib.parse.quote(secret), urllib.parse.quote_plus(secret))}
        return found + [form for form in forms if form in text]


WATCH = Watch()
#: Not watched: for servers that a case itself broke.
fetch_quietly = rig.fetch


def fetch(*args, **kwargs) -> Response:
    """`rig.fetch`, watched."""
    began = time.monotonic()
    response = fetch_quietly(*args, **kwargs)
    if urllib.parse.urlsplit(response.url).path != "/readyz":  # asked until it is ready
        WATCH.see(response, time.monotonic() - began)
    return response


rig.fetch = fetch


# --- volleys ------------------------------------------------------------------------------------------------------


class Shot:
    """One request, as the bytes that go over the wire to one instance."""

    def __init__(self, at: Portero, method: str, path: str, form=None, headers=None):
        self.port, self.method = at.port, method
        self.url = path if path.startswith("http") else at.at(path)
        parts = urllib.parse.urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = b"" if form is None else urllib.parse.urlencode(form).encode()
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if form is not None:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        self.raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Volley:
    """Keep-alive connections whose requests leave together: each worker sends all but the last byte, waits at a barrier, and sends it."""

    def __init__(self):
        self._connections: dict[tuple[int, int], socket.socket] = {}

    def close(self):
        for sock in self._connections.values():
            sock.close()
        self._connections.clear()

    def _connection(self, worker: int, port: int) -> socket.socket:
        sock = self._connections.get((worker, port))
        if sock is not None and select.select([sock], [], [], 0)[0]:
            sock.close()  # the server ended it while it was idle
            sock = None
        if sock is None:
            sock = socket.create_connection(("127.0.0.1", port), timeout=60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[(worker, port)] = sock
        return sock

    def fire(self, shots: list[Shot]) -> list[Response]:
        barrier = threading.Barrier(len(shots))
        answers: list = [None] * len(shots)

        def one(worker: int, shot: Shot):
            try:
                sock = self._connection(worker, shot.port)
                sock.sendall(shot.raw[:-1])
                barrier.wait(60)
                began = time.monotonic()
                sock.sendall(shot.raw[-1:])
                got = http.client.HTTPResponse(sock, method=shot.method)
                got.begin()
                answer = Response(shot.method, shot.url, got.status, got.getheaders(), got.read())
                if got.will_close:
                    self._connections.pop((worker, shot.port)).close()
                answers[worker] = answer
                # A volley fills every core at once: its deadline is that of one request for each worker.
                WATCH.see(answer, (time.monotonic() - began) / len(shots))
            except Exception as error:
                barrier.abort()
                answers[worker] = error

        threads = [threading.Thread(target=one, args=(i, shot), daemon=True) for i, shot in enumerate(shots)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, threading.BrokenBarrierError):
                raise Failed(f"a request of the volley got no answer: {type(answer).__name__}: {answer}")
        return answers


def raw(port: int, data: bytes, timeout=3.0) -> bytes:
    """Sends bytes as they are and reads until the server closes, or is silent for `timeout`."""
    return said(port, data, timeout)[0]


def said(port: int, data: bytes, timeout=3.0) -> tuple[bytes, bool]:
    """The same, and whether the server closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        try:
            sock.sendall(data)
        except OSError:
            pass  # it may have closed already; what it said is still to be read
        got = b""
        try:
            while chunk := sock.recv(65536):
                got += chunk
        except ConnectionResetError:
            return got, True
        except TimeoutError:
            return got, False
        return got, True


# --- the lab ------------------------------------------------------------------------------------------------------

#: Further settings of each kind of instance. `main` runs without limits, so that cases do not stand in each other's way.
INSTANCES = {
    "main": {},
    "limited": {"PORTERO_LIMITS": "on", "PORTERO_TRUSTED_PROXIES": "127.0.0.1"},
    "https": {"PORTERO_ISSUER": "https://id.example"},
    "short": {
        "PORTERO_TOKENS__CODE": "2s",
        "PORTERO_TOKENS__REFRESH_IDLE": "4s",
        "PORTERO_TOKENS__REFRESH_MAX": "7s",
        "PORTERO_TOKENS__REFRESH_RETRY": "0s",
        "PORTERO_SESSIONS__MAX": "7s",
        "PORTERO_SESSIONS__IDLE": "7s",
    },
    "idle": {"PORTERO_SESSIONS__IDLE": "3s"},
    # Nobody signs up: on no page, by no API, and by no old service's request.
    "closed": {"PORTERO_SIGN_UP": "closed", "PORTERO_DIALECTS": "fastapi-auth,flask-jwt@/flask,django-simplejwt@/django"},
    "invited": {"PORTERO_SIGN_UP": "invitation", "PORTERO_DIALECTS": "fastapi-auth,flask-jwt@/flask,django-simplejwt@/django"},
    # Old services' requests with the limits on.
    "old": {"PORTERO_LIMITS": "on", "PORTERO_TRUSTED_PROXIES": "127.0.0.1", "PORTERO_DIALECTS": "fastapi-auth"},
    # An old service in which people read and deleted each other.
    "users": {"PORTERO_DIALECTS": "fastapi-users"},
    # People of other systems, whose passwords cost more or less than ours.
    "imported": {},
}

CLIENTS = {
    # A confidential app of the house: no consent page.
    "web": dict(redirect_uri=[CB, SECOND], post_logout_redirect_uri=[BYE], scope="openid profile email offline_access api:read api:write", first_party=True),
    "other": dict(redirect_uri=["https://other.example/cb"], scope="openid profile email offline_access api:read", first_party=True),
    # Somebody else's app: people are asked.
    "third": dict(redirect_uri=[CB, SECOND], post_logout_redirect_uri=[BYE], scope="openid profile email offline_access api:read api:write"),
    "post": dict(redirect_uri=[CB], scope="openid offline_access", auth_method="client_secret_post", first_party=True),
    "spa": dict(redirect_uri=[CB], scope="openid profile offline_access", public=True, first_party=True),
    "stranger": dict(redirect_uri=["https://spa.example/cb"], scope="openid profile offline_access", public=True),
    "native": dict(redirect_uri=["http://127.0.0.1/cb"], scope="openid profile offline_access", public=True),
    "relaxed": dict(redirect_uri=[CB], scope="openid offline_access", no_pkce=True, first_party=True),
    "opaque": dict(redirect_uri=[CB], scope="openid offline_access api:read", first_party=True, metadata={"access_token_format": "opaque"}),
    "machine": dict(grant_type=["client_credentials"], scope="api:read"),
    # A resource server: it may ask about tokens for API.
    "rs": dict(grant_type=["client_credentials"], scope="api:read", audience=[API]),
    "password": dict(grant_type=["password", "refresh_token"], scope="openid profile email offline_access api:read", first_party=True),
}


class Lab:
    """One store, its instances, and what the cases share on them."""

    def __init__(self, store: str):
        self.store = store
        self.volley = Volley()
        self._instances: dict[str, Portero] = {}
        self._clients: dict[tuple[pathlib.Path, str], dict] = {}
        self._browsers: dict[tuple[pathlib.Path, str], Browser] = {}
        self._twin: Portero | None = None

    # --- instances

    def instance(self, kind="main") -> Portero:
        if kind not in self._instances:
            self._instances[kind] = Portero(self.store, env=INSTANCES[kind])
        return self._instances[kind]

    @property
    def op(self) -> Portero:
        return self.instance("main")

    @property
    def twin(self) -> Portero:
        """A second replica of `op`."""
        if self.store == "embedded":
            raise Skipped("two replicas need shared stores")
        if self._twin is None:
            self._twin = Portero(share=self.op)
        return self._twin

    def replicas(self) -> list[Portero]:
        return [self.op] if self.store == "embedded" else [self.op, self.twin]

    def stop(self) -> list[str]:
        """Ends the instances, and says what their logs and metrics hold that they must not."""
        self.volley.close()
        trouble = []
        everything = ([("twin", self._twin)] if self._twin else []) + list(reversed(self._instances.items()))
        for name, instance in everything:
            metrics = fetch_quietly("GET", instance.management + "/metrics").text
            for where, text in (("log", instance.log()), ("metrics", metrics)):
                if found := WATCH.leaks(text):
                    trouble.append(f"the {where} of the instance {name} holds {len(found)} secrets, such as {found[0][:6]}… ({context_of(text, found[0])})")
            try:
                instance.stop()
            except rig.RigError as error:
                trouble.append(f"instance {name}: {error}")
        return trouble

    # --- clients and people

    def client(self, kind: str, op: Portero | None = None) -> dict:
        """The shared client of that kind (CLIENTS), made on first use."""
        op = op or self.op
        if (op.home, kind) not in self._clients:
            self._clients[(op.home, kind)] = self.new_client(op=op, **CLIENTS[kind])
        return self._clients[(op.home, kind)]

    def new_client(self, op: Portero | None = None, **flags) -> dict:
        client = (op or self.op).client(**flags)
        if client.get("client_secret"):
            WATCH.typed.add(client["client_secret"])
        return client

    def person(self, op: Portero | None = None, **flags) -> str:
        """The e-mail address of a new person with the password PASSWORD."""
        email = f"p{secrets.token_hex(5)}@example.org"
        (op or self.op).user(email, PASSWORD, **flags)
        WATCH.typed.add(PASSWORD)
        return email

    def browser(self, op: Portero | None = None, name="ana") -> Browser:
        """The shared browser of that name, signed in as a person of its own (`browser.email`)."""
        op = op or self.op
        if (op.home, name) not in self._browsers:
            self._browsers[(op.home, name)] = self.signed_in(op, self.person(op))
        return self._browsers[(op.home, name)]

    def signed_in(self, op: Portero | None = None, email: str | None = None) -> Browser:
        """A new browser in which `email` (or somebody new) has signed in."""
        op = op or self.op
        browser = Browser(op)
        browser.email = email or self.person(op)
        self.code(browser, self.client("web", op))
        return browser

    # --- the protocol, step by step

    def request(self, client: dict, op: Portero | None = None, **params) -> str:
        """An authorization request with PKCE; None leaves a parameter out."""
        op = op or self.op
        defaults = {"scope": "openid", "nonce": secrets.token_urlsafe(12)}
        if "code_challenge" not in params:
            params.update(code_challenge=rig.pkce()[1], code_challenge_method="S256")
        return op.authorize_url(client, **{**defaults, **params})

    def code(self, browser: Browser, client: dict, verifier=None, **params) -> "Code":
        """A fresh code: signs in and consents where it must."""
        op = browser.via
        made, challenge = rig.pkce()
        if verifier is None and params.get("code_challenge", "") is not None:
            verifier = made
            params.update(code_challenge=challenge, code_challenge_method="S256")
            WATCH.issued.add(verifier)
        url = self.request(client, op, **params)
        callback = browser.authorize(url, getattr(browser, "email", None), PASSWORD)
        must("code" in callback.params, "no code where one is due", callback.params)
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        return Code(op, client, callback.params["code"], verifier, asked)

    def tokens(self, browser: Browser | None = None, client: dict | None = None, **params) -> dict:
        """Tokens by code, of the app of the house and the shared person unless said otherwise."""
        browser = browser or self.browser()
        answer = self.code(browser, client or self.client("web", browser.via), **params).redeem()
        must(answer.status == 200, "the code was refused", answer)
        return answer.json()

    def refresh(self, client: dict, token: str, op: Portero | None = None, **form) -> Response:
        return (op or self.op).token(client, grant_type="refresh_token", refresh_token=token, **form)

    def active(self, client: dict, token: str, op: Portero | None = None) -> bool:
        answer = (op or self.op).introspect(client, token)
        must(answer.status == 200, "introspection failed", answer)
        body = answer.json()
        must(body["active"] or body == {"active": False}, "an inactive answer says more than that", body)
        return body["active"]

    def must_be_dead(self, client: dict, tokens: dict, why: str, op: Portero | None = None):
        """Nothing of this answer of the token endpoint is good any more: introspection, userinfo, refresh."""
        op = op or self.op
        must(not self.active(client, tokens["access_token"], op), f"{why}: the access token is still active")
        must(op.userinfo(tokens["access_token"]).status == 401, f"{why}: userinfo still answers")
        if token := tokens.get("refresh_token"):
            must(not self.active(client, token, op), f"{why}: the refresh token is still active")
            oauth_error(self.refresh(client, token, op), 400, "invalid_grant")

    # --- the stores

    def sql(self, statement: str, op: Portero | None = None) -> list[list]:
        """Runs a statement on the instance's database and gives back its rows."""
        op = op or self.op
        if self.store == "embedded":
            connection = sqlite3.connect(op.home / "data" / "portero.db", timeout=10, isolation_level=None)
            try:
                return [list(row) for row in connection.execute(statement)]
            finally:
                connection.close()
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-R", "\x1e", "-v", "ON_ERROR_STOP=1", "-d", op.environment["PORTERO_DATABASE_URL"], "-c", statement],
            capture_output=True, text=True, timeout=60,
        )
        must(done.returncode == 0, f"psql: {done.stderr.strip()}")
        return [row.split("\x1f") for row in done.stdout.rstrip("\n").split("\x1e") if row]

    def redis(self, *words: str, op: Portero | None = None):
        return rig.redis_command((op or self.op).environment["PORTERO_REDIS_URL"], *words)

    def audited(self, act: str, client_id: str | None = None, op: Portero | None = None) -> list[list]:
        """Refusals written down for this act: actor, subject, reason."""
        where = f" AND client_id = '{client_id}'" if client_id else ""
        return self.sql(f"SELECT actor, subject, reason FROM audit WHERE result = 'refused' AND act = '{act}'{where}", op)


def context_of(text: str, secret: str) -> str:
    """The start of the line that holds it: enough to find the place, and nothing of the secret."""
    for part in re.findall(r"[A-Za-z0-9_\-]{16,}", secret) or [secret]:
        if (at := text.find(part)) >= 0:
            line = text[text.rfind("\n", 0, at) + 1 : at]
            return line[-160:]
    return ""


class Code:
    """An authorization code that nobody redeemed yet, with what its redemption needs."""

    def __init__(self, op: Portero, client: dict, value: str, verifier: str | None, request: dict):
        self.op, self.client, self.value, self.verifier, self.request = op, client, value, verifier, request

    def form(self, **changes) -> dict:
        """The honest redemption with changes; None leaves a member out."""
        form = {"grant_type": "authorization_code", "code": self.value, "redirect_uri": self.request.get("redirect_uri"), "code_verifier": self.verifier, **changes}
        return {name: value for name, value in form.items() if value is not None}

    def redeem(self, by: dict | None = None, at: Portero | None = None, **changes) -> Response:
        return (at or self.op).as_client(by or self.client, TOKEN, self.form(**changes))

    def shot(self, at: Portero | None = None, **changes) -> Shot:
        return as_client(at or self.op, self.client, TOKEN, self.form(**changes))


def as_client(at: Portero, client: dict, path: str, form: dict) -> Shot:
    """The request of `Portero.as_client`, for a volley."""
    form, headers = dict(form), {}
    method = client.get("token_endpoint_auth_method", "client_secret_basic")
    if method == "client_secret_basic":
        headers["Authorization"] = basic(client["client_id"], client["client_secret"])
    else:
        form["client_id"] = client["client_id"]
        if method == "client_secret_post":
            form["client_secret"] = client["client_secret"]
    return Shot(at, "POST", path, form, headers)


# --- what answers must be -----------------------------------------------------------------------------------------


def error_page(response: Response, code: str | None = None, status=(400,)):
    """PAGE400: the server's own page; nothing leads to the client."""
    must(response.status in status, f"an error page with status {' or '.join(map(str, status))} is due", response)
    must(response.header("location") is None, "an error page redirects", response)
    must("text/html" in (response.header("content-type") or ""), "the error is no page", response)
    seen = response.page.text_of("error-code")
    must(seen and (code is None or seen == code), f"#error-code holds {seen!r}, not {code!r}")
    must("no-store" in (response.header("cache-control") or ""), "an error page may be cached", response)
    return response


def answer_params(response: Response, redirect_uri=CB) -> dict:
    """The parameters of an answer to the client, by query, fragment or form."""
    if response.status == 200:
        form = next((f for f in response.page.forms if f.action == redirect_uri), None)
        must(form is not None, "neither a redirect nor a form to the client", response)
        return dict(form.fields)
    must(response.status in (302, 303), "a redirect to the client is due", response)
    target = response.header("location") or ""
    must(target.startswith((redirect_uri + "?", redirect_uri + "#")), f"the redirect leads to {target[:200]}")
    parts = urllib.parse.urlsplit(target)
    pairs = urllib.parse.parse_qsl(parts.query, keep_blank_values=True) + urllib.parse.parse_qsl(parts.fragment, keep_blank_values=True)
    must(len({name for name, _ in pairs}) == len(pairs), "a parameter of the answer is repeated", pairs)
    return dict(pairs)


def redirected(lab: Lab, response: Response, error: str | tuple, redirect_uri=CB, state="", op: Portero | None = None) -> dict:
    """RD(error): to the registered redirect URI, with state and iss, and nothing issued. `state=""`: the one of the request."""
    params = answer_params(response, redirect_uri)
    wanted = (error,) if isinstance(error, str) else error
    must(params.get("error") in wanted, f"error={' or '.join(wanted)} is due", params)
    if state == "":
        state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(response.url).query, keep_blank_values=True)).get("state")
    must(params.get("state") == state, f"state is {params.get('state')!r} instead of {state!r}")
    must(params.get("iss") == (op or lab.op).issuer, "iss is not the issuer", params)
    must(not {"code", "access_token", "id_token", "token"} & set(params), "an error hands something out", params)
    return params


def oauth_error(response: Response, status: int | tuple, code: str | tuple) -> dict:
    """A JSON error of RFC 6749 §5.2."""
    statuses, codes = ((value,) if isinstance(value, (int, str)) else value for value in (status, code))
    must(response.status in statuses, f"status {' or '.join(map(str, statuses))} is due", response)
    must((response.header("content-type") or "").split(";")[0] == "application/json", "the error is not JSON", response)
    must("no-store" in (response.header("cache-control") or ""), "the error may be cached", response)
    body = response.json()
    must(body.get("error") in codes, f"error {' or '.join(codes)} is due", body)
    if response.status == 401 and "invalid_client" in codes:
        must("basic" in (response.header("www-authenticate") or "").lower(), "401 without a Basic challenge", response)
    return body


def sign_in_page(response: Response) -> Response:
    must(response.status == 200 and response.page.has("sign-in-submit"), "the sign-in page is due", response)
    return response


def consent_page(response: Response) -> Response:
    must(response.status == 200 and response.page.has("consent-allow"), "the consent page is due", response)
    return response


def nobody(lab: Lab, browser: Browser, why: str):
    """In this browser nobody is signed in."""
    op = browser.via
    redirected(lab, browser.request("GET", lab.request(lab.client("web", op), op, prompt="none")), "login_required", op=op)


def somebody(lab: Lab, browser: Browser, why: str) -> dict:
    """In this browser somebody is signed in: a silent request gets its code. The answer is the claims of the ID token."""
    op = browser.via
    made = lab.code(browser, lab.client("web", op), prompt="none").redeem()
    must(made.status == 200, why, made)
    return rig.jwt_claims(made.json()["id_token"])


def with_cookies(browser: Browser) -> Browser:
    """Another browser with the same cookies: the thief's copy."""
    copy = Browser(browser.via, browser.headers)
    copy.cookies = dict(browser.cookies)
    copy.email = getattr(browser, "email", None)
    return copy


def hidden(response: Response, button: str) -> tuple[str, dict]:
    """Where the form around `#button` posts, and its fields with the pressed button."""
    form = response.page.form_with(button)
    fields = dict(form.fields)
    pressed = next((b for b in form.buttons if b.get("id") == button), {})
    if pressed.get("name"):
        fields[pressed["name"]] = pressed.get("value", "")
    return urllib.parse.urljoin(response.url, pressed.get("formaction") or form.action or response.url), fields


def query(url: str) -> dict:
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query, keep_blank_values=True))


def changed(url: str, **params) -> str:
    """The URL with parameters of its query replaced, or added; None removes one."""
    parts = urllib.parse.urlsplit(url)
    pairs = {**query(url), **params}
    return parts._replace(query=urllib.parse.urlencode({k: v for k, v in pairs.items() if v is not None})).geturl()


def secret_field(fields: dict) -> str:
    """The name of the form token among the hidden fields."""
    names = [name for name in fields if "csrf" in name.lower()]
    must(len(names) == 1, "the form has no form token", sorted(fields))
    return names[0]


def wrong(secret: str) -> str:
    """A secret of the same shape that differs in its middle."""
    at = len(secret) // 2
    return secret[:at] + ("A" if secret[at] != "A" else "B") + secret[at + 1 :]


def spread(samples: list[float]) -> float:
    ordered = sorted(samples)
    return ordered[len(ordered) // 2]


def kolmogorov_smirnov(a: list[float], b: list[float]) -> float:
    """The p-value of the two-sample test (asymptotic)."""
    import math

    a, b = sorted(a), sorted(b)
    i = j = 0
    distance = 0.0
    while i < len(a) and j < len(b):
        x = min(a[i], b[j])
        while i < len(a) and a[i] <= x:
            i += 1
        while j < len(b) and b[j] <= x:
            j += 1
        distance = max(distance, abs(i / len(a) - j / len(b)))
    root = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    t = (root + 0.12 + 0.11 / root) * distance
    return min(1.0, max(0.0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * t * t) for k in range(1, 101)))) if t > 0.2 else 1.0


def told_apart(classes: dict, base: str, samples: int, close=0.0003) -> dict:
    """Takes the time of each class, one after another in random order, and fails where a class is told from `base`: by the test of Kolmogorov and
    Smirnov, and by more than `close` seconds between the medians. A machine that does other work separates a class now and then; a leak does it every
    time: only what is apart in the same direction three times over counts. `classes` are functions that answer in how many seconds."""
    verdicts = []
    for _ in range(3):
        taken = {name: [] for name in classes}
        order = [name for name in classes for _ in range(samples)]
        secrets.SystemRandom().shuffle(order)
        for name in order:
            taken[name].append(classes[name]())
        apart = {name: (kolmogorov_smirnov(taken[base], seconds), spread(seconds) - spread(taken[base])) for name, seconds in taken.items() if name != base}
        verdicts.append(apart)
        FIGURES.append({"n": samples, "median": {name: round(spread(seconds) * 1000, 2) for name, seconds in taken.items()}, "p": {name: round(p, 4) for name, (p, _) in apart.items()}})
        if all(p > 0.01 or abs(difference) < close for p, difference in apart.values()):
            return apart
    for name in verdicts[0]:
        always = all(verdict[name][0] <= 0.01 and abs(verdict[name][1]) >= close and (verdict[name][1] > 0) == (verdicts[0][name][1] > 0) for verdict in verdicts)
        must(not always, f"{name!r} is told apart by time", [f"p={p:.4f} {difference * 1000:+.2f} ms" for p, difference in (verdict[name] for verdict in verdicts)])
    return verdicts[-1]


#: What was measured, for whoever asks (ATTACK_FIGURES=1 prints it).
FIGURES: list[dict] = []


def seconds_of(request) -> float:
    began = time.perf_counter()
    request()
    return time.perf_counter() - began


def encoded(raw_bytes: bytes) -> str:
    return base64.b64encode(raw_bytes).decode()


def post_json(op: Portero, path: str, body, headers=None) -> Response:
    return fetch("POST", op.at(path), body=json.dumps(body).encode(), headers={"Content-Type": "application/json", **(headers or {})}, connect=op.port)


__all__ = [name for name in dir() if not name.startswith("_")]
