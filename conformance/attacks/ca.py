"""CA: client authentication by client_secret_basic, client_secret_post and none."""

from lab import *


ASSERTION = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": "a.b.c"}


def CA_01(lab):
    """a wrong secret is 401 and consumes nothing"""
    op, web, post = lab.op, lab.client("web"), lab.client("post")
    code = lab.code(lab.browser(), web)
    own = lab.code(lab.browser(), post)
    for secret in (wrong(web["client_secret"]), "", web["client_secret"] + "A", web["client_secret"][:-1], lab.client("other")["client_secret"]):
        answer = op.post(TOKEN, code.form(), headers={"Authorization": basic(web["client_id"], secret)})
        oauth_error(answer, 401, "invalid_client")
        must((answer.header("www-authenticate") or "").startswith("Basic"), "a Basic challenge is due", answer)
    for secret in (wrong(post["client_secret"]), web["client_secret"], " " + post["client_secret"]):
        oauth_error(op.post(TOKEN, {**own.form(), "client_id": post["client_id"], "client_secret": secret}), (401, 400), "invalid_client")
    must(code.redeem().status == 200 and own.redeem().status == 200, "a failed authentication consumed the code")
    must(lab.audited("client.authenticate", web["client_id"]), "the refusal has no audit row")


def CA_02(lab):
    """two methods in one request"""
    op = lab.op
    for kind in ("web", "post"):
        client = lab.client(kind)
        header = {"Authorization": basic(client["client_id"], client["client_secret"])}
        body = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
        code = lab.code(lab.browser(), client)
        for path, form in ((TOKEN, code.form()), (INTROSPECT, {"token": "x"}), (REVOKE, {"token": "x"})):
            oauth_error(op.post(path, {**form, **body}, headers=header), 400, "invalid_request")
            oauth_error(op.post(path, {**form, **body, "client_secret": "another"}, headers=header), 400, "invalid_request")
            oauth_error(op.post(path, [*form.items(), *body.items(), ("client_secret", "another")]), 400, "invalid_request")
            oauth_error(op.post(path, form, headers=[*header.items(), *header.items()]), (400, 401), ("invalid_request", "invalid_client"))
            oauth_error(op.post(path, {**form, "client_id": lab.client("other")["client_id"]}, headers=header), (400, 401), ("invalid_request", "invalid_client"))
            # An assertion is a method, too, whatever it is worth here; with nothing else than a client_id it is the only one.
            for assertion in (ASSERTION, {"client_assertion": "a.b.c"}, {"client_assertion_type": ASSERTION["client_assertion_type"]}):
                oauth_error(op.post(path, {**form, **assertion}, headers=header), 400, "invalid_request")
                oauth_error(op.post(path, {**form, **body, **assertion}), 400, "invalid_request")
                oauth_error(op.post(path, {**form, **assertion, "client_id": lab.client("spa")["client_id"]}), 401, "invalid_client")
            oauth_error(op.post(path, [*form.items(), *ASSERTION.items(), *ASSERTION.items()]), 400, "invalid_request")
        must(code.redeem().status == 200, "the refusals consumed the code")


def CA_03(lab):
    """the registered method is the only one"""
    op, web, post, spa = lab.op, lab.client("web"), lab.client("post"), lab.client("spa")
    for path, form in ((TOKEN, {"grant_type": "refresh_token", "refresh_token": "x"}), (REVOKE, {"token": "x"}), (INTROSPECT, {"token": "x"})):
        oauth_error(op.post(path, {**form, "client_id": web["client_id"], "client_secret": web["client_secret"]}), (401, 400), "invalid_client")
        oauth_error(op.post(path, form, headers={"Authorization": basic(post["client_id"], post["client_secret"])}), 401, "invalid_client")
        oauth_error(op.post(path, {**form, "client_id": spa["client_id"], "client_secret": "x"}), (401, 400), "invalid_client")
        oauth_error(op.post(path, form, headers={"Authorization": basic(spa["client_id"], "x")}), 401, "invalid_client")
        oauth_error(op.post(path, form, headers={"Authorization": basic(spa["client_id"], "")}), 401, "invalid_client")
        oauth_error(op.post(path, {**form, **ASSERTION, "client_id": web["client_id"]}), (401, 400), ("invalid_client", "invalid_request"))
    must("private_key_jwt" not in op.get(rig.DISCOVERY).json()["token_endpoint_auth_methods_supported"], "private_key_jwt is announced: these rows are due")


def CA_04(lab):
    """a confidential client is nobody without its secret"""
    op = lab.op
    for kind in ("web", "post", "machine", "password"):
        client = lab.client(kind)
        named = {"client_id": client["client_id"]}
        forms = [
            (TOKEN, {"grant_type": "client_credentials"}),
            (TOKEN, {"grant_type": "refresh_token", "refresh_token": "x"}),
            (TOKEN, {"grant_type": "authorization_code", "code": "x", "redirect_uri": CB}),
            (TOKEN, {"grant_type": "password", "username": "a", "password": "b"}),
            (REVOKE, {"token": "x"}),
            (INTROSPECT, {"token": "x"}),
        ]
        for path, form in forms:
            oauth_error(op.post(path, {**form, **named}), 401, "invalid_client")
            oauth_error(op.post(path, {**form, **named, "client_secret": ""}), 401, "invalid_client")
    tokens = lab.tokens(scope="openid offline_access")
    oauth_error(op.post(TOKEN, {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": lab.client("web")["client_id"]}), 401, "invalid_client")
    oauth_error(op.post(REVOKE, {"token": tokens["refresh_token"], "client_id": lab.client("web")["client_id"]}), 401, "invalid_client")
    must(lab.refresh(lab.client("web"), tokens["refresh_token"]).status == 200, "the refresh token was touched")


def CA_06(lab):
    """Basic is form-decoded; odd characters fail cleanly and never reach another client"""
    op, web = lab.op, lab.client("web")
    identifier, secret = web["client_id"], web["client_secret"]

    def sent(pair) -> Response:
        data = pair if isinstance(pair, bytes) else pair.encode()
        return op.post(INTROSPECT, {"token": "x"}, headers={"Authorization": "Basic " + encoded(data)})

    def every(text):
        return "".join(f"%{byte:02X}" for byte in text.encode())

    must(re.fullmatch(r"[A-Za-z0-9_-]+", identifier + secret), "ids and secrets are of an alphabet that all clients encode alike", identifier)
    for pair in (f"{identifier}:{secret}", f"{every(identifier)}:{every(secret)}", f"{every(identifier).lower()}:{secret}"):
        must(sent(pair).status == 200, "the encoded form is right", pair.split(":")[0])
    odd = [
        f"{identifier}:{secret}:", f":{identifier}:{secret}", f"{identifier}%3A{secret}", f"{identifier}%20:{secret}", f"{identifier}+:{secret}", f"{identifier}%00:{secret}", f"{identifier}:{secret}%00",
        f"{identifier}:{secret}+", f"{identifier}:{secret}%0A", f"{identifier}%:{secret}", f"{identifier}:%zz", "a b:c", "é:ñ", "%:%", "+:+", ":", "", identifier, "%C3%28:x", f"{identifier.upper()}:{secret}" if identifier.upper() != identifier else "X:y",
        b"\xff\xfe:\xff", b"\0:\0", f"{identifier}:{secret}\r\nX: y", f"{identifier}' OR 1=1--:{secret}",
    ]  # fmt: skip
    for pair in odd:
        oauth_error(sent(pair), (401, 400), ("invalid_client", "invalid_request"))
    for header in ("Basic", "Basic ", "Basic  ", "Basic !!!", "Basic " + encoded(f"{identifier}:{secret}".encode()) + "=", "Basic\t" + encoded(f"{identifier}:{secret}".encode()), "Basic " + "A" * 60_000, "Digest x", "Bearer x"):
        answer = op.post(INTROSPECT, {"token": "x"}, headers={"Authorization": header})
        must(answer.status in (400, 401, 431), f"{header[:20]!r}", answer)
    for flawed in ("a:b", "a b", "é", "%41", "a+b", "../x"):
        done = op.run("client", "create", "--name", "x", "--redirect-uri", CB, "--id", flawed, "--json")
        must(done.returncode in (1, 2), f"an id {flawed!r} was taken")


def CA_08(lab):
    """guessing a client's secret is slowed down where it comes from, and hurts nobody else"""
    op = lab.instance("limited")
    machine = lab.new_client(op, **CLIENTS["machine"])
    identifier, secret = machine["client_id"], machine["client_secret"]

    def attempt(guess, address):
        headers = {"Authorization": basic(identifier, guess), "X-Forwarded-For": address}
        return op.post(TOKEN, {"grant_type": "client_credentials"}, headers=headers)

    def is_throttled(answer):
        must(answer.status == 429, "429 is due", answer)
        must((answer.header("retry-after") or "").isdigit() and int(answer.header("retry-after")) >= 1, "429 without a Retry-After", answer)
        return True

    answers = [attempt(wrong(secret), "203.0.113.1") for _ in range(GUESSES)]
    denied = [answer for answer in answers if answer.status == 401]
    must(8 <= len(denied) <= 14 + GUESSES // 60, f"{len(denied)} of {GUESSES} guesses from one address were judged")
    for answer in answers[len(denied):]:
        must(answer.status == 401 or is_throttled(answer), "either denied or slowed down", answer)
    must([answer.status for answer in answers[:8]] == [401] * 8, "the first guesses are denied, not throttled")
    must(attempt(secret, "198.51.100.7").status == 200, "the right secret from elsewhere is good")
    # Fifty addresses: each is slowed down for itself, and the client goes on.
    for n in range(50):
        statuses = [attempt(wrong(secret), f"192.0.2.{n + 1}").status for _ in range(max(12, GUESSES // 50))]
        must(statuses[-1] == 429, f"address {n + 1} of 50 is not slowed down", statuses)
    must(attempt(secret, "198.51.100.7").status == 200, "the right secret from elsewhere is good while fifty addresses guess")
    other = lab.new_client(op, **CLIENTS["machine"])
    answer = op.post(TOKEN, {"grant_type": "client_credentials"}, headers={"Authorization": basic(other["client_id"], other["client_secret"]), "X-Forwarded-For": "203.0.113.1"})
    must(answer.status == 200, "another client from the guesser's address is good", answer)


def CA_22(lab):
    """a disabled or deleted client can do nothing, and its tokens are dead"""
    op = lab.op
    rs, browser = lab.client("rs"), lab.browser()
    for words in (("client", "update", "--disable"), ("client", "delete")):
        client = lab.new_client(redirect_uri=CB, scope="openid offline_access api:read", first_party=True)
        machine = lab.new_client(grant_type=["client_credentials"], scope="api:read")
        public = lab.new_client(redirect_uri=CB, scope="openid offline_access", public=True, first_party=True)
        pending = lab.code(browser, client)
        tokens = lab.tokens(browser, client, scope="openid offline_access", resource=API)
        plain = lab.tokens(browser, client, scope="openid")
        theirs = lab.tokens(browser, public, scope="openid offline_access")
        own = op.token(machine, grant_type="client_credentials", scope="api:read", resource=API).json()
        for token in (tokens["access_token"], own["access_token"]):
            must(lab.active(rs, token), "the token was active before")
        must(op.userinfo(plain["access_token"]).status == 200, "userinfo answered before")
        for gone in (client, machine, public):
            op.cli(*words, gone["client_id"])
        time.sleep(1.0)
        for instance in lab.replicas():
            for gone in (client, machine, public):
                refresh = (theirs if gone is public else tokens)["refresh_token"]
                for path, form in (
                    (TOKEN, pending.form()),
                    (TOKEN, {"grant_type": "refresh_token", "refresh_token": refresh}),
                    (TOKEN, {"grant_type": "client_credentials"}),
                    (INTROSPECT, {"token": plain["access_token"]}),
                    (REVOKE, {"token": plain["access_token"]}),
                ):
                    oauth_error(instance.as_client(gone, path, form), 401, "invalid_client")
            for token in (tokens["access_token"], own["access_token"]):
                must(not lab.active(rs, token, instance), f"after {' '.join(words)}: a token is active")
            for token in (plain["access_token"], theirs["access_token"]):
                must(instance.userinfo(token).status == 401, f"after {' '.join(words)}: userinfo answers")
            error_page(browser.request("GET", lab.request(client)))


def CA_24(lab):
    """what lists clients never shows a secret"""
    op = lab.op
    lab.client("web")
    for words in (("client", "list"), ("client", "show", lab.client("web")["client_id"]), ("client", "update", lab.client("web")["client_id"], "--name", "client web")):
        done = op.run(*words, "--json")
        must(done.returncode == 0, f"{' '.join(words)}: {done.stderr[-200:]}")
        text = done.stdout + done.stderr
        must(lab.client("web")["client_secret"] not in text, f"{' '.join(words)} shows the secret")
        must(not re.search(r'"(client_secret|secret|secrets|digest)"', done.stdout), f"{' '.join(words)} has a member for the secret", done.stdout[:200])

    # And no list that people see of themselves, of their apps, or of others.
    import ad

    browser, third, held = lab.signed_in(), lab.client("third"), []
    lab.tokens(browser, third, scope="openid offline_access", prompt="consent")
    mine = ad.token_of(lab, browser.email)["access_token"]
    _, owner = ad.somebody(lab, "owner")
    made = ad.call(lab, "POST", "/v1/clients", owner, {"redirect_uris": [CB]}).json()
    ids = [third["client_id"], made["client_id"]]
    for token, paths in (
        (mine, ("/v1/me", "/v1/me/consents", "/v1/me/sessions", "/v1/me/export", "/v1/one-time-tokens")),
        (owner, ("/v1/clients?limit=200", *(f"/v1/clients/{one}" for one in ids), "/v1/users?limit=200", "/v1/organizations", "/v1/audit?limit=200", f"/v1/users/{urllib.parse.quote(browser.email)}/sessions")),
    ):
        for path in paths:
            answer = ad.call(lab, "GET", path, token)
            must(answer.status == 200, f"{path} is there", answer)
            held.append(answer.text)
            for secret in (third["client_secret"], made["client_secret"]):
                must(secret not in answer.text, f"{path} shows a secret")
            # How many secrets are good now is said; what they are is not.
            must(not re.search(r'"(client_secret|secret|digest)"|"secrets":[^0-9]', answer.text), f"{path} has a member for a secret", answer)
    must(any(third["client_id"] in text for text in held), "the app is in a list")
    page = browser.request("GET", "/account")
    must(page.status == 200 and third["client_secret"] not in page.text, "the page of one's apps")
    changed_ = ad.call(lab, "PATCH", f"/v1/clients/{made['client_id']}", owner, {"client_name": "x"})
    must(changed_.status == 200 and '"client_secret"' not in changed_.text, "a change shows no secret", changed_)
