"""RT: refresh tokens. At no time two live branches; a retry of a lost answer is no attack."""

from lab import *

OFFLINE = "openid offline_access"


def RT_01(lab):
    """a replay after the window kills the whole family, and no other"""
    web, browser = lab.client("web"), lab.browser()
    first = lab.tokens(browser, scope=OFFLINE)
    other = lab.tokens(browser, scope=OFFLINE)
    second = lab.refresh(web, first["refresh_token"])
    must(second.status == 200, "the refresh", second)
    second = second.json()
    must(second["refresh_token"] != first["refresh_token"], "a refresh token that does not rotate")
    yield 31
    oauth_error(lab.refresh(web, first["refresh_token"]), 400, "invalid_grant")
    for op in lab.replicas():
        for tokens in (first, second):
            lab.must_be_dead(web, tokens, "after the replay", op)
        must(lab.active(web, other["access_token"], op), "another grant of the person died with it")
    must(lab.refresh(web, other["refresh_token"]).status == 200, "another grant of the person died with it")
    must([row for row in lab.audited("token.refresh", web["client_id"]) if row[2] == "reuse"], "the replay has no audit row")


def RT_02(lab):
    """2, 8 and 32 parallel refreshes of one token lead to one surviving successor"""
    web, at = lab.client("web"), lab.replicas()
    token = lab.tokens(scope=OFFLINE)["refresh_token"]
    for size in (2, 8, 32):
        for _ in range(ROUNDS):
            shots = [as_client(at[i % len(at)], web, TOKEN, {"grant_type": "refresh_token", "refresh_token": token}) for i in range(size)]
            answers = lab.volley.fire(shots)
            for answer in answers:
                if answer.status != 200:
                    oauth_error(answer, 400, "invalid_grant")
            won = {answer.json()["refresh_token"] for answer in answers if answer.status == 200}
            must(len(won) == 1, f"{len(won)} live branches after {size} parallel refreshes", [answer.status for answer in answers])
            token = won.pop()
            must(all(lab.active(web, answer.json()["access_token"]) for answer in answers[:3] if answer.status == 200), "a token that was just given is not active")
    final = lab.refresh(web, token, at[-1])
    must(final.status == 200, "the survivor is good", final)
    # Window 0, the strict reading: one succeeds.
    short = lab.instance("short")
    token = lab.tokens(lab.signed_in(short), lab.client("web", short), scope=OFFLINE)["refresh_token"]
    answers = lab.volley.fire([as_client(short, lab.client("web", short), TOKEN, {"grant_type": "refresh_token", "refresh_token": token}) for _ in range(8)])
    must([answer.status for answer in answers].count(200) <= 1, "without a window more than one refresh succeeded", [answer.status for answer in answers])


def RT_03(lab):
    """the same refresh again, its answer lost: the same successor, on every replica, and the family lives"""
    for kind in ("web", "spa", "post"):
        client = lab.client(kind)
        first = lab.tokens(client=client, scope=OFFLINE)["refresh_token"]
        answers = [lab.refresh(client, first, op) for op in [*lab.replicas(), *lab.replicas()]]
        must([answer.status for answer in answers] == [200] * len(answers), "the retry of a refresh", answers[-1])
        successors = {answer.json()["refresh_token"] for answer in answers}
        must(len(successors) == 1, "a retry got another successor")
        must(lab.refresh(client, successors.pop()).status == 200, "the successor is good")


def RT_04(lab):
    """a retry after the successor was itself refreshed kills the family (using its access token does not count)"""
    web = lab.client("web")
    first = lab.tokens(scope=OFFLINE)
    second = lab.refresh(web, first["refresh_token"]).json()
    must(lab.op.userinfo(second["access_token"]).status == 200, "userinfo")
    again = lab.refresh(web, first["refresh_token"])
    must(again.status == 200 and again.json()["refresh_token"] == second["refresh_token"], "the successor was not refreshed: a retry gets it again", again)
    third = lab.refresh(web, second["refresh_token"])
    must(third.status == 200, "the successor's own refresh", third)
    oauth_error(lab.refresh(web, first["refresh_token"]), 400, "invalid_grant")
    for tokens in (first, second, third.json()):
        lab.must_be_dead(web, tokens, "the predecessor came after its successor was used")
    must([row for row in lab.audited("token.refresh", web["client_id"]) if row[2] == "reuse"], "the replay has no audit row")


def RT_06(lab):
    """a successor is good itself: sign-in, refresh, refresh"""
    for kind in ("web", "spa", "post", "opaque"):
        client = lab.client(kind)
        token = lab.tokens(client=client, scope=OFFLINE)["refresh_token"]
        for _ in range(3):
            answer = lab.refresh(client, token)
            must(answer.status == 200, "a successor was refused", answer)
            token = answer.json()["refresh_token"]


def RT_07(lab):
    """a refresh token of another client, or with bad authentication, is refused and stays good"""
    web, op = lab.client("web"), lab.op
    tokens = lab.tokens(scope=OFFLINE)
    token = tokens["refresh_token"]
    for thief in ("other", "post", "spa", "third", "stranger", "password"):
        oauth_error(lab.refresh(lab.client(thief), token), 400, "invalid_grant")
    oauth_error(op.post(TOKEN, {"grant_type": "refresh_token", "refresh_token": token}, headers={"Authorization": basic(web["client_id"], wrong(web["client_secret"]))}), 401, "invalid_client")
    must(lab.active(web, tokens["access_token"]), "the thieves revoked the family")
    second = lab.refresh(web, token)
    must(second.status == 200, "the thieves consumed the token", second)
    # A predecessor in a stranger's hands is no replay either.
    oauth_error(lab.refresh(lab.client("other"), token), 400, "invalid_grant")
    lab.refresh(web, second.json()["refresh_token"])
    oauth_error(lab.refresh(lab.client("other"), token), 400, "invalid_grant")
    must(lab.active(web, second.json()["access_token"]), "a stranger's replay revoked the family")


def RT_08(lab):
    """a wider scope is refused and consumes nothing"""
    web = lab.client("web")
    token = lab.tokens(scope="openid api:read offline_access")["refresh_token"]
    for scope in ("openid api:read api:write", "api:write", "openid profile", "admin"):
        oauth_error(lab.refresh(web, token, scope=scope), 400, "invalid_scope")
    narrow = lab.refresh(web, token, scope="api:read")
    must(narrow.status == 200 and narrow.json()["scope"] == "api:read", "a narrower scope", narrow)
    whole = lab.refresh(web, narrow.json()["refresh_token"])
    must(set(whole.json()["scope"].split()) == {"openid", "api:read", "offline_access"}, "the next refresh has the scope of the grant", whole)


def RT_10(lab):
    """no refresh token outlives the absolute limit, however often it is used; an unused one dies sooner"""
    short = lab.instance("short")
    web, browser = lab.client("web", short), lab.signed_in(short)
    began = time.monotonic()
    used, unused = (lab.tokens(browser, scope=OFFLINE)["refresh_token"] for _ in range(2))
    refreshed = 0
    while True:
        time.sleep(1.2)
        age = time.monotonic() - began
        answer = lab.refresh(web, used, short)
        if answer.status != 200:
            break
        refreshed += 1
        used = answer.json()["refresh_token"]
        must(age < 8, f"refreshed {age:.1f} s after its grant; the limit is 7 s")
    oauth_error(answer, 400, "invalid_grant")
    must(refreshed >= 2, "it was refused before its time")
    oauth_error(lab.refresh(web, unused, short), 400, "invalid_grant")


def RT_11(lab):
    """a disabled person's tokens are dead, and stay so when the account is enabled again"""
    web, op = lab.client("web"), lab.op
    for scope in (OFFLINE, "openid"):
        browser = lab.signed_in()
        tokens = lab.tokens(browser, scope=scope)
        pending = lab.code(browser, web, scope=scope)
        op.cli("user", "disable", browser.email)
        for at in lab.replicas():
            lab.must_be_dead(web, tokens, "the person is disabled", at)
        oauth_error(pending.redeem(), 400, "invalid_grant")
        nobody(lab, browser, "a disabled person's session")
        op.cli("user", "enable", browser.email)
        lab.must_be_dead(web, tokens, "the person was disabled meanwhile")
        nobody(lab, browser, "the session from before")
    # Deleted, asked for another password, or cut off from the app.
    import ad

    _, owner = ad.somebody(lab, "owner")
    for why, method, end in (("deleted", "DELETE", ""), ("asked for another password", "POST", "/require-reset"), ("signed out everywhere", "POST", "/end-sessions")):
        for scope in (OFFLINE, "openid"):
            browser = lab.signed_in()
            tokens = lab.tokens(browser, scope=scope)
            pending = lab.code(browser, web, scope=scope)
            answer = ad.call(lab, method, "/v1/users/" + urllib.parse.quote(browser.email) + end, owner)
            must(answer.status in (200, 204), why, answer)
            for at in lab.replicas():
                lab.must_be_dead(web, tokens, f"the person is {why}", at)
            oauth_error(pending.redeem(), 400, "invalid_grant")
            nobody(lab, browser, f"a session of somebody {why}")
            answer = op.token(lab.client("password"), grant_type="password", username=browser.email, password=PASSWORD)
            if end != "/end-sessions":
                oauth_error(answer, 400, "invalid_grant")


def RT_13(lab):
    """what is taken from a client is in no later token of its; without offline_access nothing outlives the session"""
    op, browser = lab.op, lab.browser()

    def client():
        return lab.new_client(redirect_uri=CB, scope="openid profile api:read offline_access", first_party=True)

    def taken(one, left):
        op.cli("client", "update", one["client_id"], "--scope", left)
        time.sleep(0.8)

    for why, left in (("api:read", "openid profile offline_access"), ("profile", "openid api:read offline_access")):
        one = client()
        held, pending = lab.tokens(browser, one, scope=one["scope"]), lab.code(browser, one, scope=one["scope"])
        taken(one, left)
        for answer in (lab.refresh(one, held["refresh_token"]), pending.redeem()):
            must(answer.status == 200 and why not in answer.json()["scope"].split(), f"{why} after it was taken from the client", answer)
            must(why not in rig.jwt_claims(answer.json()["access_token"])["scope"].split(), f"{why} is in the token")
            # Asked for by name as well; and what was never granted is refused.
            again = lab.refresh(one, answer.json()["refresh_token"], scope=f"openid {why}")
            must(again.status == 200 and again.json()["scope"] == "openid", f"{why} asked for after it was taken", again)
            oauth_error(lab.refresh(one, again.json()["refresh_token"], scope=why), 400, "invalid_scope")
            oauth_error(lab.refresh(one, again.json()["refresh_token"], scope="openid phone"), 400, "invalid_scope")
    one, leaver = client(), lab.signed_in()
    held, other = lab.tokens(leaver, one, scope=one["scope"]), lab.tokens(leaver, one, scope="openid profile")
    taken(one, "openid profile api:read")
    for op_ in lab.replicas():
        oauth_error(lab.refresh(one, held["refresh_token"], op_), 400, "invalid_grant")
    must(lab.refresh(one, other["refresh_token"]).status == 200, "the refresh token that hangs from the session")
    leaver.sign_out(op.at(LOGOUT))
    oauth_error(lab.refresh(one, other["refresh_token"]), 400, "invalid_grant")
    # Never given, because nobody allowed it: no refresh token outlives the sign-out.
    leaver = lab.signed_in()
    tokens = lab.tokens(leaver, lab.client("third"), scope="openid offline_access")
    must("offline_access" not in tokens["scope"].split(), "offline_access without prompt=consent", tokens["scope"])
    leaver.sign_out(op.at(LOGOUT))
    lab.must_be_dead(lab.client("third"), tokens, "signed out")


def RT_17(lab):
    """a refresh token opens nothing, an access token refreshes nothing"""
    web, op = lab.client("web"), lab.op
    tokens = lab.tokens(scope=OFFLINE)
    answer = op.userinfo(tokens["refresh_token"])
    must(answer.status == 401 and 'error="invalid_token"' in (answer.header("www-authenticate") or ""), "userinfo with a refresh token", answer)
    for value in (tokens["access_token"], tokens["id_token"]):
        oauth_error(lab.refresh(web, value), 400, "invalid_grant")
    opaque = lab.tokens(client=lab.client("opaque"), scope=OFFLINE)
    oauth_error(lab.refresh(lab.client("opaque"), opaque["access_token"]), 400, "invalid_grant")
    must(op.userinfo(opaque["refresh_token"]).status == 401, "userinfo with a refresh token of an opaque client")
    must(lab.refresh(web, tokens["refresh_token"]).status == 200, "the refresh token was touched")


def RT_19(lab):
    """revocation beside a refresh: afterwards nothing of the family lives"""
    web, at = lab.client("web"), lab.replicas()
    for n in range(ROUNDS):
        tokens = lab.tokens(scope=OFFLINE)
        first, last = at[n % len(at)], at[(n + 1) % len(at)]
        revoke = as_client(first, web, REVOKE, {"token": tokens["refresh_token"]})
        refresh = as_client(last, web, TOKEN, {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
        revoked, refreshed = lab.volley.fire([revoke, refresh] if n % 2 else [refresh, revoke])[:: 1 if n % 2 else -1]
        must(revoked.status == 200, "the revocation", revoked)
        if refreshed.status == 200:
            tokens = {**tokens, "next": refreshed.json()}
        else:
            oauth_error(refreshed, 400, "invalid_grant")
        for family in (tokens, tokens.get("next")):
            if family:
                must(not lab.active(web, family["access_token"], last), "an access token outlived the revocation")
                must(not lab.active(web, family["refresh_token"], first), "a refresh token outlived the revocation")
                oauth_error(lab.refresh(web, family["refresh_token"], last), 400, "invalid_grant")
    # Beside what revokes without being asked to: the code again, a token of two generations ago, the person's own sign-out.
    for n in range(max(2, ROUNDS // 8)):
        def beside(token, shot):
            refreshes = [as_client(at[i % len(at)], web, TOKEN, {"grant_type": "refresh_token", "refresh_token": token}) for i in range(5)]
            return lab.volley.fire([shot, *refreshes] if n % 2 else [*refreshes, shot])

        def refreshes(answers):
            return answers[1:] if n % 2 else answers[:-1]

        code = lab.code(lab.browser(), web, scope=OFFLINE)
        answers = beside(code.redeem().json()["refresh_token"], code.shot(at[-1]))
        oauth_error(answers[0] if n % 2 else answers[-1], 400, "invalid_grant")
        _nothing_lives(lab, web, refreshes(answers), "the code was replayed")
        first = lab.tokens(scope=OFFLINE)["refresh_token"]
        current = lab.refresh(web, lab.refresh(web, first).json()["refresh_token"]).json()["refresh_token"]
        answers = beside(current, as_client(at[-1], web, TOKEN, {"grant_type": "refresh_token", "refresh_token": first}))
        oauth_error(answers[0] if n % 2 else answers[-1], 400, "invalid_grant")
        _nothing_lives(lab, web, refreshes(answers), "an old token was replayed")
        browser = lab.signed_in()
        token = lab.tokens(browser, scope="openid")["refresh_token"]
        page = browser.get(lab.op.at(LOGOUT))
        target, fields = hidden(page, "sign-out-submit")
        out = Shot(at[-1], "POST", target, fields, {"Cookie": browser.cookie_header(LOGOUT), "Origin": browser.origin, "Sec-Fetch-Site": "same-origin"})
        _nothing_lives(lab, web, refreshes(beside(token, out)), "the person signed out")
        nobody(lab, browser, "the sign-out beside refreshes")


def _nothing_lives(lab, client, answers, why):
    """Whatever a refresh gave beside that: it is dead."""
    for answer in answers:
        if answer.status == 200:
            for op in lab.replicas():
                must(not lab.active(client, answer.json()["access_token"], op), f"{why}: an access token lives")
            oauth_error(lab.refresh(client, answer.json()["refresh_token"]), 400, "invalid_grant")
        else:
            oauth_error(answer, 400, "invalid_grant")


def RT_20(lab):
    """disabling a person beside refreshes: a second later nothing lives"""
    web, op = lab.client("web"), lab.op
    for _ in range(max(2, ROUNDS // 8)):
        browser = lab.signed_in()
        family = [lab.tokens(browser, scope=OFFLINE) for _ in range(4)]
        stop, seen = threading.Event(), []

        def refresh(tokens):
            token = tokens["refresh_token"]
            while not stop.is_set():
                answer = lab.refresh(web, token, lab.replicas()[-1])
                if answer.status != 200:
                    oauth_error(answer, 400, "invalid_grant")
                    return
                seen.append(answer.json())
                token = answer.json()["refresh_token"]

        threads = [threading.Thread(target=refresh, args=(tokens,), daemon=True) for tokens in family]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        op.cli("user", "disable", browser.email)
        time.sleep(1.0)
        stop.set()
        for thread in threads:
            thread.join()
        must(seen, "the refreshes ran beside it")
        for tokens in [*family, *seen]:
            for at in lab.replicas():
                must(not lab.active(web, tokens["access_token"], at), "an access token lives a second after its person was disabled")
            oauth_error(lab.refresh(web, tokens["refresh_token"]), 400, "invalid_grant")
