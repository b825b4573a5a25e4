"""TJ: tokens and JWT. Only what this issuer signed, for the purpose it was signed for."""

import hashlib
import http.server

import forge
from lab import *


def _refused(lab, token, why, hint=True):
    """Neither userinfo nor introspection nor the hint of a request takes it."""
    op, web = lab.op, lab.client("web")
    if "\n" not in token and "\r" not in token and token.isascii():
        answer = op.userinfo(token)
        must(answer.status in (400, 401), f"{why}: userinfo", answer)
        must((answer.header("www-authenticate") or "").startswith("Bearer"), f"{why}: userinfo without a challenge", answer)
    for asker in (web, lab.client("rs")):
        answer = op.introspect(asker, token)
        must(answer.status == 200 and answer.json() == {"active": False}, f"{why}: introspection", answer)
    if hint:
        response = lab.browser().request("GET", lab.request(web, prompt="none", id_token_hint=token))
        redirected(lab, response, ("invalid_request", "login_required"))
    must(op.revoke(web, token).status == 200, f"{why}: revocation answers 200")


def _parts(lab):
    tokens = lab.tokens(scope="openid offline_access")
    return tokens, rig.jwt_header(tokens["access_token"]), rig.jwt_claims(tokens["access_token"])


def TJ_01(lab):
    """unsigned tokens, tokens signed with the public key, and tokens of other keys"""
    tokens, header, claims = _parts(lab)
    signature = tokens["access_token"].split(".")[2]
    for name, token_header, token_claims in (("access", header, claims), ("id", rig.jwt_header(tokens["id_token"]), rig.jwt_claims(tokens["id_token"]))):
        for alg in ("none", "None", "nOnE", "NONE", "", None, "HS256", "RS256 ", "rs256", ["none"], {"a": 1}, 0):
            for tail in ("", signature, "AA"):
                _refused(lab, forge.unsigned(alg, token_header, token_claims, tail), f"{name} token, alg {alg!r}", hint=tail == "")
        for jwk in lab.op.get(rig.JWKS).json()["keys"]:
            for key in forge.confusable(jwk):
                _refused(lab, forge.hs256(key, {**token_header, "kid": jwk["kid"]}, token_claims), f"{name} token, HS256 with a public {jwk['kty']} key")
        _refused(lab, forge.hs256(lab.client("web")["client_secret"].encode(), token_header, token_claims), f"{name} token, HS256 with the client's secret")
        _refused(lab, forge.rs256(token_header, token_claims), f"{name} token, another RSA key under our kid")
        _refused(lab, forge.rs256({k: v for k, v in token_header.items() if k != "kid"}, token_claims), f"{name} token, another RSA key without kid")
    # The same issuer name, another server.
    other = lab.instance("short")
    foreign = lab.tokens(lab.signed_in(other), lab.client("web", other))
    for name in ("access_token", "id_token"):
        _refused(lab, foreign[name], f"{name} of another server")
    for token in (tokens["access_token"], tokens["id_token"]):
        _refused(lab, rig.tampered(token), "one bit of the signature")
        head, body, tail = token.split(".")
        for changed_claims in ({"sub": "usr_admin"}, {"exp": 9999999999}, {"scope": "openid admin"}):
            _refused(lab, f"{head}.{forge.part({**rig.jwt_claims(token), **changed_claims})}.{tail}", f"claims changed: {changed_claims}")
    must(lab.op.userinfo(tokens["access_token"]).status == 200, "the honest token")


class _Listener:
    """A server of the attacker's: counts who comes."""

    def __enter__(self):
        seen = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append(self.path)
                body = json.dumps({"keys": [forge.attacker_jwk(kid="evil")]}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def TJ_02(lab):
    """a key named by the token itself is never used, nor fetched"""
    _, header, claims = _parts(lab)
    with _Listener() as listener:
        named = [
            {"jwk": forge.attacker_jwk()},
            {"jku": listener.url + "/jwks.json", "kid": "evil"},
            {"x5u": listener.url + "/chain.pem"},
            {"x5c": ["MIIB"], "kid": header.get("kid")},
            {"jwk": forge.attacker_jwk(kid=header.get("kid")), "jku": listener.url + "/jwks.json", "kid": header.get("kid")},
            *({"kid": kid} for kid in ("evil", "../../../../etc/passwd", "' OR 1=1--", "/dev/null", "", "k" * 4000, None, 7, {"a": 1}, "\0", header.get("kid", "") + "\0")),
            {"crit": ["exp"]},
            {"b64": False, "crit": ["b64"]},
            {"zip": "DEF"},
        ]
        for more in named:
            for typ in ("at+jwt", "JWT"):
                _refused(lab, forge.rs256({**header, "typ": typ, **more}, claims), f"header {str(more)[:80]}")
        for n in range(200):
            must(lab.op.userinfo(forge.rs256({**header, "kid": f"unknown-{n}", "jku": listener.url}, claims) if n % 50 == 0 else forge.hs256(b"x", {**header, "kid": f"unknown-{n}", "jku": listener.url}, claims)).status == 401, "an unknown kid")
        time.sleep(0.2)
        must(not listener.seen, "the server went to the attacker's address", listener.seen)


def TJ_03(lab):
    """noise in the structure of a token is refused, quickly"""
    tokens, header, claims = _parts(lab)
    token = tokens["access_token"]
    head, body, tail = token.split(".")
    raw_tail = rig.unb64url(tail)
    noise = {
        "leading space": " " + token, "inner space": f"{head}. {body}.{tail}", "inner tab": f"{head}\t.{body}.{tail}", "CR LF": f"{head}.\r\n{body}.{tail}", "LF at the end": token + "\n",
        "padding": token + "=", "double padding": token + "==", "padded head": f"{head}=.{body}.{tail}", "standard alphabet": f"{head}.{body}.{base64.b64encode(raw_tail + bytes([0xFB, 0xFF, 0xFE])).decode().rstrip('=')}",
        "two segments": f"{head}.{body}", "four segments": token + ".x", "empty fourth": token + ".", "six segments": token + ".a.b.c", "no signature": f"{head}.{body}.", "no head": f".{body}.{tail}", "no body": f"{head}..{tail}",
        "dots": "." * 50_000, "long": "A" * 60_000, "long segments": ".".join(["A" * 15_000] * 3),
        "head null": f"{forge.part(b'null')}.{body}.{tail}", "head array": f"{forge.part(b'[]')}.{body}.{tail}", "head text": f"{forge.part(b'x')}.{body}.{tail}", "body null": f"{head}.{forge.part(b'null')}.{tail}",
        "body not UTF-8": f"{head}.{forge.part(bytes([0xFF, 0xFE]))}.{tail}", "deep": f"{forge.part(b'[' * 5000)}.{body}.{tail}", "NUL": token + "\0", "not ASCII": token + "é", "percent": token.replace(".", "%2E"),
        "noncanonical tail": token[:-1] + chr(ord(token[-1]) + 1) if token[-1] in "AQgw" else token[:-1] + "_x", "twice": token + token, "quoted": f'"{token}"',
    }  # fmt: skip
    for name, value in noise.items():
        began = time.monotonic()
        answer = lab.op.introspect(lab.client("web"), value)
        must(answer.json() == {"active": False} if answer.status == 200 else answer.status in (400, 413), f"{name}: introspection", answer)
        if name != "leading space" and value.isascii() and not re.search(r"[\r\n\0]", value):
            answer = lab.op.userinfo(value)
            must(answer.status in (400, 401, 431), f"{name}: userinfo", answer)
        must(time.monotonic() - began < DEADLINE, f"{name} took long")
    million = lab.op.introspect(lab.client("web"), "." * 1_000_000)
    must(million.status in (200, 400, 413) and (million.status != 200 or million.json() == {"active": False}), "a million dots", million)
    must(lab.op.userinfo(token).status == 200, "the honest token")


def TJ_04(lab):
    """a right signature is not enough: members that stand twice, other types, times that are over or not yet there"""
    with Portero(lab.store) as op:
        made = op.cli("keys", "import", "-", "--now", stdin=json.dumps(forge.imported_key()))
        time.sleep(1.2)
        web = lab.new_client(op, **CLIENTS["web"])
        tokens = lab.tokens(lab.signed_in(op), web)
        header, claims = rig.jwt_header(tokens["access_token"]), rig.jwt_claims(tokens["access_token"])
        must(header["kid"] == made["kid"], "the imported key signs", made)

        def judged(token):
            return op.userinfo(token).status, op.introspect(web, token).json()["active"]

        must(judged(forge.rs256(header, claims)) == (200, True), "a token that is as it should be", judged(forge.rs256(header, claims)))
        head, body, now = json.dumps(header), json.dumps(claims), int(time.time())
        headers = {
            "alg twice": '{"alg":"none",' + head[1:], "alg twice, the other way": head[:-1] + ',"alg":"none"}', "typ twice": '{"typ":"JWT",' + head[1:], "kid twice": '{"kid":"x",' + head[1:], "after a byte order mark": "\ufeff" + head, "with something behind": head + " x", "in a list": f"[{head}]",
            **{f"{name} {value!r}": json.dumps({**header, name: value}) for name, value in (("typ", "JWT"), ("typ", None), ("typ", "logout+jwt"), ("typ", ["at+jwt"]), ("alg", "RS384"), ("alg", "PS256"), ("alg", "rs256"), ("alg", "ES256"), ("crit", ["exp"]), ("crit", []), ("crit", ["b64"]), ("crit", "exp"), ("kid", header["kid"] + "\0"), ("kid", header["kid"] + " "), ("kid", None))},
        }  # fmt: skip
        for name, value in headers.items():
            must(judged(forge.rs256(value.encode(), claims)) == (401, False), f"a header with {name}")
        payloads = {
            "sub twice": body[:-1] + ',"sub":"usr_x"}', "exp twice": body[:-1] + ',"exp":1}', "jti twice": body[:-1] + ',"jti":"x"}', "after a byte order mark": "\ufeff" + body, "with something behind": body + "x", "in a list": f"[{body}]", "exp 1e400": body.replace(str(claims["exp"]), "1e400"),
            **{f"{name} {value!r}": json.dumps({**claims, name: value}) for name, value in (("exp", now), ("exp", 0), ("exp", -1), ("exp", str(now + 600)), ("exp", None), ("exp", True), ("exp", 10**30), ("iat", now + 3600), ("iat", "x"), ("iss", "https://evil.example"), ("iss", op.issuer + "/"), ("iss", [op.issuer]), ("iss", None), ("jti", 1), ("client_id", "x"), ("sub", 1), ("gid", "x"), ("sid", "x"))},
            **{f"no {name}": json.dumps({key: value for key, value in claims.items() if key != name}) for name in ("exp", "iss", "aud", "sub", "jti", "client_id")},
        }  # fmt: skip
        for name, value in payloads.items():
            must(judged(forge.rs256(header, value.encode())) == (401, False), f"a payload with {name}")
        # An ID token as a hint: over is no matter, for somebody else or of another kind is.
        browser, id_header, id_claims = lab.browser(op), rig.jwt_header(tokens["id_token"]), rig.jwt_claims(tokens["id_token"])
        for name, changes in {"aud": {"aud": "x"}, "aud with a number": {"aud": [web["client_id"], 1]}, "iss": {"iss": "x"}, "sub": {"sub": 1}, "exp": {"exp": "x"}, "typ": None}.items():
            hint = forge.rs256({**id_header, "typ": "at+jwt"}, id_claims) if changes is None else forge.rs256(id_header, {**id_claims, **changes})
            redirected(lab, browser.request("GET", lab.request(web, op, prompt="none", id_token_hint=hint)), ("invalid_request", "login_required"), op=op)


def TJ_05(lab):
    """one kind of JWT is not taken for another"""
    op, web = lab.op, lab.client("web")
    tokens = lab.tokens(scope="openid offline_access")
    answer = op.userinfo(tokens["id_token"])
    must(answer.status == 401, "an ID token opens userinfo", answer)
    must(not lab.active(web, tokens["id_token"]), "an ID token is active as an access token")
    browser = lab.browser()
    redirected(lab, browser.request("GET", lab.request(web, prompt="none", id_token_hint=tokens["access_token"])), "invalid_request")
    response = browser.request("GET", op.at(LOGOUT) + "?" + urllib.parse.urlencode({"id_token_hint": tokens["access_token"], "post_logout_redirect_uri": BYE}))
    must(response.location is None or not response.location.startswith(BYE), "an access token is taken as a logout hint", response)
    somebody(lab, browser, "an access token as a logout hint ended the session")
    assertion = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "grant_type": "client_credentials"}
    for token in (tokens["access_token"], tokens["id_token"]):
        oauth_error(op.post(TOKEN, {**assertion, "client_assertion": token}), (400, 401), ("invalid_client", "invalid_request"))
        oauth_error(op.as_client(web, TOKEN, {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": token}), 400, "unsupported_grant_type")
    # Relabelling a token breaks its signature.
    head, body, tail = tokens["id_token"].split(".")
    _refused(lab, f"{forge.part({**rig.jwt_header(tokens['id_token']), 'typ': 'at+jwt'})}.{body}.{tail}", "an ID token relabelled as access token")


def TJ_06(lab):
    """a token for another audience opens neither the API nor an old service's requests"""
    import ad

    email, good = ad.somebody(lab, "owner")
    must(ad.call(lab, "GET", "/v1/me", good).status == 200, "a token of the issuer's own audience")
    for resource in (API, "https://other.example/api"):
        answer = lab.op.token(ad.console(lab), grant_type="password", username=email, password=PASSWORD, scope=ad.SCOPES, resource=resource)
        if answer.status != 200:
            oauth_error(answer, 400, "invalid_target")
            continue
        token = answer.json()["access_token"]
        must(rig.jwt_claims(token)["aud"] == resource, "the audience is the resource", rig.jwt_claims(token)["aud"])
        for method, path in (("GET", "/v1/me"), ("GET", "/v1/users"), ("POST", "/v1/clients"), ("DELETE", "/v1/me"), ("POST", "/v1/one-time-tokens/consume")):
            refused = ad.call(lab, method, path, token, {} if method == "POST" else None)
            must(refused.status == 401 and "invalid_token" in (refused.header("www-authenticate") or ""), f"{method} {path} with a token for {resource}", refused)
    # An app that asks for the API of another app does not come in here by a refresh either.
    first = lab.op.token(ad.console(lab), grant_type="password", username=email, password=PASSWORD, scope="openid account", resource=API).json()
    second = lab.refresh(ad.console(lab), first["refresh_token"]).json()
    must(ad.call(lab, "GET", "/v1/me", second["access_token"]).status == 401, "after a refresh")
    wider = lab.refresh(ad.console(lab), second["refresh_token"], resource=lab.op.issuer)
    must(wider.status == 400 or ad.call(lab, "GET", "/v1/me", wider.json()["access_token"]).status == 401, "a refresh for an audience that was not granted", wider)
    old = lab.instance("old")
    person = lab.person(old)
    for client in (lab.client("password", old),):
        token = old.token(client, grant_type="password", username=person, password=PASSWORD, resource=API).json()["access_token"]
        must(fetch("GET", old.at("/auth/me"), headers={"Authorization": f"Bearer {token}"}, connect=old.port).status == 401, "an old service's request with a token for another audience")
    must(ad.call(lab, "GET", "/v1/me", good).status == 200, "the honest token")


def TJ_09(lab):
    """the ID token says what happened, to whom, for whom"""
    op = lab.op
    before = int(time.time())
    browser = lab.signed_in()
    for kind, alg in (("web", "RS256"), ("spa", "RS256"), ("post", "RS256"), (None, "ES256"), (None, "EdDSA")):
        signed = {"id_token_signed_response_alg": alg, "access_token_signed_response_alg": alg}
        client = lab.client(kind) if kind else lab.new_client(**CLIENTS["web"], metadata=signed)
        code = lab.code(browser, client, nonce="n-123", scope="openid offline_access")
        answer = code.redeem()
        must(answer.status == 200, f"a client that asked for {alg}", answer)
        tokens = answer.json()
        claims, header = rig.jwt_claims(tokens["id_token"]), rig.jwt_header(tokens["id_token"])
        now = int(time.time())
        must(header["alg"] == alg and header["kid"] in {key["kid"] for key in op.get(rig.JWKS).json()["keys"]}, "alg and kid", header)
        must(claims["iss"] == op.issuer and claims["aud"] in (client["client_id"], [client["client_id"]]), "iss and aud", claims)
        must(claims.get("azp", client["client_id"]) == client["client_id"], "azp", claims)
        must(claims["nonce"] == "n-123", "nonce", claims)
        must(before <= claims["auth_time"] <= now and abs(claims["iat"] - now) <= 5, "auth_time and iat", claims)
        must(0 < claims["exp"] - claims["iat"] <= 24 * 3600, "exp", claims)
        # The left half of the hash that the algorithm is built on; Ed25519 is built on SHA-512 (RFC 8032 §5.1).
        digest = hashlib.new("sha512" if alg == "EdDSA" else "sha256", tokens["access_token"].encode()).digest()
        must(claims.get("at_hash") == rig.b64url(digest[: len(digest) // 2]), "at_hash", claims)
        must(claims.get("amr") == ["pwd"] and claims.get("acr") == "1", "acr and amr say a password", claims)
        # What was asked for and not done is not claimed; without a nonce there is none.
        asked = rig.jwt_claims(lab.tokens(browser, client, nonce=None, acr_values="urn:mace:incommon:iap:silver 9")["id_token"])
        must("nonce" not in asked and asked.get("acr") == "1", "an acr that was asked for and not reached", asked)
        renewed = rig.jwt_claims(lab.refresh(client, tokens["refresh_token"]).json()["id_token"])
        must(all(renewed[name] == claims[name] for name in ("iss", "sub", "aud", "auth_time")), "the refreshed ID token", renewed)


def TJ_11(lab):
    """a claim of one's own cannot stand for a reserved one"""
    op = lab.op
    reserved = {"iss": "https://evil.example", "sub": "usr_admin", "aud": "evil", "exp": 9999999999, "iat": 1, "nonce": "x", "acr": "9", "amr": ["hwk"], "azp": "evil", "sid": "evil", "at_hash": "x", "auth_time": 1, "scope": "admin", "client_id": "evil", "act": {"sub": "x"}, "cnf": {"jkt": "x"}, "roles": ["owner"], "email": "boss@example.org", "jti": "x"}
    for names in ([name] for name in reserved):
        email = f"p{secrets.token_hex(5)}@example.org"
        try:
            op.user(email, PASSWORD, claims={name: reserved[name] for name in names}, verified=False)
        except rig.CliError as refused:
            must(refused.code in (1, 2), f"exit code {refused.code}")
            continue
        browser = Browser(op)
        browser.email = email
        tokens = lab.tokens(browser, scope="openid profile email")
        for where, claims in (("ID token", rig.jwt_claims(tokens["id_token"])), ("access token", rig.jwt_claims(tokens["access_token"])), ("userinfo", op.userinfo(tokens["access_token"]).json())):
            for name in names:
                must(claims.get(name) != reserved[name], f"the claim {name} of a person overrides the {where}", claims)
            must(claims.get("iss", op.issuer) == op.issuer and claims["sub"] != "usr_admin", f"the {where} was overridden", claims)
    # Asked for by the client.
    wanted = {name: {"value": value, "essential": True} for name, value in reserved.items() if name not in ("sub", "acr", "auth_time")}
    response = lab.browser().request("GET", lab.request(lab.client("web"), claims=json.dumps({"id_token": wanted, "userinfo": wanted}), state="s"))
    params = answer_params(response)
    if "code" in params:
        made = lab.code(lab.browser(), lab.client("web"), claims=json.dumps({"id_token": wanted, "userinfo": wanted})).redeem().json()
        claims = rig.jwt_claims(made["id_token"])
        for name, value in reserved.items():
            must(claims.get(name) != value, f"the claims parameter set {name}", claims)


def TJ_16(lab):
    """the published key set has no private member, and no weak key"""
    for kind in ("main", "https"):
        op = lab.instance(kind)
        for alg in ("ES256", "EdDSA"):
            client = lab.new_client(op, **CLIENTS["web"], metadata={"id_token_signed_response_alg": alg})
            lab.code(lab.browser(op), client).redeem()
        time.sleep(1.0)
        answer = op.get(rig.JWKS)
        keys = answer.json()["keys"]
        must({key["alg"] for key in keys} >= {"RS256", "ES256", "EdDSA"}, "a key of each algorithm that a client asked for", [key["alg"] for key in keys])
        must(len({key["kid"] for key in keys}) == len(keys) and keys, "kid is unique", keys)
        for key in keys:
            must(not {"d", "p", "q", "dp", "dq", "qi", "k", "oth"} & set(key), "a private member is published", sorted(key))
            must(key.get("alg") in ("RS256", "ES256", "EdDSA") and key.get("use") == "sig", "alg and use", key)
            if key["kty"] == "RSA":
                must(len(rig.unb64url(key["n"])) >= 256 and int.from_bytes(rig.unb64url(key["e"]), "big") >= 65537, "RSA of 2048 bits at least", key)
            else:
                must(key["kty"] in ("EC", "OKP") and key.get("crv") in ("P-256", "Ed25519"), "the curve", key)
        must("PRIVATE" not in answer.text, "a private key")


def TJ_17(lab):
    """userinfo is for a person's live token with openid"""
    op = lab.op
    browser = lab.signed_in()
    tokens = lab.tokens(browser, scope="openid email")
    mine = op.userinfo(tokens["access_token"])
    must(mine.status == 200 and mine.json()["sub"] == rig.jwt_claims(tokens["id_token"])["sub"], "sub is the ID token's", mine)
    without = lab.tokens(browser, scope="api:read")
    must("id_token" not in without, "no openid, no ID token", sorted(without))
    answer = op.userinfo(without["access_token"])
    must(answer.status == 403 and 'error="insufficient_scope"' in (answer.header("www-authenticate") or ""), "a token without openid", answer)
    machine = op.token(lab.client("machine"), grant_type="client_credentials").json()
    must(op.userinfo(machine["access_token"]).status in (401, 403), "a token of a client alone")
    must(op.get(USERINFO).status == 401, "no token")
    # Through which doors a token does not come.
    must(op.get(USERINFO + "?access_token=" + tokens["access_token"]).status in (400, 401), "a token in the query")
    must(op.get(USERINFO, headers={"Cookie": f"access_token={tokens['access_token']}"}).status == 401, "a token in a cookie")
    must(browser.request("GET", op.at(USERINFO)).status == 401, "a session cookie opens userinfo")
    # After sign-out, and for a disabled person.
    browser.sign_out(op.at(LOGOUT))
    answer = op.userinfo(tokens["access_token"])
    must(answer.status == 401 and 'error="invalid_token"' in (answer.header("www-authenticate") or ""), "after the sign-out", answer)
    second = lab.signed_in()
    tokens = lab.tokens(second, scope="openid offline_access")
    op.cli("user", "disable", second.email)
    for at in lab.replicas():
        must(at.userinfo(tokens["access_token"]).status == 401, "a disabled person's token")


def TJ_18(lab):
    """a token comes by header or by form, once, and never by query"""
    op, token = lab.op, lab.tokens()["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    must(op.get(f"{USERINFO}?access_token={token}").status in (400, 401), "a token in the query")
    must(op.post(f"{USERINFO}?access_token={token}", {}).status in (400, 401), "a token in the query of a POST")
    for path in (f"{USERINFO}?access_token={token}", f"{USERINFO}?access_token=x"):
        for answer in (op.get(path, headers=header), op.post(path, {"access_token": token})):
            oauth_error(answer, 400, "invalid_request")
    for answer in (op.post(USERINFO, {"access_token": token}, headers=header), op.get(USERINFO, headers=[*header.items(), *header.items()]), op.post(USERINFO, [("access_token", token), ("access_token", token)])):
        oauth_error(answer, 400, "invalid_request")
    must(op.get(USERINFO, headers=header).status == 200 and op.post(USERINFO, {"access_token": token}).status == 200, "once, by header or by form")
    # RFC 6750 §3.1: without a token, or with what another scheme would have, there is no error to speak of.
    for name, sent in {"nothing": {}, "another scheme": {"Authorization": "Basic YTpi"}, "a scheme nobody knows": {"Authorization": "Odd x"}}.items():
        for answer in (op.get(USERINFO, headers=sent), op.post(USERINFO, {}, headers=sent), *(op.get(path, headers=sent) for path in ("/v1/me", "/v1/users", "/v1/audit"))):
            challenge = answer.header("www-authenticate") or ""
            must(answer.status == 401 and challenge.startswith("Bearer") and "error" not in challenge, f"{name} at {answer.url}", answer)
            must("/v1/" in answer.url or not re.search("error|invalid", answer.text), f"{name}: the body speaks of an error", answer)
