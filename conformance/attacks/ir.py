"""IR: introspection and revocation."""

from lab import *

INACTIVE = b'{"active":false}'


def IR_01(lab):
    """introspection needs a confidential client that authenticates"""
    op, web = lab.op, lab.client("web")
    token = lab.tokens()["access_token"]
    form = {"token": token}
    oauth_error(op.post(INTROSPECT, form), 401, "invalid_client")
    oauth_error(op.post(INTROSPECT, form, headers={"Authorization": basic(web["client_id"], wrong(web["client_secret"]))}), 401, "invalid_client")
    oauth_error(op.post(INTROSPECT, form, headers={"Authorization": basic("unknown", "secret")}), 401, "invalid_client")
    oauth_error(op.post(INTROSPECT, {**form, "client_id": web["client_id"]}), 401, "invalid_client")
    oauth_error(op.post(INTROSPECT, form, headers={"Authorization": f"Bearer {token}"}), 401, "invalid_client")
    for public in ("spa", "stranger", "native"):
        oauth_error(op.introspect(lab.client(public), token), 401, "invalid_client")
    for method in ("GET", "PUT", "DELETE"):
        answer = fetch(method, op.at(INTROSPECT) + f"?token={token}", headers={"Authorization": basic(web["client_id"], web["client_secret"])}, connect=op.port)
        must(answer.status == 405 and "POST" in (answer.header("allow") or ""), f"{method}", answer)
    must(lab.active(web, token), "the honest question")


def IR_02(lab):
    """one answer, to the byte, for every token that is not active"""
    op, web, rs = lab.op, lab.client("web"), lab.client("rs")
    short = lab.instance("short")
    revoked = lab.tokens(scope="openid offline_access")
    op.revoke(web, revoked["refresh_token"])
    other_issuer = lab.tokens(lab.signed_in(short), lab.client("web", short))["access_token"]
    live = lab.tokens()["access_token"]
    kinds = {
        "unknown": secrets.token_urlsafe(40), "malformed": "x", "odd": "\" ' < \\ é", "revoked": revoked["access_token"], "revoked refresh": revoked["refresh_token"],
        "another issuer's": other_issuer, "an ID token": revoked["id_token"], "tampered": rig.tampered(live), "jwt-like": "a.b.c",
    }  # fmt: skip
    answers = {}
    for name, token in kinds.items():
        for hint in ({}, {"token_type_hint": "refresh_token"}, {"token_type_hint": "access_token"}, {"token_type_hint": "bogus"}):
            answer = op.introspect(web, token, **hint)
            must(answer.status == 200 and answer.body == INACTIVE, f"{name}", answer)
            answers[name] = sorted((k.lower(), v) for k, v in answer.headers if k.lower() not in ("date", "x-request-id"))
    must(len({str(headers) for headers in answers.values()}) == 1, "the headers differ", answers)
    must(op.introspect(rs, live).body == INACTIVE, "a token that is none of the asker's business")
    # Whoever asks learns nothing from the time either: a revoked token and an unknown one.
    samples = {name: [] for name in ("unknown", "revoked", "tampered")}
    for _ in range(SAMPLES):
        for name, list_ in samples.items():
            began = time.perf_counter()
            op.introspect(web, kinds[name])
            list_.append(time.perf_counter() - began)
    medians = {name: spread(list_) * 1000 for name, list_ in samples.items()}
    must(max(medians.values()) - min(medians.values()) < 10, "the times differ by more than 10 ms", medians)


def IR_03(lab):
    """a client that a token is not for learns nothing of it"""
    op, rs = lab.op, lab.client("rs")
    elsewhere = lab.new_client(grant_type=["client_credentials"], scope="api:read", audience=["https://elsewhere.example"])
    plain, meant = lab.tokens(scope="openid api:read"), lab.tokens(scope="openid api:read", resource=API)
    opaque = lab.tokens(client=lab.client("opaque"), scope="openid api:read", resource=API)
    for tokens in (meant, opaque):
        answer = op.introspect(rs, tokens["access_token"]).json()
        must(answer["active"] and answer["aud"] in (API, [API]), "the resource server it is for", answer)
    for name, client in (("another app", lab.client("other")), ("another API", elsewhere), ("an app of another method", lab.client("post"))):
        for tokens in (plain, meant, opaque):
            must(op.introspect(client, tokens["access_token"]).body == INACTIVE, f"{name} learns of a token")
    must(op.introspect(rs, plain["access_token"]).body == INACTIVE, "the API learns of a token that is not for it")
    refresh = lab.tokens(scope="openid offline_access", resource=API)["refresh_token"]
    must(op.introspect(rs, refresh).body == INACTIVE, "the API learns of a refresh token")
    must(op.introspect(lab.client("other"), refresh).body == INACTIVE, "another app learns of a refresh token")


def IR_04(lab):
    """a token dies with its person, its client and its session, within a second, on every replica"""
    op, web, rs = lab.op, lab.client("web"), lab.client("rs")

    def dead(tokens, asker, why):
        time.sleep(1.0)
        for at in lab.replicas():
            must(at.introspect(asker, tokens["access_token"]).body == INACTIVE, f"{why}: introspection")
            if asker is web:
                must(at.userinfo(tokens["access_token"]).status == 401, f"{why}: userinfo")

    browser = lab.signed_in()
    tokens = lab.tokens(browser)
    op.cli("user", "disable", browser.email)
    dead(tokens, web, "the person is disabled")
    op.cli("user", "enable", browser.email)
    dead(tokens, web, "the person was disabled meanwhile")

    browser = lab.signed_in()
    tokens, kept = lab.tokens(browser), lab.tokens(browser, scope="openid offline_access")
    browser.sign_out(op.at(LOGOUT))
    dead(tokens, web, "the session is over")
    oauth_error(lab.refresh(web, tokens["refresh_token"]), 400, "invalid_grant")
    must(lab.refresh(web, kept["refresh_token"]).status == 200, "offline access lives on after the sign-out")

    import ad

    browser, third = lab.signed_in(), lab.client("third")
    tokens = lab.tokens(browser, third, scope="openid offline_access", prompt="consent")
    must(lab.active(third, tokens["access_token"]), "the token of an app that the person allowed")
    mine = ad.token_of(lab, browser.email)["access_token"]
    must(ad.call(lab, "DELETE", f"/v1/me/consents/{third['client_id']}", mine).status == 204, "the person withdraws it")
    dead(tokens, third, "the consent is withdrawn")
    oauth_error(lab.refresh(third, tokens["refresh_token"]), 400, "invalid_grant")
    consent_page(browser.get(lab.request(third)))
    must(ad.call(lab, "GET", "/v1/me", mine).status == 200, "the other apps go on")

    client = lab.new_client(**CLIENTS["web"])
    tokens = lab.tokens(lab.signed_in(), client, resource=API)
    must(lab.active(rs, tokens["access_token"]), "the token of a client that is there")
    op.cli("client", "delete", client["client_id"])
    dead(tokens, rs, "the client is gone")

    browser = lab.signed_in()
    tokens = lab.tokens(browser, scope="openid offline_access")
    op.cli("user", "set-password", browser.email, "--password-stdin", stdin="another long passphrase\n")
    WATCH.typed.add("another long passphrase")
    dead(tokens, web, "the password was set anew")
    nobody(lab, browser, "the session from before the new password")


def IR_06(lab):
    """revoking what is no token, or twice, is 200 and empty"""
    op, web = lab.op, lab.client("web")
    tokens = lab.tokens(scope="openid offline_access")
    for token in ("unknown", secrets.token_urlsafe(43), "a.b.c", "é\"'", tokens["refresh_token"], tokens["refresh_token"], tokens["access_token"], tokens["access_token"], "x" * 60_000):
        for hint in ({}, {"token_type_hint": "access_token"}, {"token_type_hint": "bogus"}):
            answer = op.revoke(web, token, **hint)
            must(answer.status == 200 and answer.body == b"", "200 and empty", answer)
    oauth_error(op.as_client(web, REVOKE, {}), 400, "invalid_request")


def IR_07(lab):
    """revoking a refresh token kills what hangs from it; revoking an access token kills at least that"""
    op = lab.op
    for kind in ("web", "post", "spa", "opaque"):
        client = lab.client(kind)
        asker = lab.client("web") if kind == "spa" else client
        first = lab.tokens(client=client, scope="openid offline_access")
        second = lab.refresh(client, first["refresh_token"]).json()
        must(op.revoke(client, second["refresh_token"]).status == 200, "the revocation")
        for at in lab.replicas():
            for tokens in (first, second):
                must(at.userinfo(tokens["access_token"]).status == 401, f"{kind}: an access token outlives its refresh token")
                must(not lab.active(asker, tokens["access_token"], at), f"{kind}: an access token is active after its refresh token was revoked")
                oauth_error(lab.refresh(client, tokens["refresh_token"], at), 400, "invalid_grant")
        # A predecessor is the family's too.
        first = lab.tokens(client=client, scope="openid offline_access")
        second = lab.refresh(client, first["refresh_token"]).json()
        must(op.revoke(client, first["refresh_token"]).status == 200, "the revocation of a predecessor")
        oauth_error(lab.refresh(client, second["refresh_token"]), 400, "invalid_grant")
        tokens = lab.tokens(client=client, scope="openid offline_access")
        must(op.revoke(client, tokens["access_token"], token_type_hint="refresh_token").status == 200, "the revocation of an access token")
        for at in lab.replicas():
            must(at.userinfo(tokens["access_token"]).status == 401, f"{kind}: a revoked access token opens userinfo")
    machine = lab.client("machine")
    token = op.token(machine, grant_type="client_credentials").json()["access_token"]
    must(lab.active(machine, token), "a client's own token")
    op.revoke(machine, token)
    for at in lab.replicas():
        must(not lab.active(machine, token, at), "a client's own token after its revocation")


def IR_08(lab):
    """nobody revokes another client's tokens"""
    op, web = lab.op, lab.client("web")
    tokens = lab.tokens(scope="openid offline_access", resource=API)
    plain = lab.tokens(scope="openid offline_access")
    for thief in ("other", "post", "spa", "stranger", "third", "rs", "machine"):
        for token in (tokens["access_token"], tokens["refresh_token"], plain["access_token"], plain["refresh_token"]):
            answer = op.revoke(lab.client(thief), token)
            must(answer.status == 200 or answer.status in (400, 401), f"{thief}", answer)
    must(lab.active(web, tokens["access_token"]) and lab.active(web, plain["access_token"]), "another client's revocation killed an access token")
    must(op.userinfo(plain["access_token"]).status == 200, "userinfo")
    must(lab.refresh(web, tokens["refresh_token"]).status == 200, "another client's revocation killed a refresh token")


@contextlib.contextmanager
def _read_only(lab, op):
    """The database answers questions and takes no change."""
    if lab.store == "embedded":
        lock = sqlite3.connect(op.home / "data" / "portero.db", timeout=10, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            lock.execute("ROLLBACK")
            lock.close()
    else:
        url = op.environment["PORTERO_DATABASE_URL"]
        name = urllib.parse.urlsplit(url).path.strip("/")
        server = os.environ["PORTERO_TEST_POSTGRES_URL"]
        ended = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        rig._psql(server, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        rig._psql(server, ended)
        try:
            yield
        finally:
            rig._psql(server, f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
            rig._psql(server, ended)


def IR_09(lab):
    """while the store takes no writes a revocation is 503, never 200 with the token alive"""
    with Portero(lab.store) as op:
        web = lab.new_client(op, **CLIENTS["web"])
        browser = Browser(op)
        browser.email = lab.person(op)
        tokens = lab.tokens(browser, web, scope="openid offline_access")
        spare = lab.tokens(browser, web, scope="openid offline_access")
        with _read_only(lab, op), WATCH.faults_wanted(), WATCH.slow_wanted():
            for token in (tokens["refresh_token"], tokens["access_token"]):
                answer = op.revoke(web, token)
                must(answer.status == 503, "503 is due while nothing can be written", answer)
                must(int(answer.header("retry-after") or 0) >= 1, "Retry-After is due", answer)
            refused = lab.refresh(web, spare["refresh_token"], op)
            must(refused.status == 503 and refused.json().get("error") == "temporarily_unavailable", "a refresh that cannot be written is no denial", refused)
            login = Browser(op)
            page = login.get(lab.request(web, op))
            if page.status == 200:
                answer = login.sign_in(page, browser.email, PASSWORD)
                must(answer.status == 503, "a sign-in that cannot be written is no wrong password", answer)
        end = time.monotonic() + 15
        with WATCH.faults_wanted(), WATCH.slow_wanted():
            while (answer := op.revoke(web, tokens["refresh_token"])).status != 200:
                must(answer.status == 503 and time.monotonic() < end, "the server recovers by itself", answer)
                time.sleep(0.2)
        lab.must_be_dead(web, tokens, "revoked after the fault", op)
        must(lab.refresh(web, spare["refresh_token"], op).status == 200, "the refresh that failed consumed nothing")


def IR_10(lab):
    """beside a revocation: what is asked after its 200 is answered inactive, and stays so"""
    web, at = lab.client("web"), lab.replicas()
    for n in range(max(4, ROUNDS // 3)):
        tokens = lab.tokens(scope="openid offline_access")
        token = tokens["access_token"]
        stop, seen, lock = threading.Event(), [], threading.Lock()

        def ask(op):
            while not stop.is_set():
                began = time.monotonic()
                active = lab.active(web, token, op)
                with lock:
                    seen.append((began, time.monotonic(), active))

        threads = [threading.Thread(target=ask, args=(at[i % len(at)],), daemon=True) for i in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.15)
        answer = at[n % len(at)].revoke(web, token if n % 2 else tokens["refresh_token"])
        done = time.monotonic()
        must(answer.status == 200, "the revocation", answer)
        time.sleep(0.25)
        stop.set()
        for thread in threads:
            thread.join()
        late = [began - done for began, _, active in seen if active and began > done]
        must(not late, "asked after the revocation was answered, and active", late)
        first_dead = min((ended for _, ended, active in seen if not active), default=None)
        must(first_dead is not None, "nobody saw it dead")
        flapped = [began for began, _, active in seen if active and began > first_dead]
        must(not flapped, "active again after it was inactive")
