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
