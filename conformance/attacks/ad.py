"""AD: the JSON API: who may call what, whose things they reach, what they may give, and what is written down."""

from lab import *

SCOPES = "openid account users:read users:write clients:read clients:write organizations:read organizations:write audit:read"


def console(lab):
    """A first-party app that asks for every scope."""
    kept = lab._clients
    if (lab.op.home, "console") not in kept:
        kept[(lab.op.home, "console")] = lab.new_client(first_party=True, scope=SCOPES, grant_type=["password", "refresh_token"])
    return kept[(lab.op.home, "console")]


def token_of(lab, email, scope=SCOPES, **more):
    answer = lab.op.token(console(lab), grant_type="password", username=email, password=PASSWORD, scope=scope, **more)
    must(answer.status == 200, "a token for the API", answer)
    return answer.json()


def somebody(lab, *roles):
    """A new person with these roles: address, and an access token with every scope."""
    email = lab.person(role=list(roles)) if roles else lab.person()
    return email, token_of(lab, email)["access_token"]


def call(lab, method, path, token=None, body=None, headers=None):
    sent = {"Content-Type": "application/json"} if body is not None else {}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    return fetch(method, lab.op.at(path), body=json.dumps(body).encode() if body is not None else None, headers={**sent, **(headers or {})}, connect=lab.op.port)


def operations(lab):
    """Every operation below /v1 that asks for a token, with names in its path that nothing has."""
    document = lab.op.get("/openapi.json").json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path.startswith("/v1/") and operation.get("security"):
                yield method.upper(), re.sub(r"\{[^}]*\}", "nothing", path), path, operation


def problem(answer, status, *codes):
    must(answer.status == status and answer.header("content-type") == "application/problem+json", f"a problem with {status}", answer)
    must(answer.json()["code"] in codes, f"one of {codes}", answer)


def AD_01(lab):
    """every operation, with everything that is no token for it"""
    email, good = somebody(lab, "owner")
    elsewhere = token_of(lab, email, resource="https://api.example")
    id_token = elsewhere.get("id_token") or token_of(lab, email)["id_token"]
    cookies = "; ".join(f"{name}={value}" for (name, _), value in lab.browser().cookies.items())
    seen = 0
    for method, path, template, operation in operations(lab):
        for name, token in (("nothing", None), ("another audience", elsewhere["access_token"]), ("an ID token", id_token), ("a spoilt token", good[:-4] + "AAAA"), ("nonsense", "x")):
            answer = call(lab, method, path, token)
            must(answer.status == 401 and (answer.header("www-authenticate") or "").startswith("Bearer"), f"{method} {template} with {name}", answer)
        cookie = fetch(method, lab.op.at(path), headers={"Cookie": cookies}, connect=lab.op.port)
        must(cookie.status == 401, f"{method} {template} with a session alone", cookie)
        seen += 1
    must(seen > 40, "operations", seen)
    for path in ("/v1", "/v1/", "/v1/admin", "/v1/keys", "/v1/users/x/password", "/v1/debug"):
        must(call(lab, "GET", path, good).status in (404, 405), f"there is no {path}")


def AD_02(lab):
    """one's own things by another one's real ids"""
    (_, a), (b_email, b) = somebody(lab), somebody(lab)
    browser = Browser(lab.op)
    callback = browser.authorize(lab.request(lab.client("third")), b_email)
    must("code" in callback.params, "B consents", callback.params)
    sessions = call(lab, "GET", "/v1/me/sessions", b).json()["items"]
    consents = call(lab, "GET", "/v1/me/consents", b).json()["items"]
    must(sessions and consents, "B has a session and a consent", (sessions, consents))
    for path in (*(f"/v1/me/sessions/{one['id']}" for one in sessions), *(f"/v1/me/consents/{one['client_id']}" for one in consents if one["client_id"] != console(lab)["client_id"])):
        problem(call(lab, "DELETE", path, a), 404, "not_found")
        problem(call(lab, "DELETE", path + "x", a), 404, "not_found")
    must(call(lab, "GET", "/v1/me/sessions", b).json()["items"], "B's session goes on")
    must(len(call(lab, "GET", "/v1/me/consents", b).json()["items"]) == len(consents), "B's consent stands")
    mine = call(lab, "POST", "/v1/one-time-tokens", b, {"purpose": "p", "ttl": 60}).json()
    problem(call(lab, "DELETE", f"/v1/one-time-tokens/{mine['id']}", a), 404, "not_found")
    must(not call(lab, "GET", "/v1/one-time-tokens", a).json()["items"], "A sees none of B's tokens")


def AD_03(lab):
    """whoever may only read"""
    _, auditor = somebody(lab, "auditor")
    for method, path, template, operation in operations(lab):
        scopes = [scope for way in operation["security"] for scope in way.get("oauth", [])]
        if method == "GET" or not scopes or scopes == ["account"]:
            continue
        problem(call(lab, method, path, auditor, {} if method in ("POST", "PUT", "PATCH") else None), 403, "role_required")
    narrow = token_of(lab, lab.person(role=["owner"]), scope="openid clients:read")["access_token"]
    problem(call(lab, "GET", "/v1/users", narrow), 403, "insufficient_scope")
    problem(call(lab, "POST", "/v1/clients", narrow, {}), 403, "insufficient_scope")
    rows = call(lab, "GET", "/v1/audit?act=api&result=refused&reason=role_required&limit=200", auditor).json()["items"]
    must(any(row["subject"] == "operation:POST /v1/clients" for row in rows), "the refusal is written down", rows[:3])


def AD_04(lab):
    """a role or scope above one's own, on every way to it"""
    _, admin = somebody(lab, "user_admin")
    _, keeper = somebody(lab, "client_admin")
    owner = lab.person(role=["owner"])
    plain = lab.person()
    service = lab.new_client(grant_type=["client_credentials"], scope="users:write clients:write")
    machine = lab.op.token(service, grant_type="client_credentials").json()["access_token"]
    at = lambda email: "/v1/users/" + urllib.parse.quote(email)
    for token in (admin, machine):
        for role in ("owner", "client_admin", "auditor"):
            problem(call(lab, "POST", "/v1/users", token, {"email": f"x{secrets.token_hex(4)}@example.org", "roles": [role]}), 403, "above_your_role")
            problem(call(lab, "PATCH", at(plain), token, {"roles": [role]}), 403, "above_your_role")
            problem(call(lab, "POST", "/v1/invitations", token, {"email": "x@example.org", "roles": [role]}), 403, "above_your_role")
        for method, path, body in (("PATCH", at(owner), {"email": "evil@example.org"}), ("POST", at(owner) + "/require-reset", None), ("POST", at(owner) + "/disable", None), ("DELETE", at(owner), None)):
            problem(call(lab, method, path, token, body), 403, "above_your_role")
    for token in (keeper, machine):
        for scope in ("users:read", "organizations:write", "openid audit:read"):
            problem(call(lab, "POST", "/v1/clients", token, {"grant_types": ["client_credentials"], "scope": scope}), 403, "above_your_role")
    strong = lab.new_client(grant_type=["client_credentials"], scope="audit:read")["client_id"]
    for method, path, body in (("POST", "/rotate-secret", {}), ("PATCH", "", {"scope": "reports"}), ("POST", "/disable", None), ("DELETE", "", None)):
        problem(call(lab, method, f"/v1/clients/{strong}{path}", keeper, body), 403, "above_your_role")


def AD_05(lab):
    """members that a change does not have"""
    _, owner = somebody(lab, "owner")
    email, mine = somebody(lab)
    hidden = ("password_hash", "mfa_secret", "tenant_id", "sub", "linked_user", "id", "created_at", "revision", "disabled_at", "credential_revision")
    for path, token, more in (("/v1/me", mine, ("roles", "email_verified", "email")), ("/v1/users/" + urllib.parse.quote(email), owner, ()), ("/v1/clients/" + console(lab)["client_id"], owner, ("client_id", "secrets", "demo"))):
        before = call(lab, "GET", path, token).json()
        for member in (*hidden, *more):
            problem(call(lab, "PATCH", path, token, {member: "x"}), 400, "invalid_request")
        must(call(lab, "GET", path, token).json() == before, f"{path} is as it was")


def AD_06(lab):
    """no secret in anything that can be read"""
    email, owner = somebody(lab, "owner")
    made = call(lab, "POST", "/v1/clients", owner, {"redirect_uris": [CB]}).json()
    answers = [call(lab, "GET", path, owner) for path in (
        "/v1/users?limit=200", "/v1/users/" + urllib.parse.quote(email), "/v1/clients?limit=200", f"/v1/clients/{made['client_id']}", "/v1/audit?limit=200", "/v1/me", "/v1/me/export", "/v1/me/sessions", "/v1/organizations", "/openapi.json",
    )]  # fmt: skip
    for answer in answers:
        must(answer.status == 200, "readable", answer)
        for word in (made["client_secret"], "pcs_", "$argon2", "$2b$", "password_hash", '"d":', "PRIVATE KEY"):
            must(word not in answer.text, f"{word} in {answer.url}")


def AD_07(lab):
    """injection into every filter, search, id and header"""
    _, owner = somebody(lab, "owner")
    evil = ("' OR 1=1--", '" OR ""="', "'; DROP TABLE users; --", "%", "_", "\\", "%' ESCAPE 'x", "$.roles", "1)) UNION SELECT password_hash FROM users--", "\x00", "ñ" * 50)
    for path in ("/v1/users", "/v1/organizations"):
        for word in evil:
            answer = call(lab, "GET", f"{path}?q={urllib.parse.quote(word)}", owner)
            must(answer.status == 400 or answer.status == 200 and not answer.json()["items"], f"{path} for {word!r}", answer)
        for name in ("order_by", "sort", "fields", "filter[password_hash]"):
            problem(call(lab, "GET", f"{path}?{urllib.parse.quote(name)}=password_hash", owner), 400, "invalid_request")
    for name in ("act", "actor", "subject", "client_id", "request_id", "reason"):
        for word in evil:
            answer = call(lab, "GET", f"/v1/audit?{name}={urllib.parse.quote(word)}", owner)
            must(answer.status == 400 or answer.status == 200 and not answer.json()["items"], f"audit {name}={word!r}", answer)
    for word in evil:
        for path in ("/v1/users/", "/v1/clients/", "/v1/organizations/"):
            must(call(lab, "GET", path + urllib.parse.quote(word, safe=""), owner).status == 404, f"{path} {word!r}")
    for header in ("If-Match", "If-None-Match", "Idempotency-Key", "Accept-Language"):
        must(call(lab, "GET", "/v1/me", owner, headers={header: "' OR 1=1--"}).status in (200, 400), header)


def AD_12(lab):
    """every change has a row that says who, what, from where, and no secret; nobody changes the trail"""
    email, owner = somebody(lab, "owner")
    who = call(lab, "GET", "/v1/me", owner).json()["id"]
    victim = f"v{secrets.token_hex(4)}@example.org"
    made = call(lab, "POST", "/v1/users", owner, {"email": victim, "password": PASSWORD}).json()
    at = f"/v1/users/{made['id']}"
    call(lab, "PATCH", at, owner, {"roles": ["editor"]})
    call(lab, "POST", at + "/disable", owner)
    call(lab, "POST", at + "/enable", owner)
    call(lab, "DELETE", at, owner)
    answer = call(lab, "GET", f"/v1/audit?subject=user:{made['id']}&limit=200", owner)
    rows = answer.json()["items"]
    for act in ("user.create", "user.set_roles", "user.disable", "user.enable", "user.delete"):
        row = next((row for row in rows if row["act"] == act), None)
        must(row, f"a row for {act}", [row["act"] for row in rows])
        must(row["actor"] == f"person:{who}" and row["client_id"] == console(lab)["client_id"], f"who did {act}", row)
        must(row["address"] == "127.0.0.1" and row["request_id"] and row["at"] and row["result"] == "done", f"from where {act}", row)
    must(PASSWORD not in answer.text, "no password")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        problem(call(lab, method, "/v1/audit", owner), 405, "method_not_allowed")
        must(call(lab, method, f"/v1/audit/{rows[0]['id']}", owner).status == 404, "no row is a thing of its own")
