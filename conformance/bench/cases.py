"""What is measured at a running server, one function a case: it prepares clients, people and tokens, and says which load to run
and what cryptography one operation cannot do without.
"""

from __future__ import annotations

import secrets
import urllib.parse
from dataclasses import dataclass, field

import rig

#: as many requests at once
CHAINS = 16
PEOPLE = 8
CALLBACK = "http://127.0.0.1:9/callback"
SCOPE = "openid profile email"
FORM = "Content-Type: application/x-www-form-urlencoded"


@dataclass
class Work:
    """A load. `threads` as many as chains where each request needs the answer before it."""

    script: str
    lines: list[list[str]]
    threads: int = 1
    connections: int = CHAINS
    #: length of a right answer with its headers, where the script does not look at answers
    answer_bytes: int | None = None


@dataclass
class Case:
    """`own`: operations of the limits that one operation is made of. `at_most`: bare answers of processor time beyond them.
    `at_least`: share of the limit."""

    name: str
    title: str
    prepare: object
    own: dict = field(default_factory=dict)
    at_most: float | None = None
    at_least: float | None = None
    limit: str = "openssl_rsa2048_sign"
    seconds: float = 2


class Server:
    """A running instance with what several cases share."""

    def __init__(self, op: rig.Portero):
        self.op = op
        self.people = [f"person{n}@bench.example" for n in range(PEOPLE)]
        for email in self.people:
            op.user(email, name="Ana María Example")
        self.machine = op.client(name="Bench machine", grant_type="client_credentials", scope="reports:read")
        self.web = op.client(name="Bench web", redirect_uri=CALLBACK, scope=f"{SCOPE} offline_access")
        self.own = op.client(name="Bench first-party", redirect_uri=CALLBACK, scope=f"{SCOPE} offline_access", grant_type=["authorization_code", "refresh_token", "password"], first_party=True)
        self._browsers: list[rig.Browser] = []

    def browsers(self) -> list[rig.Browser]:
        """One for each chain, signed in, the third-party client allowed."""
        while len(self._browsers) < CHAINS:
            browser = rig.Browser(self.op)
            self.flow(browser, len(self._browsers))
            self._browsers.append(browser)
        return self._browsers

    def flow(self, browser: rig.Browser, number: int) -> rig.Flow:
        return self.op.code_flow(self.web, self.people[number % PEOPLE], browser=browser, scope=SCOPE)

    def access_tokens(self, count=64) -> list[str]:
        """Of several people and grants, so that no answer is that of one token."""
        browsers = self.browsers()
        return [self.flow(browsers[n % CHAINS], n % CHAINS).tokens["access_token"] for n in range(count)]

    def path(self, path: str) -> str:
        return urllib.parse.urlsplit(self.op.at(path)).path

    def line(self, client: dict, path: str, form: dict) -> list[str]:
        return ["POST", self.path(path), urllib.parse.urlencode(form), FORM, f"Authorization: {authorization(client)}"]


def authorization(client: dict) -> str:
    return rig.basic(client["client_id"], client["client_secret"])


def expect(response: rig.Response, holds) -> rig.Response:
    if response.status != 200 or not holds(response):
        raise rig.RigError(f"a first request by hand was not answered as it should: {response}")
    return response


def client_credentials(server: Server, client: dict | None = None) -> Work:
    client = client or server.machine
    form = {"grant_type": "client_credentials", "scope": "reports:read"}
    expect(server.op.token(client, **form), lambda answer: answer.json()["token_type"] == "Bearer")
    return Work("requests", [server.line(client, rig.TOKEN, form)])


def client_credentials_es256(server: Server) -> Work:
    metadata = {"access_token_signed_response_alg": "ES256"}
    client = server.op.client(name="Bench ES256", grant_type="client_credentials", scope="reports:read", metadata=metadata)
    answer = expect(server.op.token(client, grant_type="client_credentials"), lambda answer: "access_token" in answer.json())
    if (alg := rig.jwt_header(answer.json()["access_token"])["alg"]) != "ES256":
        raise rig.RigError(f"the client asked for ES256 and got {alg}")
    return client_credentials(server, client)


def refresh(server: Server) -> Work:
    lines = []
    for number, browser in enumerate(server.browsers()):
        tokens = server.flow(browser, number).tokens
        lines.append([server.path(rig.TOKEN), authorization(server.web), tokens["refresh_token"]])
    return Work("refresh", lines, threads=CHAINS)


def code_flow(server: Server) -> Work:
    lines = []
    for browser in server.browsers():
        verifier, challenge = rig.pkce()
        url = server.op.authorize_url(server.web, scope=SCOPE, nonce=secrets.token_urlsafe(16), code_challenge=challenge, code_challenge_method="S256")
        parts = urllib.parse.urlsplit(url)
        cookie = browser.cookie_header(parts.path)
        lines.append([f"{parts.path}?{parts.query}", cookie, server.path(rig.TOKEN), authorization(server.web), CALLBACK, verifier])
    return Work("code", lines, threads=CHAINS)


def introspection(server: Server, count=64) -> Work:
    tokens = server.access_tokens(count)
    answer = expect(server.op.introspect(server.web, tokens[0]), lambda answer: answer.json()["active"] is True)
    return Work("requests", [server.line(server.web, rig.INTROSPECT, {"token": token}) for token in tokens], answer_bytes=size(answer))


def userinfo(server: Server) -> Work:
    tokens = server.access_tokens()
    answer = expect(server.op.userinfo(tokens[0]), lambda answer: "email" in answer.json())
    path = server.path(rig.USERINFO)
    return Work("requests", [["GET", path, "", f"Authorization: Bearer {token}"] for token in tokens], answer_bytes=size(answer))


def jwks(server: Server) -> Work:
    answer = expect(server.op.get(rig.JWKS), lambda answer: answer.json()["keys"])
    return Work("requests", [["GET", server.path(rig.JWKS), ""]], answer_bytes=size(answer))


def password_grant(server: Server) -> Work:
    lines = []
    for email in server.people:
        form = {"grant_type": "password", "username": email, "password": rig.PASSWORD, "scope": SCOPE}
        lines.append(server.line(server.own, rig.TOKEN, form))
    answer = expect(server.op.token(server.own, **form), lambda answer: "id_token" in answer.json())
    return Work("requests", lines, answer_bytes=size(answer))


def sign_in_form(server: Server) -> Work:
    _, challenge = rig.pkce()
    parts = urllib.parse.urlsplit(server.op.authorize_url(server.web, scope=SCOPE, code_challenge=challenge, code_challenge_method="S256"))
    lines = [[f"{parts.path}?{parts.query}", rig._origin(server.op.issuer), server.people[n % PEOPLE], rig.PASSWORD] for n in range(CHAINS)]
    return Work("sign_in", lines, threads=CHAINS)


def size(answer: rig.Response) -> int:
    """About what wrk counts: status line, headers, body."""
    return 15 + sum(len(name) + len(value) + 4 for name, value in answer.headers) + len(answer.body)


CASES = [
    Case("client_credentials", "client credentials", client_credentials, {"rs256_sign": 1}, at_most=3),
    Case("client_credentials_es256", "client credentials, ES256", client_credentials_es256, {"es256_sign": 1}, limit="es256_sign"),
    Case("refresh", "refresh (access and ID token)", refresh, {"rs256_sign": 2}, at_most=8),
    Case("code_flow", "whole code flow (access and ID token)", code_flow, {"rs256_sign": 2}, at_most=12),
    Case("introspection", "introspection", introspection, {"rs256_verify": 1}, at_most=4, limit="bare"),
    Case("userinfo", "userinfo", userinfo, {"rs256_verify": 1}, at_most=4, limit="bare"),
    Case("jwks", "JWKS", jwks, limit="bare"),
    Case("password_grant", "sign-in by the password grant", password_grant, {"argon2id": 1, "rs256_sign": 2}, at_least=0.95, limit="argon2id", seconds=3),
    Case("sign_in_form", "sign-in by the page (three requests)", sign_in_form, {"argon2id": 1}, at_least=0.95, limit="argon2id", seconds=3),
]
