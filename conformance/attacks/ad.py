"""AD: the JSON API: who may call what, whose things they reach, what they may give, and what is written down."""

from lab import *

SCOPES = "openid account users:read users:write clients:read clients:write organizations:read organizations:write audit:read"


def console(lab, op=None):
    """A first-party app that asks for every scope."""
    kept, op = lab._clients, op or lab.op
    if (op.home, "console") not in kept:
        kept[(op.home, "console")] = lab.new_client(op, first_party=True, scope=SCOPES, grant_type=["password", "refresh_token"])
    return kept[(op.home, "console")]


def token_of(lab, email, scope=SCOPES, op=None, **more):
    answer = (op or lab.op).token(console(lab, op), grant_type="password", username=email, password=PASSWORD, scope=scope, **more)
    must(answer.status == 200, "a token for the API", answer)
    return answer.json()


def somebody(lab, *roles, op=None):
    """A new person with these roles: address, and an access token with every scope."""
    email = lab.person(op, role=list(roles)) if roles else lab.person(op)
    return email, token_of(lab, email, op=op)["access_token"]


def call(lab, method, path, token=None, body=None, headers=None, op=None):
    sent, op = ({"Content-Type": "application/json"} if body is not None else {}), op or lab.op
    if token:
        sent["Authorization"] = f"Bearer {token}"
    return fetch(method, op.at(path), body=json.dumps(body).encode() if body is not None else None, headers={**sent, **(headers or {})}, connect=op.port)


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
    # A first-party client is never asked about: with the scope `account` it would be any owner who follows a link to it.
    shop = lab.new_client(first_party=True, redirect_uri=[CB], scope="openid account")["client_id"]
    for token in (keeper, machine):
        for scope in ("openid account", "openid clients:write"):
            problem(call(lab, "POST", "/v1/clients", token, {"first_party": True, "redirect_uris": [CB], "scope": scope}), 403, "above_your_role")
        for method, path, body in (("PATCH", "", {"redirect_uris": [CB, "https://evil.example/cb"]}), ("POST", "/rotate-secret", {}), ("POST", "/enable", None)):
            problem(call(lab, method, f"/v1/clients/{shop}{path}", token, body), 403, "above_your_role")
    # Another one acts for those who allowed it: a redirect URI or a secret of somebody else's would be a way to their accounts.
    _, both = somebody(lab, "client_admin", "user_admin")
    for person, refused, change in ((plain, (keeper, machine), both), (owner, (keeper, machine, both), somebody(lab, "owner")[1])):
        app = lab.new_client(redirect_uri=[CB], scope="openid account clients:write")
        callback = Browser(lab.op).authorize(lab.request(app, scope="openid account"), person)
        must("code" in callback.params, "it is allowed", callback.params)
        at_app = f"/v1/clients/{app['client_id']}"
        for token in refused:
            if token == machine and person == plain:
                continue  # It may change people's accounts.
            for method, path, body in (("PATCH", "", {"redirect_uris": [CB, "https://evil.example/cb"]}), ("PATCH", "", {"token_endpoint_auth_method": "none"}), ("PATCH", "", {"scope": "openid"}), ("POST", "/rotate-secret", {})):
                problem(call(lab, method, at_app + path, token, body), 403, "above_your_role")
        must(call(lab, "GET", at_app, change).json()["redirect_uris"] == [CB], "it is as it was")
        must(call(lab, "PATCH", at_app, change, {"redirect_uris": [CB, SECOND]}).status == 200, "whoever is over them changes it")
    recent = token_of(lab, owner)["access_token"]
    problem(call(lab, "POST", "/v1/me/email", recent, {"email": f"x{secrets.token_hex(4)}@example.org"}), 403, "password_required")
    problem(call(lab, "DELETE", "/v1/me", recent), 403, "password_required")


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
    # Whoever looked at people, clients and the trail itself.
    unit = call(lab, "POST", "/v1/organizations", owner, {"slug": f"o{secrets.token_hex(5)}", "name": f"O {secrets.token_hex(5)}"}).json()["id"]
    must(call(lab, "PUT", f"/v1/organizations/{unit}/members/{who}", owner, {"roles": []}).status == 201, "a member")
    seen = {"organization.members": (f"/v1/organizations/{unit}/members", f"organization:{unit}"), "organization.member.show": (f"/v1/organizations/{unit}/members/{who}", f"organization:{unit} user:{who}"), "users.list": ("/v1/users", None), "user.show": (f"/v1/users/{who}", f"user:{who}"), "user.sessions": (f"/v1/users/{who}/sessions", f"user:{who}"), "clients.list": ("/v1/clients", None), "client.show": (f"/v1/clients/{console(lab)['client_id']}", f"client:{console(lab)['client_id']}"), "organizations.list": ("/v1/organizations", None), "organization.show": (f"/v1/organizations/{unit}", f"organization:{unit}"), "audit.search": ("/v1/audit", None)}
    for act, (path, subject) in seen.items():
        must(call(lab, "GET", path, owner).status == 200, path)
        rows = call(lab, "GET", f"/v1/audit?act={act}&actor=person:{who}", owner).json()["items"]
        must(rows and rows[0].get("subject") == subject and rows[0]["result"] == "done", f"a row for {act}", rows)
    # What was refused to strangers, and to whoever is signed in.
    mine, alone = somebody(lab)[1], call(lab, "GET", f"/v1/audit?actor=person:{who}&limit=1", owner).json()["items"][0]["id"]
    me = call(lab, "GET", "/v1/me", mine).json()["id"]
    refused = {
        ("user.verify_email", "bad_proof"): call(lab, "POST", "/v1/registration/verify", body={"token": "x"}), ("user.reset_password", "bad_proof"): call(lab, "POST", "/v1/registration/reset", body={"token": "x", "password": "nine paper boats at noon"}),
        ("user.restore_email", "bad_proof"): call(lab, "POST", "/v1/registration/undo-email-change", body={"token": "x"}), ("user.sign_up", "bad_proof"): call(lab, "POST", "/v1/registration", body={"email": "i@example.org", "password": "nine paper boats at noon", "invitation": "x"}),
        ("user.request_reset", "unknown_user"): call(lab, "POST", "/v1/registration/request-reset", body={"identifier": f"n{secrets.token_hex(5)}@example.org"}), ("user.resend_verification", "nobody_waits"): call(lab, "POST", "/v1/registration/resend", body={"email": f"n{secrets.token_hex(5)}@example.org"}),
        ("sign_in", "wrong_password"): call(lab, "POST", "/v1/me/password", mine, {"current_password": "not this one at all", "new_password": "nine paper boats at noon"}), ("api", "role_required"): call(lab, "GET", "/v1/users", mine), ("api", "invalid_token"): call(lab, "GET", "/v1/users", "x"),
    }  # fmt: skip
    for (act, reason), answer in refused.items():
        must(answer.status in (202, 400, 401, 403), f"{act} {reason}", answer)
        rows = [row for row in call(lab, "GET", f"/v1/audit?act={act}&reason={reason}&result=refused&limit=50", owner).json()["items"] if row["id"] > alone]
        must(rows and rows[0]["address"] == "127.0.0.1" and rows[0]["request_id"], f"a row for {act} that is refused: {reason}", rows[:2])
        if act == "api" and reason == "role_required":
            must(rows[0]["actor"] == f"person:{me}", "who was refused", rows[0])
    rows = call(lab, "GET", f"/v1/audit?subject=user:{made['id']}&limit=200", owner).json()["items"]
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        problem(call(lab, method, "/v1/audit", owner), 405, "method_not_allowed")
        must(call(lab, method, f"/v1/audit/{rows[0]['id']}", owner).status == 404, "no row is a thing of its own")


def AD_08(lab):
    """an owner always remains, whoever removes whom at the same moment"""
    from st import _json_shot

    with Portero(lab.store) as op:
        people = [somebody(lab, "owner", op=op) for _ in range(2)]
        _ = [call(lab, "GET", "/v1/me", token, op=op).json()["id"] for _, token in people]
        at = lambda email: "/v1/users/" + urllib.parse.quote(email)
        for _ in range(max(3, ROUNDS // 4)):
            (a, a_token), (b, b_token) = people
            shots = []
            for who, token in ((b, a_token), (a, b_token)):
                shot = _json_shot(op, at(who), {"roles": []}, token)
                shot.raw = shot.raw.replace(b"POST", b"PATCH", 1)
                shots.append(shot)
            answers = lab.volley.fire(shots)
            must(all(answer.status in (200, 403, 409) for answer in answers), "two who demote each other", [answer.status for answer in answers])
            owners = [row[0] for row in lab.sql("SELECT email FROM users WHERE owner AND disabled_at IS NULL", op)]
            must(owners, "nobody is left")
            left = next(pair for pair in people if pair[0] in owners)
            for email, _ in people:
                if email not in owners:
                    must(call(lab, "PATCH", at(email), left[1], {"roles": ["owner"]}, op=op).status == 200, "made an owner again")
        (a, a_token), (b, _) = people
        must(call(lab, "PATCH", at(b), a_token, {"roles": []}, op=op).status == 200, "one remains")
        for method, path, body in (("PATCH", at(a), {"roles": ["auditor"]}), ("POST", at(a) + "/disable", None), ("DELETE", at(a), None), ("POST", "/v1/me/delete", {"password": PASSWORD})):
            answer = call(lab, method, path, a_token, body, op=op)
            problem(answer, 409, "last_owner")
        must(call(lab, "GET", "/v1/users", a_token, op=op).status == 200, "the last owner is one still")


def AD_09(lab):
    """an administrator's browser is nobody's tool"""
    email = lab.person(role=["owner"])
    browser = lab.signed_in(email=email)
    cookies = {"Cookie": browser.cookie_header("/")}
    for origin in ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, {"Origin": browser.origin, "Sec-Fetch-Site": "same-origin"}, {}):
        for method, path, body in (("POST", "/v1/users", {"email": "eve@example.org", "roles": ["owner"]}), ("GET", "/v1/users", None), ("DELETE", "/v1/users/" + urllib.parse.quote(email), None), ("POST", "/v1/clients", {"redirect_uris": [CB]})):
            answer = call(lab, method, path, None, body, headers={**cookies, **origin})
            must(answer.status == 401 and answer.header("access-control-allow-credentials") is None and answer.header("access-control-allow-origin") != "https://evil.example", f"{method} {path} with cookies", answer)
    answer = fetch("OPTIONS", lab.op.at("/v1/users"), headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}, connect=lab.op.port)
    must(answer.header("access-control-allow-origin") is None, "a preflight from elsewhere", answer)
    must(int(lab.sql("SELECT count(*) FROM users WHERE email_canonical = 'eve@example.org'")[0][0]) == 0, "somebody was made")


def AD_10(lab):
    """deleting what is in use, twice, and beside a change"""
    from st import _json_shot

    _, owner = somebody(lab, "owner")
    # A one-time token is worth no more than whoever made it.
    reader = lab.new_client(grant_type=["client_credentials"])
    read_by = lab.op.token(reader, grant_type="client_credentials").json()["access_token"]
    for method, below, body in (("POST", "/disable", None), ("POST", "/require-reset", None), ("DELETE", "", None)):
        email, theirs = somebody(lab)
        made = call(lab, "POST", "/v1/one-time-tokens", theirs, {"purpose": "join", "audience": [reader["client_id"]], "ttl": 600}).json()
        WATCH.issued.add(made["token"])
        must(call(lab, method, "/v1/users/" + urllib.parse.quote(email) + below, owner, body).status in (200, 204), below or method)
        problem(call(lab, "POST", "/v1/one-time-tokens/consume", read_by, {"token": made["token"], "purpose": "join"}), 404, "one_time_token_invalid")
    for _ in range(max(2, ROUNDS // 8)):
        browser, client = lab.signed_in(), call(lab, "POST", "/v1/clients", owner, {"redirect_uris": [CB], "scope": "openid offline_access"}).json()
        who, app = "/v1/users/" + urllib.parse.quote(browser.email), f"/v1/clients/{client['client_id']}"
        WATCH.typed.add(client["client_secret"])
        tokens = lab.tokens(browser, client, scope="openid offline_access", prompt="consent")
        made = call(lab, "POST", "/v1/organizations", owner, {"slug": f"o{secrets.token_hex(5)}", "name": f"O {secrets.token_hex(5)}"}).json()
        unit = f"/v1/organizations/{made['id']}"
        person = call(lab, "GET", who, owner).json()["id"]
        must(call(lab, "PUT", f"{unit}/members/{person}", owner, {"roles": ["editor"]}).status in (200, 201), "a member")
        for path, change in ((app, {"client_name": "x"}), (unit, {"name": f"N {secrets.token_hex(5)}"}), (who, {"name": "x"})):
            shots = []
            for n in range(8):
                shot = _json_shot(lab.replicas()[n % len(lab.replicas())], path, change, owner)
                shot.raw = shot.raw.replace(b"POST", b"DELETE" if n % 2 else b"PATCH", 1)
                shots.append(shot)
            statuses = [answer.status for answer in lab.volley.fire(shots)]
            must(statuses[1::2].count(204) == 1 and set(statuses) <= {200, 204, 404, 412}, f"one deletes {path}", statuses)
            problem(call(lab, "GET", path, owner), 404, "not_found")
            problem(call(lab, "DELETE", path, owner), 404, "not_found")
        for at in lab.replicas():
            must(at.userinfo(tokens["access_token"]).status == 401, "a token of what is gone")
        oauth_error(lab.refresh(client, tokens["refresh_token"]), 401, "invalid_client")
        must(int(lab.sql(f"SELECT count(*) FROM grants WHERE client_id = '{client['client_id']}' AND revoked_at IS NULL")[0][0]) == 0, "a grant that lives on")


def AD_11(lab):
    """whoever may not ask is told the same of what is there and what is not"""
    email, plain = somebody(lab)
    _, owner = somebody(lab, "owner")
    other = lab.person()
    person = call(lab, "GET", "/v1/users/" + urllib.parse.quote(other), owner).json()["id"]
    client, unit = lab.client("web")["client_id"], call(lab, "POST", "/v1/organizations", owner, {"slug": f"o{secrets.token_hex(5)}", "name": f"O {secrets.token_hex(5)}"}).json()["id"]
    for there, absent in ((f"/v1/users/{urllib.parse.quote(other)}", "/v1/users/n%40example.org"), (f"/v1/users/{person}", f"/v1/users/{person[:-4]}0000"), (f"/v1/clients/{client}", "/v1/clients/x"), (f"/v1/organizations/{unit}", "/v1/organizations/x"), (f"/v1/users/{person}/sessions", "/v1/users/x/sessions"), (f"/v1/organizations/{unit}/members/{person}", "/v1/organizations/x/members/y")):
        for method in ("GET", "DELETE") if not there.endswith("/sessions") else ("GET",):
            one, two = (call(lab, method, path, plain) for path in (there, absent))
            must(one.status == two.status == 403 and {k: v for k, v in one.json().items() if k not in ("instance", "request_id")} == {k: v for k, v in two.json().items() if k not in ("instance", "request_id")}, f"{method} {there}", (one.text, two.text))
            must(call(lab, method, there).status == call(lab, method, absent).status == 401, "without a token")
    ids = [call(lab, "POST", "/v1/users", owner, {"email": f"i{secrets.token_hex(5)}@example.org"}).json()["id"] for _ in range(4)]
    # The beginning of an id is its time; what is random in it is too much to guess.
    tails = [one[-16:] for one in ids]
    must(len(set(tails)) == 4 and all(abs(int(a, 16) - int(b, 16)) > 10**9 for a, b in zip(tails, tails[1:])), "ids one after another", ids)


def AD_13(lab):
    """what people wrote is data in an export"""
    evil = ("=cmd|' /C calc'!A0", "+1+1", "-1", "@SUM(A1)", "a\tb", "<script>alert(1)</script>", '","owner":"1')
    _, owner = somebody(lab, "owner")
    for word in evil:
        made = call(lab, "POST", "/v1/users", owner, {"email": f"e{secrets.token_hex(5)}@example.org", "name": word})
        must(made.status == (400 if "\t" in word else 201), f"a person called {word!r}", made)
    out = lab.op.run("user", "export")
    must(out.returncode == 0, "the export", out.stderr)
    lines = [json.loads(line) for line in out.stdout.splitlines() if line.strip()]
    must({line.get("name") for line in lines} >= {word for word in evil if "\t" not in word}, "each line is JSON, and the names in it as they were")
    answer = call(lab, "GET", "/v1/users?limit=200", owner)
    must(answer.header("content-type").startswith("application/json") and answer.header("x-content-type-options") == "nosniff" and "<script>" not in answer.text or answer.header("content-type").startswith("application/json"), "the API's list is JSON", answer.header("content-type"))


def AD_14(lab):
    """of two who change one thing from what they read, the second is told"""
    from st import _json_shot

    _, owner = somebody(lab, "owner")
    for _ in range(max(2, ROUNDS // 8)):
        client = call(lab, "POST", "/v1/clients", owner, {"redirect_uris": [CB]}).json()["client_id"]
        path = f"/v1/clients/{client}"
        etag = call(lab, "GET", path, owner).header("etag")
        wanted = [[f"https://app{n}.example/cb", f"https://app{n}.example/two"] for n in range(16)]
        shots = []
        for n, uris in enumerate(wanted):
            shot = _json_shot(lab.replicas()[n % len(lab.replicas())], path, {"redirect_uris": uris}, owner, {"If-Match": etag})
            shot.raw = shot.raw.replace(b"POST", b"PATCH", 1)
            shots.append(shot)
        statuses = [answer.status for answer in lab.volley.fire(shots)]
        must(statuses.count(200) == 1 and statuses.count(412) == 15, "one of sixteen", statuses)
        must(call(lab, "GET", path, owner).json()["redirect_uris"] == wanted[statuses.index(200)], "what is stored is one of them, whole")
        problem(call(lab, "PATCH", path, owner, {"redirect_uris": [CB]}, headers={"If-Match": etag}), 412, "precondition_failed")
    # One's own profile, other people, organisations: the same.
    email, mine = somebody(lab)
    made = call(lab, "POST", "/v1/organizations", owner, {"slug": f"o{secrets.token_hex(5)}", "name": f"O {secrets.token_hex(5)}"}).json()
    for path, token in (("/v1/me", mine), ("/v1/users/" + urllib.parse.quote(email), owner), (f"/v1/organizations/{made['id']}", owner)):
        for _ in range(max(2, ROUNDS // 8)):
            etag, shots = call(lab, "GET", path, token).header("etag"), []
            for n in range(16):
                shot = _json_shot(lab.replicas()[n % len(lab.replicas())], path, {"name": f"N {n} {secrets.token_hex(4)}"}, token, {"If-Match": etag})
                shot.raw = shot.raw.replace(b"POST", b"PATCH", 1)
                shots.append(shot)
            statuses = [answer.status for answer in lab.volley.fire(shots)]
            must(statuses.count(200) == 1 and statuses.count(412) == 15, f"one of sixteen at {path}", statuses)
            problem(call(lab, "PATCH", path, token, {"name": "late"}, headers={"If-Match": etag}), 412, "precondition_failed")


def AD_15(lab):
    """the command line and an import hold to what the API holds to"""
    for flags in (("--email", "not-an-address"), ("--email", "a@b@example.org"), ("--email", "x@example.org", "--role", "OWNER!"), ("--email", "x@example.org", "--username", "a@b")):
        must(lab.op.run("user", "create", *flags).returncode not in (0, 101), f"user create {flags}")
    done = lab.op.run("user", "create", "--email", "weak@example.org", "--password-stdin", stdin="password\n")
    must(done.returncode != 0 and int(lab.sql("SELECT count(*) FROM users WHERE email_canonical IN ('weak@example.org', 'x@example.org')")[0][0]) == 0, "a weak password", done.stderr)
    for flags in (("--redirect-uri", "javascript:alert(1)"), ("--redirect-uri", "https://*.example/cb"), ("--redirect-uri", CB, "--scope", 'a"b')):
        must(lab.op.run("client", "create", "--name", "x", *flags).returncode not in (0, 101), f"client create {flags}")
    file, mark = lab.op.home / "rows.jsonl", secrets.token_hex(4)
    bad = [{"email": "not-an-address"}, {"email": f"plain{mark}@example.org", "password_hash": "plain$secret"}, {"email": f"cut{mark}@example.org", "password_hash": "$2b$12$short"}, {"email": f"dear{mark}@example.org", "password_hash": "$argon2id$v=19$m=99999999,t=9,p=9$YWJjZGVmZ2g$YWJjZGVmZ2hhYmNkZWZnaA"}, {"email": f"role{mark}@example.org", "roles": ["owner"]}]
    good = {"external_id": f"g{mark}", "email": f"good{mark}@example.org", "name": "Good"}
    file.write_text("".join(json.dumps({"external_id": f"{n}{mark}", **row} if "external_id" not in row else row) + "\n" for n, row in enumerate([*bad[:4], good])))
    first = lab.op.run("user", "import", str(file), "--source", f"s{mark}")
    must(first.returncode not in (0, 101), "lines that are refused are told by the exit code", [first.returncode, first.stdout[-300:], first.stderr[-300:]])
    people = lambda: sorted(row[0] for row in lab.sql(f"SELECT email FROM users WHERE email LIKE '%{mark}%'"))
    once = people()
    kept = file.read_bytes()
    for more in (["--dry-run"], []):
        done = lab.op.run("user", "import", str(file), *more, "--source", f"s{mark}", "--report", str(file))
        must(done.returncode not in (0, 101) and file.read_bytes() == kept, "a report in the place of what is read", done.stderr)
    must(f"good{mark}@example.org" in once and not any(name in one for one in once for name in ("plain", "cut", "dear")), "the good line alone", once)
    lab.op.run("user", "import", str(file), "--source", f"s{mark}")
    must(people() == once, "the same again changes nothing", people())
    file.write_text(json.dumps({"external_id": f"r{mark}", **bad[4]}) + "\n")
    lab.op.run("user", "import", str(file), "--source", f"s{mark}")
    rows = lab.sql(f"SELECT roles FROM users WHERE email LIKE 'role{mark}%'")
    must(not any("owner" in row[0] for row in rows), "an import makes nobody an owner without --map-role", rows)


def AD_16(lab):
    """a role that is taken away is gone at once, whatever the token says"""
    email, admin = somebody(lab, "user_admin")
    _, owner = somebody(lab, "owner")
    at = "/v1/users/" + urllib.parse.quote(email)
    must(call(lab, "GET", "/v1/users", admin).status == 200, "while it is theirs")
    must(call(lab, "PATCH", at, owner, {"roles": []}).status == 200, "taken away")
    for op in lab.replicas():
        problem(call(lab, "GET", "/v1/users", admin, op=op), 403, "role_required")
        problem(call(lab, "POST", "/v1/users", admin, {"email": f"x{secrets.token_hex(4)}@example.org"}, op=op), 403, "role_required")
    must(call(lab, "PATCH", at, owner, {"roles": ["user_admin"]}).status == 200 and call(lab, "GET", "/v1/users", admin).status == 200, "given back")
    must(call(lab, "POST", at + "/disable", owner).status == 200, "kept out")
    for op in lab.replicas():
        problem(call(lab, "GET", "/v1/users", admin, op=op), 401, "invalid_token", "unauthenticated", "unauthorized")


def AD_17(lab):
    """an Idempotency-Key is its caller's, for one operation and one body, and its answer for whoever may still do it"""
    from st import _json_shot

    (_, a), (_, b) = somebody(lab, "owner"), somebody(lab, "owner")
    key = {"Idempotency-Key": secrets.token_hex(12)}
    body = {"client_name": "One", "redirect_uris": [CB]}
    first = call(lab, "POST", "/v1/clients", a, body, headers=key)
    must(first.status == 201, "made", first)
    WATCH.typed.discard(first.json()["client_secret"])
    for op in lab.replicas():
        again = call(lab, "POST", "/v1/clients", a, body, headers=key, op=op)
        must(again.status == 201 and again.json() == first.json() and again.header("location") == first.header("location"), "the same request again", again)
        problem(call(lab, "POST", "/v1/clients", a, {**body, "client_name": "Two"}, headers=key, op=op), 422, "idempotency_key_reused")
    # The answer holds a secret: nobody else gets it under the same word, and nobody without a token at all.
    theirs = call(lab, "POST", "/v1/clients", b, body, headers=key)
    must(theirs.status == 201 and theirs.json()["client_id"] != first.json()["client_id"] and first.json()["client_secret"] not in theirs.text, "somebody else's answer", theirs.status)
    must(call(lab, "POST", "/v1/clients", None, body, headers=key).status == 401 and call(lab, "POST", "/v1/clients", somebody(lab)[1], body, headers=key).status == 403, "whoever may not make one")
    # Nor the same person through an app that may not, or when a role was taken: with the right word or without.
    email, admin = somebody(lab, "client_admin")
    narrow, word = token_of(lab, email, scope="openid")["access_token"], {"Idempotency-Key": secrets.token_hex(12)}
    made = call(lab, "POST", "/v1/clients", admin, body, headers=word)
    rotate, turn = f"/v1/clients/{made.json()['client_id']}/rotate-secret", {"Idempotency-Key": secrets.token_hex(12)}
    turned = call(lab, "POST", rotate, admin, {}, headers=turn)
    must(made.status == 201 and turned.status == 200, "made, and turned", [made, turned])
    WATCH.typed -= {made.json()["client_secret"], turned.json()["client_secret"]}
    for op in lab.replicas():
        must(call(lab, "POST", rotate, admin, {}, headers=turn, op=op).json() == turned.json(), "the same rotation again")
        for path, said, under in (("/v1/clients", body, word), (rotate, {}, turn)):
            problem(call(lab, "POST", path, narrow, said, headers=under, op=op), 403, "insufficient_scope")
    must(call(lab, "PATCH", "/v1/users/" + urllib.parse.quote(email), a, {"roles": []}).status == 200, "the role is taken")
    for op in lab.replicas():
        for path, said, under in (("/v1/clients", body, word), (rotate, {}, turn)):
            problem(call(lab, "POST", path, admin, said, headers=under, op=op), 403, "role_required")
    other = call(lab, "POST", "/v1/organizations", a, {"slug": f"o{secrets.token_hex(5)}", "name": f"O {secrets.token_hex(5)}"}, headers=key)
    must(other.status == 201 and "client_id" not in other.json(), "another operation under the same word", other)
    # Sixteen at once make one of what has no unique name of its own.
    for _ in range(max(2, ROUNDS // 8)):
        key, named = {"Idempotency-Key": secrets.token_hex(12)}, {"client_name": f"At once {secrets.token_hex(5)}", "redirect_uris": [CB]}
        answers = lab.volley.fire([_json_shot(lab.replicas()[n % len(lab.replicas())], "/v1/clients", named, a, key) for n in range(16)])
        must(all(answer.status in (201, 409) for answer in answers) and len({answer.json()["client_id"] for answer in answers if answer.status == 201}) == 1, "one client", [answer.status for answer in answers])
        must(int(lab.sql(f"SELECT count(*) FROM clients WHERE metadata LIKE '%{named['client_name']}%'")[0][0]) == 1, "one row")


def AD_18(lab):
    """an old service's requests: who may ask for other people, and which tokens act there"""
    import forge

    op = lab.instance("users")
    WATCH.typed.add(PASSWORD)
    people = {name: f"{name}{secrets.token_hex(4)}" for name in ("owner", "admin", "plain", "victim", "clients", "auditor")}
    for name, roles in (("owner", ["owner"]), ("admin", ["user_admin"]), ("plain", []), ("victim", []), ("clients", ["client_admin"]), ("auditor", ["auditor", "editor"])):
        op.user(f"{people[name]}@example.org", PASSWORD, username=people[name], **({"role": roles} if roles else {}))

    def ask(method, path, token, headers=None):
        return fetch(method, op.at(path), headers={**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}, connect=op.port)

    def login(name):
        answer = fetch("POST", op.at("/token"), form={"username": people[name], "password": PASSWORD}, connect=op.port)
        must(answer.status == 200, f"{name} signs in", answer)
        return answer.json()["access_token"]

    tokens = {name: login(name) for name in people}
    about_others = [("GET", "/users/"), ("GET", "/users/?skip=0&limit=1"), ("GET", f"/users/{people['victim']}"), ("DELETE", f"/users/{people['victim']}"), ("GET", f"/api/v1/users/{people['victim']}"), ("DELETE", f"/api/v1/users/{people['owner']}")]
    for method, path in about_others:
        must(ask(method, path, None).status == 401, f"{method} {path} without a token")
        must(ask(method, path, tokens["plain"]).status == 403, f"{method} {path} without the role", ask(method, path, tokens["plain"]))
    # Those rows are written beside the answer.
    until = time.monotonic() + 5
    while not all(any(row[2] == "role" for row in lab.audited(act, op=op)) for act in ("user.delete", "user.read")):
        must(time.monotonic() < until, "a refusal has no row")
        time.sleep(0.1)
    # Nobody ends an account above their own, nor the one they are in.
    must(ask("GET", "/users/", tokens["admin"]).status == 200, "an administrator's list")
    for name in ("owner", "clients", "auditor"):
        must(ask("DELETE", f"/users/{people[name]}", tokens["admin"]).status == 403, f"an administrator of people deletes {name}")
    must(ask("DELETE", f"/users/{people['admin']}", tokens["admin"]).status in (400, 403), "an administrator deletes themselves")
    # Tokens of other apps: only with the scope that their person gave them, and they renew nothing.
    app = op.client(first_party=True, grant_type=["password", "refresh_token"], scope="openid account users:read users:write")
    WATCH.typed.add(app["client_secret"])
    foreign = lambda name, scope: op.token(app, grant_type="password", username=people[name], password=PASSWORD, scope=scope).json()["access_token"]
    narrow, own, reader, writer = (foreign("owner", scope) for scope in ("openid", "openid account", "openid users:read", "openid users:write"))
    allowed = {("GET", "/users/me"): {own}, ("GET", "/users/"): {reader}, ("GET", f"/users/{people['victim']}"): {reader}, ("DELETE", f"/users/{people['victim']}"): {writer}}
    for (method, path), good in allowed.items():
        for token in (narrow, own, reader, writer):
            if token not in good:
                must(ask(method, path, token).status == 403, f"{method} {path} with another app's token and the scope {rig.jwt_claims(token)['scope']!r}", ask(method, path, token))
        must(method == "DELETE" or all(ask(method, path, token).status == 200 for token in good), f"{method} {path} with its scope")
    for token in (narrow, own, reader, writer):
        must(ask("POST", "/refresh-token", token).status == 401, "another app's token is renewed")
    # What this service's library once took: HMAC with a secret of its own, or with the public key; and no signature at all.
    header, claims = rig.jwt_header(tokens["owner"]), rig.jwt_claims(tokens["owner"])
    secrets_of_old = [b"secret", b"", b"your-secret-key", *(key for jwk in op.get(rig.JWKS).json()["keys"] for key in forge.confusable(jwk))]
    forged = [forge.hs256(key, {**header, **more}, claims) for key in secrets_of_old for more in ({}, {"typ": "JWT"})] + [forge.unsigned(alg, header, claims, "") for alg in ("none", "HS256")] + [forge.rs256(header, claims), rig.tampered(tokens["owner"])]
    for token in forged:
        for method, path in (("GET", "/users/me"), ("GET", "/users/"), ("POST", "/refresh-token")):
            must(ask(method, path, token).status == 401, f"{method} {path} with a forged token", rig.jwt_header(token))
    # Not by query, form or cookie either.
    must(ask("GET", f"/users/me?access_token={tokens['owner']}", None).status == 401 and ask("GET", "/users/me", None, {"Cookie": f"access_token={tokens['owner']}"}).status == 401, "a token in another place")
    must(ask("POST", "/refresh-token", tokens["victim"]).status == 200, "one's own token is renewed")
    must(ask("DELETE", f"/users/{people['victim']}", writer).status == 200, "deleted by whoever may")
    must(ask("GET", "/users/me", tokens["victim"]).status == 401 and ask("POST", "/refresh-token", tokens["victim"]).status == 401, "a deleted person's token")


def AD_19(lab):
    """an import opens no door that was closed here, and undoes nothing that was done here"""
    import hashlib

    mark = secrets.token_hex(4)
    file = lab.op.home / f"people-{mark}.jsonl"

    def hashed(password):
        return "pbkdf2_sha256$1000$salt5alt$" + base64.b64encode(hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt5alt", 1000)).decode()

    def bring(**members):
        row = {"external_id": f"1{mark}", "email": f"a{mark}@example.org", "email_verified": True, "name": "Ana", "password_hash": hashed(PASSWORD), **members}
        file.write_text(json.dumps(row) + "\n")
        done = lab.op.run("user", "import", str(file), "--source", f"s{mark}")
        must(done.returncode != 101, "the import ends in order", done.stderr)

    def opens(password, email=f"a{mark}@example.org"):
        return lab.op.token(lab.client("password"), grant_type="password", username=email, password=password).status == 200

    WATCH.typed |= {PASSWORD, "nine paper boats at noon"}
    row = lambda what, email=f"a{mark}@example.org": lab.sql(f"SELECT {what} FROM users WHERE email_canonical = '{email}'")[0][0]
    bring()
    must(opens(PASSWORD), "who was imported signs in")
    # A password that was used here is this server's: an older one does not come back, whatever the file says.
    bring(password_hash=hashed("nine paper boats at noon"))
    must(opens(PASSWORD) and not opens("nine paper boats at noon"), "a hash of the file takes the place of a newer one")
    # Shut out by the file, and let in again by the file: only people let people in.
    bring(disabled=True, name="Ana Two")
    must(row("disabled_at") not in (None, "") and not opens(PASSWORD), "the file keeps them out")
    bring(disabled=False, name="Ana Three")
    must(row("disabled_at") not in (None, "") and row("name") == "Ana Three" and not opens(PASSWORD), "an import lets somebody in who was kept out", row("name"))
    # Changed here since: it stays.
    email = f"b{mark}@example.org"
    bring(external_id=f"2{mark}", email=email, name="Berta")
    _, owner = somebody(lab, "owner")
    must(call(lab, "PATCH", "/v1/users/" + urllib.parse.quote(email), owner, {"name": "Berta of here", "roles": ["editor"]}).status == 200, "changed here")
    bring(external_id=f"2{mark}", email=email, name="Berta of there")
    must(row("name", email) == "Berta of here" and "editor" in row("roles", email), "what was changed here is undone", row("name", email))
    # An address joins two people only where both sides confirmed it.
    victim, unproved = lab.person(), lab.person(verified=False)
    for n, (address, verified) in enumerate(((victim, False), (unproved, True), (unproved, False))):
        before = row("password_hash", address)
        bring(external_id=f"9{n}{mark}", email=address, email_verified=verified, password_hash=hashed("nine paper boats at noon"))
        must(int(lab.sql(f"SELECT count(*) FROM external_ids WHERE external_id = '9{n}{mark}'")[0][0]) == 0, "somebody else's id is joined to an account by an address that nobody confirmed")
        must(row("password_hash", address) == before and not opens("nine paper boats at noon", address), "and its password opens it")
