"""ST: the stores. One-time secrets in parallel, mixed load, and attackers inside a store."""

from lab import *


def ST_01(lab):
    """every one-time secret, sixteen at once, on each replica: exactly one succeeds"""
    op, at = lab.op, lab.replicas()
    web, browser = lab.client("web"), lab.browser()
    third = lab.client("third")
    rounds = max(4, ROUNDS // 2)

    def volley(shots):
        return lab.volley.fire(shots)

    def crossed(make):
        return [make(at[i % len(at)]) for i in range(WORKERS)]

    # Codes are CO-03's and CO-04's, refresh tokens RT-02's; here with other methods of client authentication.
    for kind in ("post", "spa"):
        client = lab.client(kind)
        for _ in range(rounds):
            code = lab.code(browser, client)
            statuses = sorted(answer.status for answer in volley(crossed(code.shot)))
            must(statuses == [200] + [400] * (WORKERS - 1), f"a code of {kind}", statuses)
    # A flow's last step: one code.
    person = lab.signed_in()
    for _ in range(rounds):
        page = consent_page(person.get(lab.request(third, prompt="consent")))
        resume = person.submit(page, "consent-allow", follow=False).location
        must(person.at_home(resume), "the consent form leads back to the dispatcher", resume)
        answers = volley(crossed(lambda replica: Shot(replica, "GET", resume, headers={"Cookie": person.cookie_header("/")})))
        codes = [query(answer.location)["code"] for answer in answers if answer.location and answer.location.startswith(CB) and "code" in query(answer.location)]
        must(len(codes) == 1, f"{len(codes)} codes from one flow", [answer.status for answer in answers])
        for answer in answers:
            if answer.status not in (302, 303):
                error_page(answer)
    # The consent form itself, pressed sixteen times; then every way back is followed.
    for _ in range(rounds):
        page = consent_page(person.get(lab.request(third, prompt="consent")))
        target, fields = hidden(page, "consent-allow")
        headers = {"Cookie": person.cookie_header("/"), "Origin": person.origin, "Sec-Fetch-Site": "same-origin"}
        answers = volley(crossed(lambda replica: Shot(replica, "POST", target, fields, headers)))
        must(all(answer.status in (302, 303, 400) for answer in answers), "the consent form", [answer.status for answer in answers])
        codes = 0
        for answer in answers:
            if answer.status in (302, 303):
                codes += person.callback(person.follow(answer)) is not None
        must(codes == 1, f"{codes} codes from one consent form")
    # Deny is final too.
    for _ in range(rounds):
        page = consent_page(person.get(lab.request(third, prompt="consent")))
        resume = person.submit(page, "consent-deny", follow=False).location
        if not person.at_home(resume):
            break
        answers = volley(crossed(lambda replica: Shot(replica, "GET", resume, headers={"Cookie": person.cookie_header("/")})))
        told = [answer for answer in answers if answer.location and answer.location.startswith(CB)]
        must(len(told) == 1 and query(told[0].location)["error"] == "access_denied", "one answer for a refusal", [answer.status for answer in answers])
    # The set-up link makes one owner.
    with Portero(lab.store) as fresh:
        printed = fresh.run("admin", "setup-link")
        link = re.search(r"http\S+/setup\?token=[A-Za-z0-9._-]+", printed.stdout + printed.stderr)
        must(link, "admin setup-link prints the link", printed.stdout)
        WATCH.issued.add(query(link.group(0))["token"])
        setup = Browser(fresh)
        page = setup.get(link.group(0))
        target, fields = hidden(page, "setup-submit")
        headers = {"Cookie": setup.cookie_header("/"), "Origin": setup.origin, "Sec-Fetch-Site": "same-origin"}
        with WATCH.slow_wanted():
            shots = [Shot(fresh, "POST", target, {**fields, "email": f"owner{i}@example.org", "username": f"owner{i}", "name": "Owner", "password": PASSWORD}, headers) for i in range(WORKERS)]
            answers = volley(shots)
        # 503: there are places to hash for fewer than sixteen at once.
        statuses = sorted(answer.status for answer in answers)
        must(len([status for status in statuses if status in (302, 303)]) == 1, "owners from one set-up link", statuses)
        owners = fresh.cli("user", "list")
        must(len([user for user in owners if "owner" in user.get("roles", [])]) == 1, "owners in the store", len(owners))
        must(Browser(fresh).get(link.group(0)).status == 404, "the link after its use")
    # What comes by mail is RG-08's (confirmations), PR-03's (resets), RG-12's (invitations); here another address, by link and code at once.
    import ad
    import rg

    for _ in range(max(2, rounds // 4)):
        mover, wanted = lab.signed_in(), rg.new_address(lab)
        asked = rg.fill(mover, "/account/email", "change-email-submit", email=wanted, current=PASSWORD)
        must(asked.status == 303, "asked for", asked)
        token = rg.token_in(rg.mail_to(lab, wanted, "/account/email"))
        shots = [_json_shot(replica, "/v1/registration/confirm-email-change", {"token": token}) for replica in (at * WORKERS)[:WORKERS]]
        statuses = sorted(answer.status for answer in volley(shots))
        must(statuses == [204] + [400] * (WORKERS - 1), "a change of address", statuses)
        undo = rg.token_in(rg.mail_to(lab, mover.email, "/account/email/undo"))
        shots = [_json_shot(replica, "/v1/registration/undo-email-change", {"token": undo}) for replica in (at * WORKERS)[:WORKERS]]
        statuses = sorted(answer.status for answer in volley(shots))
        must(statuses == [204] + [400] * (WORKERS - 1), "the way back", statuses)
    # One-time tokens, by whoever the audience allows.
    _, mine = ad.somebody(lab)
    for _ in range(rounds):
        made = ad.call(lab, "POST", "/v1/one-time-tokens", mine, {"purpose": "p", "ttl": 60, "data": {"n": 1}})
        must(made.status == 201, "a one-time token", made)
        token = made.json()["token"]
        WATCH.issued.add(token)
        shots = [_json_shot(replica, "/v1/one-time-tokens/consume", {"token": token, "purpose": "p"}, mine) for replica in (at * WORKERS)[:WORKERS]]
        answers = volley(shots)
        statuses = sorted(answer.status for answer in answers)
        must(statuses == [200] + [404] * (WORKERS - 1), "a one-time token", statuses)
        must({answer.json()["code"] for answer in answers if answer.status == 404} == {"one_time_token_invalid"}, "one answer for the others")
    # One made by one key, whatever is sent beside it.
    for _ in range(max(2, rounds // 4)):
        _, owner = ad.somebody(lab, "owner")
        slug, key = f"o{secrets.token_hex(5)}", secrets.token_hex(12)
        shots = [_json_shot(replica, "/v1/organizations", {"slug": slug, "name": slug}, owner, {"Idempotency-Key": key}) for replica in (at * WORKERS)[:WORKERS]]
        statuses = sorted(answer.status for answer in volley(shots))
        must(set(statuses) <= {201, 409} and 201 in statuses, "one organisation by one Idempotency-Key", statuses)
        must(int(lab.sql(f"SELECT count(*) FROM organizations WHERE slug = '{slug}'")[0][0]) == 1, "one row")


def _json_shot(at, path: str, body, token=None, headers=None) -> Shot:
    shot = Shot(at, "POST", path)
    sent = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", f"Host: {urllib.parse.urlsplit(at.issuer).netloc}", "Content-Type: application/json", f"Content-Length: {len(sent)}"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    shot.raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + sent
    return shot


def ST_02(lab):
    """sixteen first sign-ins and consents of one person at once: one consent, no fault"""
    at, op = lab.replicas(), lab.op
    for _ in range(max(1, ROUNDS // 12)):
        email, client = lab.person(), lab.new_client(**CLIENTS["third"])
        browsers = [Browser(op) for _ in range(WORKERS)]
        pages = [sign_in_page(browser.get(lab.request(client))) for browser in browsers]

        def post(browser, page, button, values, replica):
            target, fields = hidden(page, button)
            return Shot(replica, "POST", target, {**fields, **values}, {"Cookie": browser.cookie_header("/"), "Origin": browser.origin, "Sec-Fetch-Site": "same-origin"})

        with WATCH.faults_wanted(), WATCH.slow_wanted():
            answers = lab.volley.fire([post(b, p, "sign-in-submit", {"username": email, "password": PASSWORD}, at[i % len(at)]) for i, (b, p) in enumerate(zip(browsers, pages))])
            must(all(answer.status in (302, 303, 503) for answer in answers), "sixteen sign-ins at once", [answer.status for answer in answers])
            waiting = []
            for browser, page, answer in zip(browsers, pages, answers):
                for line in answer.header_all("set-cookie"):
                    browser._keep(line, "/")
                if answer.status == 503:
                    answer = browser.sign_in(page, email, PASSWORD, follow=False)
                waiting.append(consent_page(browser.follow(answer)))
        answers = lab.volley.fire([post(b, p, "consent-allow", {}, at[i % len(at)]) for i, (b, p) in enumerate(zip(browsers, waiting))])
        must(all(answer.status in (302, 303) for answer in answers), "sixteen consents at once", [answer.status for answer in answers])
        for browser, answer in zip(browsers, answers):
            must("code" in browser.callback(browser.follow(answer)).params, "each browser gets its own code")
        rows = lab.sql(f"SELECT scope FROM consents WHERE client_id = '{client['client_id']}'")
        must(len(rows) == 1, f"{len(rows)} rows of one consent", rows)


def ST_05(lab):
    """fifty workers refresh, revoke and introspect one family: no deadlock, no fault, every answer in time"""
    op, at, web = lab.op, lab.replicas(), lab.client("web")
    tokens = lab.tokens(scope="openid offline_access")
    family = {"refresh": [tokens["refresh_token"]], "access": [tokens["access_token"]]}
    end = time.monotonic() + LOAD_SECONDS
    trouble, counts = [], {"refresh": 0, "introspect": 0, "userinfo": 0, "revoke": 0}

    def work(n):
        replica, n_turn = at[n % len(at)], 0
        while time.monotonic() < end and not trouble:
            n_turn += 1
            try:
                if n % 5 == 0 and n_turn % 40 == 5:
                    answer, what = replica.revoke(web, family["access"][-1]), "revoke"
                    must(answer.status == 200, "revoke", answer)
                elif n % 3 == 0:
                    answer, what = lab.refresh(web, family["refresh"][-1], replica), "refresh"
                    if answer.status == 200:
                        family["access"].append(answer.json()["access_token"])
                        family["refresh"].append(answer.json()["refresh_token"])
                    else:
                        # The worker may have been overtaken by two generations: then it is a replay, and the family is dead for all.
                        oauth_error(answer, 400, "invalid_grant")
                        fresh = lab.tokens(scope="openid offline_access")
                        family["access"].append(fresh["access_token"])
                        family["refresh"].append(fresh["refresh_token"])
                elif n % 3 == 1:
                    answer, what = replica.introspect(web, family["access"][-1]), "introspect"
                    must(answer.status == 200, "introspect", answer)
                else:
                    answer, what = replica.userinfo(family["access"][-1]), "userinfo"
                    must(answer.status in (200, 401), "userinfo", answer)
                counts[what] += 1
            except Exception as error:
                trouble.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(50)]
    slow = WATCH.slow_wanted() if os.environ.get("ATTACK_DEADLINE") else contextlib.nullcontext()
    with slow:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LOAD_SECONDS + 30)
    must(not any(thread.is_alive() for thread in threads), "a worker hangs")
    must(not trouble, "under load", trouble[:1])
    must(all(counts.values()) or LOAD_SECONDS < 5, "all kinds of requests ran", counts)


def _with_stopped(lab, op, change):
    """Changes the database while the server is down, as an attacker with a copy of its disk would, and starts it again."""
    op.stop(keep=True)
    change()
    op.start()


def ST_07(lab):
    """what is sealed or digested in one row is worth nothing in another"""
    with Portero(lab.store) as op:
        one, two = (lab.new_client(op, **CLIENTS["machine"]) for _ in range(2))
        rows = {row[0]: row[1] for row in lab.sql("SELECT client_id, secrets FROM clients", op)}
        a, b = one["client_id"], two["client_id"]
        must(rows[a] != rows[b], "two clients with one digest")
        _with_stopped(lab, op, lambda: [lab.sql(f"UPDATE clients SET secrets = '{rows[b]}' WHERE client_id = '{a}'", op), lab.sql(f"UPDATE clients SET secrets = '{rows[a]}' WHERE client_id = '{b}'", op)])
        for identifier, secret in ((a, two["client_secret"]), (b, one["client_secret"]), (a, one["client_secret"])):
            answer = op.post(TOKEN, {"grant_type": "client_credentials"}, headers={"Authorization": basic(identifier, secret)})
            oauth_error(answer, 401, "invalid_client")
        _with_stopped(lab, op, lambda: [lab.sql(f"UPDATE clients SET secrets = '{rows[client]}' WHERE client_id = '{client}'", op) for client in (a, b)])
        must(op.token(one, grant_type="client_credentials").status == 200, "the digest in its own row")
        # The digests of two people's session cookies, exchanged: neither cookie opens the session of the other.
        ana, ben = lab.signed_in(op), lab.signed_in(op)
        sessions = lab.sql("SELECT id, digest FROM sessions WHERE ended_at IS NULL ORDER BY id", op)
        must(len(sessions) == 2, "two sessions", len(sessions))
        (first, x), (second, y) = sessions
        subs = [somebody(lab, browser, "signed in")["sub"] for browser in (ana, ben)]
        for row, digest in ((first, "none"), (second, x), (first, y)):
            lab.sql(f"UPDATE sessions SET digest = '{digest}' WHERE id = '{row}'", op)
        for browser, sub in zip((ana, ben), subs):
            params = answer_params(browser.request("GET", lab.request(lab.client("web", op), op, prompt="none")))
            must("code" not in params or somebody(lab, browser, "signed in")["sub"] == sub, "a cookie of one person opens the session of another")
    # Signing keys: sealed for their own row. A server that cannot open one says so and does not sign with another's.
    op = Portero(lab.store)
    try:
        op.cli("keys", "rotate")
        keys = lab.sql("SELECT kid, alg, sealed FROM signing_keys", op)
        must(len(keys) >= 2, "two keys at least", len(keys))
        op.stop(keep=True)
        (one, _, sealed_one), (two, _, sealed_two) = keys[0], keys[1]
        lab.sql(f"UPDATE signing_keys SET sealed = '{sealed_two}' WHERE kid = '{one}'", op)
        lab.sql(f"UPDATE signing_keys SET sealed = '{sealed_one}' WHERE kid = '{two}'", op)
        op._wait = 0
        op.start()
        end = time.monotonic() + 15
        published = None
        while time.monotonic() < end and op.process.poll() is None and published is None:
            with contextlib.suppress(OSError):
                published = fetch_quietly("GET", op.at(rig.JWKS), connect=op.port)
            time.sleep(0.1)
        if published is not None and published.status == 200:
            kids = {key["kid"] for key in published.json()["keys"]}
            must(not {one, two} & kids, "a key opens in a row that it was not sealed for", kids)
        must(re.search(r"(?i)seal|master|key|cannot|open", op.log()[-4000:]), "the log says why")
    finally:
        op.stop(check=False)


def ST_08(lab):
    """whoever can write to Redis can make a flow start again, and no more"""
    if lab.store == "embedded":
        raise Skipped("the embedded store has no Redis")
    op, web, third = lab.op, lab.client("web"), lab.client("third")

    def keys(before=()):
        return [key for key in lab.redis("KEYS", "*") if key not in before]

    def made(make):
        """What `make` returns, and the keys that appeared."""
        before = set(keys())
        value = make()
        return value, keys(before)

    attacker, victim = lab.signed_in(), lab.signed_in()
    victim_sub = somebody(lab, victim, "signed in")["sub"]

    def fresh(browser):
        return made(lambda: lab.code(browser, web))

    # Copying a value under another key: the victim's code under the name of the attacker's.
    (mine, my_keys), (theirs, their_keys) = fresh(attacker), fresh(victim)
    must(len(my_keys) == 1 and len(their_keys) == 1, "a code is one key", (len(my_keys), len(their_keys)))
    must(lab.redis("COPY", their_keys[0], my_keys[0], "REPLACE") == 1, "copied")
    answer = mine.redeem(code_verifier=theirs.verifier)
    must(answer.status != 200, "a code's value was accepted under another code's name", answer)
    must(mine.redeem().status != 200, "a code whose value was replaced", answer)
    must(theirs.redeem().status == 200, "the victim's own code")
    # Renaming.
    (mine, my_keys), (theirs, their_keys) = fresh(attacker), fresh(victim)
    lab.redis("RENAME", their_keys[0], my_keys[0])
    must(mine.redeem(code_verifier=theirs.verifier).status == 400 and theirs.redeem().status == 400, "a renamed code")
    # Every byte counts, and nothing can be made up.
    for forged in ("", "{}", "null", "\0" * 80, '{"user_id":"usr_x"}'):
        (code, [key]) = fresh(attacker)
        lab.redis("SET", key, forged, "KEEPTTL")
        must(code.redeem().status == 400, f"a value {forged[:10]!r} was accepted")
    (code, [key]) = fresh(attacker)
    for place in (0, 8, 20, 40):
        lab.redis("SETRANGE", key, str(place), "X")
    oauth_error(code.redeem(), 400, "invalid_grant")
    # Deleting, and putting back what was there before: a redeemed code stays redeemed.
    before = set(keys())
    code = lab.code(attacker, web)
    [key] = keys(before)
    saved = _dump(lab, key)
    first = code.redeem()
    must(first.status == 200, "the first redemption", first)
    lab.redis("DEL", key)
    _restore(lab, key, saved)
    oauth_error(code.redeem(), 400, "invalid_grant")
    lab.must_be_dead(web, first.json(), "a code that was put back and redeemed again")
    code = lab.code(attacker, web)
    first = code.redeem().json()
    lab.redis("FLUSHDB")
    oauth_error(code.redeem(), 400, "invalid_grant")
    lab.must_be_dead(web, first, "a code replayed after Redis was emptied")
    # Durable facts are not in Redis: tokens, sessions, revocations survive its loss, revoked things stay dead.
    tokens = lab.tokens(victim, scope="openid offline_access")
    gone = lab.tokens(victim, scope="openid offline_access")
    op.revoke(web, gone["refresh_token"])
    second = lab.refresh(web, tokens["refresh_token"])
    lab.redis("FLUSHDB")
    lab.must_be_dead(web, gone, "revoked before Redis was emptied")
    must(lab.refresh(web, second.json()["refresh_token"]).status == 200, "a refresh token after Redis was emptied")
    must(somebody(lab, victim, "the session after Redis was emptied")["sub"] == victim_sub, "the session")
    # Flows: one person's flow under the name of another's, both ways.
    for giver, taker in ((victim, attacker), (attacker, victim)):
        given, given_keys = made(lambda: consent_page(giver.get(lab.request(third, prompt="consent"))))  # noqa: B023
        page, taken_keys = made(lambda: consent_page(taker.get(lab.request(third, prompt="consent"))))  # noqa: B023
        must(len(given_keys) == len(taken_keys) == 1, "a flow is one key", (given_keys, taken_keys))
        lab.redis("COPY", given_keys[0], taken_keys[0], "REPLACE")
        done = taker.callback(taker.submit(page, "consent-allow"))
        must(done is None, "a flow under another's name went on", done)
        must("code" in giver.callback(giver.submit(given, "consent-allow")).params, "the flow that was copied")
        for forged in ("", "{}", "\0" * 100):
            page, [key] = made(lambda: consent_page(taker.get(lab.request(third, prompt="consent"))))  # noqa: B023
            lab.redis("SET", key, forged, "KEEPTTL")
            must(taker.callback(taker.submit(page, "consent-allow")) is None, "a forged flow went on")
    # Counters: deleting them is what such an attacker can do; the account's own count is in SQL.
    limited = lab.instance("limited")
    import bf

    door = bf.Door(lab, limited)
    person = lab.person(limited)
    bf.lock(lab, limited, door, person)
    lab.redis("FLUSHDB", op=limited)
    door = bf.Door(lab, limited)
    must(bf.outcome(door.knock(person, PASSWORD, bf.fresh_address())) == "limited", "emptying Redis lifted an account's lock")


def _dump(lab, key):
    """DUMP and RESTORE are binary: redis-cli hands the value from one to the other."""
    return subprocess.run(["redis-cli", "-u", lab.op.environment["PORTERO_REDIS_URL"], "--no-auth-warning", "--raw", "DUMP", key], capture_output=True, timeout=30).stdout[:-1]


def _restore(lab, key, value):
    done = subprocess.run(["redis-cli", "-u", lab.op.environment["PORTERO_REDIS_URL"], "--no-auth-warning", "-x", "RESTORE", key, "600000"], input=value, capture_output=True, timeout=30)
    must(done.stdout.strip() == b"OK", "restored", done.stdout)


def ST_06(lab):
    """somebody is deleted while a flow, a code, a reset and requests of theirs are open"""
    import ad
    import pr
    from rg import signs_in

    op, web, third = lab.op, lab.client("web"), lab.client("third")
    _, owner = ad.somebody(lab, "owner")
    for round_ in range(max(2, ROUNDS // 8)):
        browser = lab.signed_in()
        email, path = browser.email, "/v1/users/" + urllib.parse.quote(browser.email)
        who = lab.sql(f"SELECT id FROM users WHERE email_canonical = '{email}'")[0][0]
        tokens, code = lab.tokens(browser, web, scope="openid offline_access", prompt="consent"), lab.code(browser, web)
        mine, token = ad.token_of(lab, email)["access_token"], pr.link_for(lab, email)
        consent, signing = consent_page(browser.get(lab.request(third))), sign_in_page(Browser(op).get(lab.request(third)))
        reset = Browser(op)
        reset_target, reset_fields = hidden(reset.request("GET", f"{pr.RESET}?token={token}"), "reset-submit")
        target, fields = hidden(consent, "consent-allow")
        headers = {"Cookie": browser.cookie_header("/"), "Origin": browser.origin, "Sec-Fetch-Site": "same-origin"}
        at = lab.replicas()
        # Beside all of it: each is answered, by success or by its own refusal.
        gone = Shot(at[0], "DELETE", path, headers={"Authorization": f"Bearer {owner}"})
        beside = [
            Shot(at[-1], "POST", target, fields, headers),
            as_client(at[-1], web, TOKEN, {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}),
            code.shot(at[0]),
            Shot(at[-1], "POST", reset_target, {**reset_fields, "password": pr.NEW}, {"Cookie": reset.cookie_header("/"), "Origin": reset.origin, "Sec-Fetch-Site": "same-origin"}),
            as_client(at[0], lab.client("password"), TOKEN, {"grant_type": "password", "username": email, "password": PASSWORD}),
            _json_shot(at[-1], "/v1/one-time-tokens", {"purpose": "p"}, mine),
            _json_shot(at[0], "/v1/me/password", {"current_password": PASSWORD, "new_password": pr.NEW}, mine),
        ]
        with WATCH.slow_wanted():
            answers = lab.volley.fire([gone, *beside] if round_ % 2 else [*beside, gone])
        deleted, *others = answers if round_ % 2 else [answers[-1], *answers[:-1]]
        # Whoever proved the present password and then was gone is told that the account changed meanwhile: 409, of that one request alone.
        *others, password = others
        own = all(answer.status in (200, 201, 204, 303, 400, 401, 403, 404) for answer in others) and password.status in (204, 400, 401, 403, 404, 409)
        must(deleted.status == 204 and own, "each ends in its own way", [answer.status for answer in answers])
        must(ad.call(lab, "GET", path, owner).status == 404, "deleted")
        # And afterwards.
        for replica in at:
            lab.must_be_dead(web, tokens, "a deleted person", replica)
        oauth_error(code.redeem(), 400, "invalid_grant")
        nobody(lab, browser, "the session of somebody who is gone")
        must(reset.request("POST", reset_target, form={**reset_fields, "password": pr.NEW}).status == 400, "the reset")
        must(ad.call(lab, "GET", "/v1/me", mine).status == 401 and not signs_in(lab, email, PASSWORD) and not signs_in(lab, email, pr.NEW), "nothing opens")
        for table in ("sessions", "grants", "consents", "external_ids", "organization_members"):
            must(int(lab.sql(f"SELECT count(*) FROM {table} WHERE user_id = '{who}'")[0][0]) == 0, f"{table} of somebody who is gone")
        WATCH.typed.add(pr.NEW)
