"""CO: the authorization code. Used once, by whom it was made for."""

from lab import *


def _replayed(lab, code, first, why):
    """The second redemption is refused, and what the first one gave is dead."""
    oauth_error(code.redeem(), 400, "invalid_grant")
    lab.must_be_dead(code.client, first, why, code.op)


def CO_01(lab):
    """redeemed twice: refused, and everything from it revoked"""
    for kind in ("web", "post", "spa", "opaque"):
        client = lab.client(kind)
        code = lab.code(lab.browser(), client, scope="openid offline_access")
        first = code.redeem()
        must(first.status == 200, "the first redemption", first)
        first = first.json()
        must(lab.op.userinfo(first["access_token"]).status == 200, "the first token is good")
        # The descendants die too: a refresh in between changes nothing.
        second = lab.refresh(client, first["refresh_token"])
        must(second.status == 200, "the refresh between", second)
        oauth_error(code.redeem(), 400, "invalid_grant")
        for tokens in (first, second.json()):
            must(lab.op.userinfo(tokens["access_token"]).status == 401, f"{kind}: a token of the replayed code is still good")
            oauth_error(lab.refresh(client, tokens["refresh_token"]), 400, "invalid_grant")
            if kind != "spa":
                must(not lab.active(client, tokens["access_token"]), f"{kind}: a token of the replayed code is still active")
    other = lab.tokens(scope="openid offline_access")
    must(lab.active(lab.client("web"), other["access_token"]), "other grants of the person stay")


def CO_02(lab):
    """replayed after 30 seconds, and after the code's own life: refused, and everything from it revoked"""
    short = lab.instance("short")
    web, quick = lab.client("web"), lab.client("web", short)
    slow, slower = (lab.code(lab.browser(), web, scope="openid offline_access") for _ in range(2))
    firsts = [code.redeem() for code in (slow, slower)]
    must([first.status for first in firsts] == [200, 200], "the first redemptions", firsts)
    brief = lab.code(lab.signed_in(short), quick)
    first = brief.redeem()
    must(first.status == 200, "the first redemption", first)
    late = lab.code(lab.signed_in(short), quick)
    yield 3.1
    oauth_error(late.redeem(), 400, "invalid_grant")
    oauth_error(brief.redeem(), 400, "invalid_grant")
    must(not lab.active(quick, first.json()["access_token"], short), "the life of the code is over: its tokens were not revoked")
    yield 28
    _replayed(lab, slow, firsts[0].json(), "replayed after 30 s")
    yield 31
    _replayed(lab, slower, firsts[1].json(), "replayed after its own life")


def _race(lab, at):
    web, browser = lab.client("web"), lab.browser()
    for size in (2, 8, 32):
        for _ in range(ROUNDS):
            code = lab.code(browser, web, scope="openid offline_access")
            answers = lab.volley.fire([code.shot(at[i % len(at)]) for i in range(size)])
            won = [answer for answer in answers if answer.status == 200]
            must(len(won) == 1, f"{len(won)} of {size} parallel redemptions succeeded", [answer.status for answer in answers])
            for answer in answers:
                if answer.status != 200:
                    oauth_error(answer, 400, "invalid_grant")
            tokens = won[0].json()
            for op in at:
                # A loser may have been answered before the winner; a last replay makes sure that one came after.
                oauth_error(code.redeem(at=op), 400, "invalid_grant")
                must(not lab.active(web, tokens["access_token"], op), "the code was replayed, its access token lives")
                must(not lab.active(web, tokens["refresh_token"], op), "the code was replayed, its refresh token lives")


def CO_03(lab):
    """2, 8 and 32 parallel redemptions: exactly one succeeds, and is revoked by the others"""
    _race(lab, [lab.op])
    # Thieves who lack something neither win nor spoil it: the owner's redemption succeeds among theirs, and stands.
    web, other, browser, at = lab.client("web"), lab.client("other"), lab.browser(), lab.replicas()
    for n in range(max(2, ROUNDS // 8)):
        code = lab.code(browser, web, scope="openid offline_access")
        shots = [code.shot(at[i % len(at)], code_verifier=rig.pkce()[0]) for i in range(20)]
        shots += [code.shot(at[i % len(at)], redirect_uri=SECOND) for i in range(4)] + [as_client(at[i % len(at)], other, TOKEN, code.form()) for i in range(7)]
        shots.insert(n % 32, code.shot())
        answers = lab.volley.fire(shots)
        must([i for i, answer in enumerate(answers) if answer.status == 200] == [n % 32], "the owner among thirty-one thieves", [answer.status for answer in answers])
        for i, answer in enumerate(answers):
            if i != n % 32:
                oauth_error(answer, 400, "invalid_grant")
        must(all(lab.active(web, answers[n % 32].json()["access_token"], op) for op in at), "the thieves revoked what the owner got")


def CO_04(lab):
    """the same, spread over two replicas"""
    lab.twin  # noqa: B018  (skips where there are no shared stores)
    _race(lab, lab.replicas())


def CO_05(lab):
    """a code of another client is refused and not burnt"""
    code = lab.code(lab.browser(), lab.client("web"))
    for thief in ("other", "post", "spa", "stranger", "third"):
        oauth_error(code.redeem(by=lab.client(thief)), 400, "invalid_grant")
    first = code.redeem()
    must(first.status == 200, "the owner's redemption after the thieves'", first)
    oauth_error(code.redeem(by=lab.client("other")), 400, "invalid_grant")
    must(lab.active(lab.client("web"), first.json()["access_token"]), "a stranger's replay revoked the owner's tokens")
    # Nor when the short-lived store has forgotten the code, and only SQL knows what it opened.
    with Portero(lab.store) as op:
        owner, thief = (lab.new_client(op, **CLIENTS[kind]) for kind in ("web", "other"))
        browser = Browser(op)
        browser.email = lab.person(op)
        code = lab.code(browser, owner)
        first = code.redeem().json()
        if lab.store == "embedded":
            op.stop(keep=True)
            op.start()
        else:
            lab.redis("FLUSHDB", op=op)
        oauth_error(code.redeem(by=thief), 400, "invalid_grant")
        must(lab.active(owner, first["access_token"], op), "a stranger's replay of a forgotten code revoked the owner's tokens")
        oauth_error(code.redeem(), 400, "invalid_grant")
        must(not lab.active(owner, first["access_token"], op), "the owner's own replay of a forgotten code revokes")


def CO_06(lab):
    """bad client authentication does not consume the code"""
    web, op = lab.client("web"), lab.op
    code = lab.code(lab.browser(), web)
    oauth_error(op.post(TOKEN, code.form(), headers={"Authorization": basic(web["client_id"], wrong(web["client_secret"]))}), 401, "invalid_client")
    oauth_error(op.post(TOKEN, {**code.form(), "client_id": web["client_id"]}), 401, "invalid_client")
    oauth_error(op.post(TOKEN, code.form()), 401, "invalid_client")
    must(code.redeem().status == 200, "the failures consumed the code")


def CO_09(lab):
    """no secret is good for another's purpose, and none is touched by the attempt"""
    web, op = lab.client("web"), lab.op
    browser = lab.signed_in()
    code = lab.code(browser, web)
    tokens = lab.tokens(browser, scope="openid offline_access")
    opaque = lab.tokens(browser, lab.client("opaque"))
    page = consent_page(browser.get(lab.request(lab.client("third"))))
    flow = query(page.url)
    cookies = [value for (_, _), value in browser.cookies.items()]
    everything = [tokens["access_token"], tokens["refresh_token"], tokens["id_token"], opaque["access_token"], *flow.values(), *cookies, *hidden(page, "consent-allow")[1].values()]
    for value in everything:
        oauth_error(code.redeem(code=value), 400, ("invalid_grant", "invalid_request") if not value else "invalid_grant")
        if value != tokens["refresh_token"]:
            oauth_error(lab.refresh(web, value), 400, ("invalid_grant", "invalid_request"))
    for value in (code.value, *flow.values(), *cookies):
        must(not lab.active(web, value), "something that is no token is active")
        must(op.userinfo(value).status in (400, 401), "something that is no token opens userinfo")
        must(op.revoke(web, value).status == 200, "revoking what is no token")
        error_page(browser.request("GET", op.at(f"{AUTHORIZE}/{urllib.parse.quote(code.value)}?mac={urllib.parse.quote(value)}")), status=(400, 403, 404))
    for (name, path), value in list(browser.cookies.items()):
        thief = Browser(op)
        thief.cookies = {(other, place): value for other, place in browser.cookies if other != name}
        nobody(lab, thief, "a cookie under another's name")
    # Links of mails, invitations and one-time tokens: nothing to each other, to the token endpoint, or as a bearer.
    import ad
    import pr
    import rg

    address, invited = rg.new_address(lab), rg.new_address(lab)
    rg.sign_up(lab, address)
    _, owner = ad.somebody(lab, "owner")
    must(ad.call(lab, "POST", "/v1/invitations", owner, {"email": invited, "roles": []}).status == 202, "the invitation")
    once = ad.call(lab, "POST", "/v1/one-time-tokens", owner, {"purpose": "p", "ttl": 600, "audience": [ad.console(lab)["client_id"]]}).json()["token"]
    WATCH.issued.add(once)
    links = {"verify": rg.token_in(rg.mail_to(lab, address, rg.VERIFY)), "reset": pr.link_for(lab, browser.email), "invitation": rg.token_in(rg.mail_to(lab, invited, rg.SIGN_UP)), "once": once}
    places = {
        "verify": lambda value: ad.call(lab, "POST", "/v1/registration/verify", body={"token": value}),
        "reset": lambda value: ad.call(lab, "POST", "/v1/registration/reset", body={"token": value, "password": rg.SECRET}),
        "invitation": lambda value: ad.call(lab, "POST", "/v1/registration", body={"email": invited, "password": rg.SECRET, "invitation": value}),
        "email": lambda value: ad.call(lab, "POST", "/v1/registration/confirm-email-change", body={"token": value}),
        "undo": lambda value: ad.call(lab, "POST", "/v1/registration/undo-email-change", body={"token": value}),
        "once": lambda value: ad.call(lab, "POST", "/v1/one-time-tokens/consume", owner, {"token": value, "purpose": "p"}),
        "set-up": lambda value: fetch("GET", op.at(f"/setup?token={value}"), connect=op.port),
    }
    for kind, value in {**links, "code": code.value, "access": tokens["access_token"], "refresh": tokens["refresh_token"]}.items():
        for place, present in places.items():
            if place != kind:
                answer = present(value)
                must(answer.status in (400, 403, 404), f"{kind} presented as {place}", answer)
    for kind, value in links.items():
        oauth_error(code.redeem(code=value), 400, "invalid_grant")
        oauth_error(lab.refresh(web, value), 400, "invalid_grant")
        must(op.userinfo(value).status == 401 and ad.call(lab, "GET", "/v1/me", value).status == 401, f"{kind} as a bearer")
        must(not lab.active(web, value) and op.revoke(web, value).status == 200, f"{kind} at introspection and revocation")
    must(places["verify"](links["verify"]).status == 204 and places["invitation"](links["invitation"]).status == 202 and places["once"](once).status == 200, "the real ones were touched")
    must(code.redeem().status == 200, "the code was touched")
    must(lab.refresh(web, tokens["refresh_token"]).status == 200, "the refresh token was touched")
    must("code" in browser.callback(browser.submit(page, "consent-allow")).params, "the flow was touched")
    # Last, as it ends everything of the person.
    must(places["reset"](links["reset"]).status == 204, "the reset was touched")


def CO_11(lab):
    """a copy of the stores holds nothing that could be used"""
    op, web = lab.op, lab.client("web")
    browser = lab.signed_in()
    live = lab.code(browser, web)
    tokens = lab.tokens(browser, scope="openid offline_access")
    opaque = lab.tokens(browser, lab.client("opaque"))
    page = consent_page(browser.get(lab.request(lab.client("third"))))
    wanted = {"the code": live.value, "the verifier": live.verifier, "the access token": tokens["access_token"], "the refresh token": tokens["refresh_token"], "the opaque token": opaque["access_token"]}
    wanted |= {"the password": PASSWORD, "the client secret": web["client_secret"], "the master key": op.environment["PORTERO_MASTER_KEY"]}
    wanted |= {f"the cookie {name}": value for (name, _), value in browser.cookies.items() if len(value) >= 20}
    wanted |= {f"the flow's {name}": value for name, value in query(page.url).items() if len(value) >= 20}
    private = ["PRIVATE KEY", '"d":"', '"dp":"']
    if lab.store == "embedded":
        places = {str(path.name): path.read_bytes() for path in (op.home / "data").iterdir() if path.is_file()}
    else:
        dump = subprocess.run(["pg_dump", "-d", op.environment["PORTERO_DATABASE_URL"], "--data-only"], capture_output=True, timeout=60)
        must(dump.returncode == 0, f"pg_dump: {dump.stderr[:200]!r}")
        places = {"the Postgres dump": dump.stdout, "Redis": _redis_dump(lab)}
    must(any(len(data) > 1000 for data in places.values()), "the copy is empty", {name: len(data) for name, data in places.items()})
    for place, data in places.items():
        # Bytes, their hexadecimal and base64 forms: how a column or a value could hold them.
        for what, value in wanted.items():
            plain = value.encode()
            forms = {plain, plain.hex().encode(), base64.b64encode(plain), base64.urlsafe_b64encode(plain).rstrip(b"=")}
            if re.fullmatch(r"[A-Za-z0-9_-]{20,}", value):
                try:
                    decoded = rig.unb64url(value)
                    forms |= {decoded, decoded.hex().encode()}
                except ValueError:
                    pass
            for form in forms:
                must(form not in data, f"{place} holds {what}")
        for mark in private:
            must(mark.encode() not in data and mark.encode().hex().encode() not in data, f"{place} holds a private key in clear")
    if lab.store == "postgres":
        must(all(key for key in lab.redis("KEYS", "*")), "Redis has keys")
    must(live.redeem().status == 200, "the code that was looked for was live")


def CO_14(lab):
    """what the token endpoint is told by query, JSON or multipart does not count"""
    op, web = lab.op, lab.client("web")
    code = lab.code(lab.browser(), web)
    auth = {"Authorization": basic(web["client_id"], web["client_secret"])}
    where = TOKEN + "?" + urllib.parse.urlencode(code.form())
    answer = op.get(where, headers=auth)
    must(answer.status == 405 and "POST" in (answer.header("allow") or ""), "GET", answer)
    oauth_error(op.post(where, {}, headers=auth), 400, "invalid_request")
    for kind, body in (
        ("application/json", json.dumps(code.form())),
        ("multipart/form-data; boundary=x", "".join(f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in code.form().items()) + "--x--"),
        ("text/plain", urllib.parse.urlencode(code.form())),
        *((f"application/x-www-form-urlencoded; charset={charset}", urllib.parse.urlencode(code.form())) for charset in ("utf-16", "utf-7", "utf-32", "ibm037")),
        ("application/x-www-form-urlencoded-x", urllib.parse.urlencode(code.form())),
        ("application/x-www-form-urlencoded", "\ufeff" + urllib.parse.urlencode(code.form())),
        ("application/x-www-form-urlencoded", urllib.parse.urlencode(code.form()).replace("&", ";")),
        ("application/x-www-form-urlencoded", urllib.parse.urlencode({name.title(): value for name, value in code.form().items()})),
    ):
        answer = fetch("POST", op.at(TOKEN), body=body.encode(), headers={**auth, "Content-Type": kind}, connect=op.port)
        oauth_error(answer, (400, 415), ("invalid_request", "unsupported_grant_type"))
    for types in (("application/x-www-form-urlencoded", "application/json"), ("application/json", "application/x-www-form-urlencoded")):
        answer = fetch("POST", op.at(TOKEN), form=code.form(), headers=[*auth.items(), *(("Content-Type", kind) for kind in types)], connect=op.port)
        oauth_error(answer, (400, 415), "invalid_request")
    must(code.redeem().status == 200, "the code was consumed")
    # Written in another way, it is the same form.
    code = lab.code(lab.browser(), web)
    every = "&".join("=".join("".join(f"%{byte:02x}" for byte in text.encode()) for text in pair) for pair in code.form().items())
    answer = fetch("POST", op.at(TOKEN), body=every.encode(), headers={**auth, "Content-Type": 'APPLICATION/X-WWW-FORM-URLENCODED ; Charset="UTF-8"'}, connect=op.port)
    must(answer.status == 200, "every octet percent-encoded", answer)


def CO_17(lab):
    """a sign-out after the code: no token of an ended session"""
    for scope in ("openid", "openid offline_access"):
        browser = lab.signed_in()
        code = lab.code(browser, lab.client("web"), scope=scope)
        browser.sign_out(lab.op.at(LOGOUT))
        oauth_error(code.redeem(), 400, "invalid_grant")


def CO_18(lab):
    """a new password or a disabled account after the code: the code is dead"""
    op, web = lab.op, lab.client("web")
    for scope in ("openid", "openid offline_access"):
        browser = lab.signed_in()
        code = lab.code(browser, web, scope=scope)
        WATCH.typed.add("another long passphrase")
        op.cli("user", "set-password", browser.email, "--password-stdin", stdin="another long passphrase\n")
        oauth_error(code.redeem(), 400, "invalid_grant")
        browser = lab.signed_in()
        code = lab.code(browser, web, scope=scope)
        op.cli("user", "disable", browser.email)
        op.cli("user", "enable", browser.email)
        oauth_error(code.redeem(), 400, "invalid_grant")


def _redis_dump(lab) -> bytes:
    out = b""
    for key in lab.redis("KEYS", "*"):
        out += key.encode() + b"\n"
        kind = lab.redis("TYPE", key)
        if kind == "none":  # it ended meanwhile
            continue
        done = subprocess.run(["redis-cli", "-u", lab.op.environment["PORTERO_REDIS_URL"], "--no-auth-warning", "--raw", *{"string": ["GET", key], "hash": ["HGETALL", key], "set": ["SMEMBERS", key], "zset": ["ZRANGE", key, "0", "-1"], "list": ["LRANGE", key, "0", "-1"]}[kind]], capture_output=True, timeout=30)
        out += done.stdout + b"\n"
    return out
