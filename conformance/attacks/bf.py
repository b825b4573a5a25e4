"""BF: guessing passwords, and finding out who has an account. With the limits on."""

from lab import *
from rg import mails_of

WRONG = "not the password of anybody"


class Door:
    """The sign-in page of one instance as a guesser uses it: one form, many passwords, any address."""

    def __init__(self, lab, op, cookies=None):
        self.lab, self.op, self.browser = lab, op, Browser(op)
        if cookies:
            self.browser.cookies = dict(cookies)
        self.url = lab.request(lab.client("third", op), op)
        page = self.browser.get(self.url)
        self.target, self.fields = hidden(sign_in_page(page), "sign-in-submit")

    def shot(self, username, password, address) -> Shot:
        headers = {"Cookie": self.browser.cookie_header("/sign-in"), "Origin": self.browser.origin, "Sec-Fetch-Site": "same-origin", "X-Forwarded-For": address}
        return Shot(self.op, "POST", self.target, {**self.fields, "username": username, "password": password}, headers)

    def knock(self, username, password=WRONG, address="203.0.113.1") -> Response:
        copy = with_cookies(self.browser)  # a success must not change what the next guess sends
        return copy.request("POST", self.target, form={**self.fields, "username": username, "password": password}, headers={"X-Forwarded-For": address})


def outcome(response) -> str:
    if response.status in (302, 303):
        return "in"
    if response.status == 429:
        must((response.header("retry-after") or "").isdigit() and int(response.header("retry-after")) >= 1, "429 without Retry-After", response)
        must(response.page.has("sign-in-submit") or response.page.has("error-code"), "429 without a page", response)
        return "limited"
    if response.status == 503:
        return "busy"
    must(response.status in (200, 400, 401) and response.page.has("sign-in-submit"), "the answer to a wrong password", response)
    return "wrong"


def address(n: int) -> str:
    return f"198.18.{n // 250}.{n % 250 + 1}"


_next_address = iter(range(10**6))


def fresh_address() -> str:
    """An address nobody guessed from yet."""
    n = next(_next_address)
    return f"100.{64 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}"


def lock(lab, op, door, name):
    """Ten wrong passwords, each from another address."""
    seen = [outcome(door.knock(name, WRONG, fresh_address())) for _ in range(12)]
    must(seen[:10] == ["wrong"] * 10 and seen[-1] == "limited", "ten wrong passwords lock an account", seen)


def BF_01(lab):
    """many passwords for one account, one password for many accounts, from one address and from fifty"""
    op = lab.instance("limited")
    door = Door(lab, op)
    # One address, many passwords: the account's own limit.
    victim = lab.person(op)
    spelled = [victim, victim.upper(), " " + victim, victim + " ", victim.replace("p", "P", 1)]
    mine = fresh_address()
    seen = [outcome(door.knock(spelled[n % len(spelled)], f"{WRONG} {n}", mine)) for n in range(GUESSES)]
    must(8 <= seen.count("wrong") <= 10, f"{seen.count('wrong')} guesses at one account were judged", seen[:15])
    must("in" not in seen and seen[-1] == "limited", "it stays locked")
    # The tenth alone closes the lock of somebody else, and they are told: nobody has to come back for it.
    quiet = lab.person(op)
    must([outcome(door.knock(quiet, f"{WRONG} {n}", fresh_address())) for n in range(10)] == ["wrong"] * 10, "ten guesses")
    until = time.monotonic() + 10
    while not (told := [subject for to, subject, _ in mails_of(op) if to == quiet and "attempts" in subject]):
        must(time.monotonic() < until, "the owner was not told of the lock")
        time.sleep(0.2)
    must(outcome(door.knock(quiet, WRONG, fresh_address())) == "limited", "it is locked")
    locked = lab.sql(f"SELECT count(*) FROM audit WHERE act = 'user.locked' AND subject = (SELECT 'user:' || id FROM users WHERE email_canonical = '{quiet}')", op)
    must(len(told) == 1 and int(locked[0][0]) == 1, "told once, and written down once", (told, locked))
    # Fifty addresses do not get more.
    victim = lab.person(op)
    seen = [outcome(door.knock(victim, f"{WRONG} {n}", address(n % 50))) for n in range(GUESSES)]
    must(8 <= seen.count("wrong") <= 10, f"{seen.count('wrong')} guesses from fifty addresses were judged", seen[:15])
    must(outcome(door.knock(victim, PASSWORD, fresh_address())) == "limited", "a locked account opens to the right password")
    # One address, many accounts: the address's limit, known names and unknown ones alike.
    mine = fresh_address()
    seen = [outcome(door.knock(f"nobody{n}@example.org", WRONG, mine)) for n in range(max(GUESSES, 60))]
    must(20 <= seen.count("wrong") <= 30 + len(seen) // 10, f"{seen.count('wrong')} sign-ins from one address in a moment", seen[:40])
    must(seen[-1] == "limited", "the address is slowed down")
    # A header that no trusted proxy wrote changes nothing: the last hop counts. (One more is allowed every two seconds.)
    seen = [outcome(door.knock(f"no{n}@example.org", WRONG, f"{address(n)}, {mine}")) for n in range(6)]
    must(seen.count("limited") >= 3, "a forged first hop of X-Forwarded-For was believed", seen)
    must(outcome(door.knock(lab.person(op), PASSWORD, fresh_address())) == "in", "somebody else, elsewhere, signs in")
    # A neighbour in the same IPv6 network is the same address.
    seen = [outcome(door.knock(f"no{n}@example.org", WRONG, f"2001:db8:1:2::{n:x}")) for n in range(40)]
    must("limited" in seen, "the addresses of one IPv6 network are counted together", seen)
    must(lab.audited("sign_in", op=op), "refused sign-ins have no audit row")
    # One account under both its names: ten guesses in all, and what is seen of two names does not tell that they are one.
    name, other = f"u{secrets.token_hex(5)}", f"u{secrets.token_hex(5)}"
    both = lab.person(op, username=name)
    seen = {}
    for kind, pair in (("one account", (both, name)), ("two people", (lab.person(op), other)), ("nobody", (f"n{secrets.token_hex(5)}@example.org", f"u{secrets.token_hex(5)}"))):
        seen[kind] = [outcome(door.knock(pair[n % 2], f"{WRONG} {n}", fresh_address())) for n in range(24)]
    must(seen["one account"] == seen["two people"] == seen["nobody"], "two names of one account are told from others", seen)
    both, name = lab.person(op, username=(name := f"u{secrets.token_hex(5)}")), name
    for n in range(5):
        door.knock(both, f"{WRONG} {n}", fresh_address())
        door.knock(name, f"{WRONG} {n}", fresh_address())
    must(outcome(door.knock(both, PASSWORD, fresh_address())) == "wrong" and outcome(door.knock(name, PASSWORD, fresh_address())) == "wrong", "ten guesses under each name instead of ten in all")


def BF_02(lab):
    """parallel guesses with the right one among the last: no more are judged than the limit"""
    op = lab.instance("limited")
    door = Door(lab, op)
    for _ in range(max(1, ROUNDS // 12)):
        victim = lab.person(op)
        guesses = [f"{WRONG} {n}" for n in range(GUESSES - 1)] + [PASSWORD]
        judged, at = [], 0
        with WATCH.faults_wanted(), WATCH.slow_wanted():
            while at < len(guesses):
                size = 32
                answers = lab.volley.fire([door.shot(victim, guess, fresh_address()) for guess in guesses[at : at + size]])
                judged += [outcome(answer) for answer in answers]
                at += size
        must("in" not in judged, "the right password was reached")
        must(judged.count("wrong") <= 10 + len(lab.replicas()), f"{judged.count('wrong')} guesses were judged")
        must(judged.count("limited") >= GUESSES // 3, "the rest is slowed down", {word: judged.count(word) for word in set(judged)})
    if lab.store == "embedded":
        return
    # Ten in all, whichever replica is asked; and so are the sign-ins of one address.
    with Portero(share=op) as twin:
        doors = [door, Door(lab, twin)]
        victim, place = lab.person(op), fresh_address()
        seen = [outcome(doors[n % 2].knock(victim, f"{WRONG} {n}", fresh_address())) for n in range(24)]
        must(seen == ["wrong"] * 10 + ["limited"] * 14, "each replica counts by itself", seen)
        must(all(outcome(one.knock(victim, PASSWORD, fresh_address())) == "limited" for one in doors), "locked at one replica alone")
        began = time.monotonic()
        seen = [outcome(doors[n % 2].knock(f"n{secrets.token_hex(5)}@example.org", WRONG, place)) for n in range(60)]
        # Thirty at once, and one more every two seconds.
        must(seen.count("wrong") <= 32 + (time.monotonic() - began) / 2, "each replica counts an address by itself", seen.count("wrong"))


def BF_03(lab):
    """a stranger cannot lock a person out of the browser they use"""
    op = lab.instance("limited")
    owner = Browser(op)
    owner.email = lab.person(op)
    owner.authorize(lab.request(lab.client("third", op), op), owner.email)
    owner.sign_out(op.at(LOGOUT))
    attacker = Door(lab, op)
    lock(lab, op, attacker, owner.email)
    must(outcome(attacker.knock(owner.email, PASSWORD, fresh_address())) == "limited", "an unknown browser is locked out")
    known = Door(lab, op, owner.cookies)
    must(outcome(known.knock(owner.email, WRONG, fresh_address())) == "wrong", "the known browser is judged")
    must(outcome(known.knock(owner.email, PASSWORD, fresh_address())) == "in", "the known browser is locked out as well")
    # The success does not open the door for the attacker.
    must(outcome(attacker.knock(owner.email, PASSWORD, fresh_address())) == "limited", "the owner's success lifted the lock for everybody")
    # A known browser's own guesses are limited too, and its cookie is good for its own account only.
    seen = [outcome(known.knock(owner.email, f"{WRONG} {n}", fresh_address())) for n in range(14)]
    must(seen.count("wrong") <= 11 and seen[-1] == "limited", "a known browser may guess for ever", seen)
    victim = lab.person(op)
    seen = [outcome(Door(lab, op, owner.cookies).knock(victim, WRONG, fresh_address())) for _ in range(12)] + [outcome(attacker.knock(victim, WRONG, fresh_address())) for _ in range(2)]
    must(seen.count("wrong") <= 10, "the cookie of one account gives further guesses at another", seen)
    answer = attacker.knock(owner.email, WRONG, fresh_address())
    must(int(answer.header("retry-after")) <= 15 * 60, "the first lock is temporary: a quarter of an hour", answer.header("retry-after"))


def BF_04(lab):
    """the lock counts on the page and at the token endpoint alike"""
    op = lab.instance("limited")
    door, app = Door(lab, op), lab.client("password", op)

    def grant(name, password):
        return op.post(TOKEN, {"grant_type": "password", "username": name, "password": password}, headers={"Authorization": basic(app["client_id"], app["client_secret"]), "X-Forwarded-For": fresh_address()})

    fine = lab.person(op)
    must(grant(fine, PASSWORD).status == 200, "the grant works")
    victim = lab.person(op)
    lock(lab, op, door, victim)
    answer = grant(victim, PASSWORD)
    must(answer.status == 429 and int(answer.header("retry-after") or 0) >= 1, "the token endpoint takes a password that the page refuses", answer)
    must((answer.header("content-type") or "").startswith("application/json") and "error" in answer.json(), "429 at the token endpoint is JSON", answer)
    victim = lab.person(op)
    answers = [grant(victim, WRONG) for _ in range(12)]
    must([answer.status for answer in answers[:10]] == [400] * 10 and answers[0].json()["error"] == "invalid_grant", "wrong passwords at the token endpoint", answers[0])
    must(answers[-1].status == 429, "the token endpoint does not count", answers[-1])
    must(outcome(door.knock(victim, PASSWORD, fresh_address())) == "limited", "the page takes a password that the token endpoint refuses")
    _everywhere(lab)
    # Asked again in a flow (prompt=login): the same door.
    person = Browser(op)
    person.email = lab.person(op)
    person.authorize(lab.request(lab.client("third", op), op), person.email)
    again = Door(lab, op)
    lock(lab, op, again, person.email)
    person.cookies = {key: value for key, value in person.cookies.items() if "device" not in key[0]}
    page = sign_in_page(person.get(lab.request(lab.client("third", op), op, prompt="login")))
    target, fields = hidden(page, "sign-in-submit")
    answer = person.request("POST", target, form={**fields, "username": person.email, "password": PASSWORD}, headers={"X-Forwarded-For": fresh_address()})
    must(outcome(answer) == "limited", "signing in again is not behind the lock", answer)


def _everywhere(lab):
    """Every other place that asks for the password: they lock, and are locked."""
    import ad
    from rg import fill

    op = lab.instance("limited")

    def page(path, button, **fields):
        def ask(person, password):
            answer = fill(person.browser, path, button, current=password, **fields)
            return "limited" if answer.status == 429 else "wrong" if answer.status == 400 else "in"

        return ask

    def api(method, path, name="current_password", **members):
        def ask(person, password):
            answer = ad.call(lab, method, path, person.token, {name: password, **members}, headers=person.place, op=op)
            if answer.status == 429:
                must(int(answer.header("retry-after")) >= 1, "Retry-After", answer)
                return "limited"
            return "wrong" if answer.status in (400, 401, 403) else "in"

        return ask

    def token(email, place):
        form = {"grant_type": "password", "username": email, "password": PASSWORD, "scope": "openid account"}
        answer = op.as_client(ad.console(lab, op), TOKEN, form, headers=place)
        must(answer.status == 200, "a token for the API", answer)
        return answer.json()["access_token"]

    new = "forty quiet herons walking"
    doors = {
        "the page for a new password": page("/account/password", "change-password-submit", password=new),
        "the page for a new address": page("/account/email", "change-email-submit", email="eve@example.org"),
        "the page that ends the account": page("/account/delete", "delete-account-submit"),
        "POST /v1/me/password": api("POST", "/v1/me/password", new_password=new),
        "POST /v1/me/email": api("POST", "/v1/me/email", "password", email="eve@example.org"),
        "POST /v1/me/delete": api("POST", "/v1/me/delete", "password"),
    }
    WATCH.typed.add(new)
    for name, ask in doors.items():
        person = type("Person", (), {})()
        place = {"X-Forwarded-For": fresh_address()}
        person.browser = Browser(op, {**Browser(op).headers, **place})
        person.browser.email = lab.person(op)
        lab.code(person.browser, lab.client("web", op))
        # Without the cookie of a known browser, as a thief of the session alone has it: that browser has a count of its own.
        person.browser.cookies = {key: value for key, value in person.browser.cookies.items() if "device" not in key[0]}
        person.token, person.place = token(person.browser.email, place), place
        seen = [ask(person, f"{WRONG} {n}") for n in range(12)]
        must(seen[:10] == ["wrong"] * 10 and seen[-1] == "limited", f"{name} does not count", seen)
        must(ask(person, PASSWORD) == "limited", f"{name} takes the right password while it is locked")
        must(outcome(Door(lab, op).knock(person.browser.email, PASSWORD, fresh_address())) == "limited", f"the sign-in page does not know of the guesses at {name}")
    # An old service's sign-in.
    old = lab.instance("old")
    victim = lab.person(old)

    def login(password):
        return ad.call(lab, "POST", "/auth/login", body={"email": victim, "password": password}, headers={"X-Forwarded-For": fresh_address()}, op=old)

    seen = [login(f"{WRONG} {n}").status for n in range(12)]
    must(seen[:10] == [401] * 10 and seen[-1] == 429 and login(PASSWORD).status == 429, "an old service's sign-in does not count", seen)
    must(outcome(Door(lab, old).knock(victim, PASSWORD, fresh_address())) == "limited", "the page does not know of it")


def BF_05(lab):
    """a live session and a refresh neither lift the lock nor reset the count"""
    op = lab.instance("limited")
    web = lab.client("web", op)
    browser = lab.signed_in(op)
    tokens = lab.tokens(browser, web, scope="openid offline_access")
    door = Door(lab, op)
    seen = [outcome(door.knock(browser.email, WRONG, fresh_address())) for _ in range(9)]
    must(seen == ["wrong"] * 9, "nine wrong passwords", seen)
    somebody(lab, browser, "the session goes on")
    tokens = lab.refresh(web, tokens["refresh_token"], op).json()
    seen = [outcome(door.knock(browser.email, WRONG, fresh_address())) for _ in range(2)]
    must(seen[-1] == "limited", "a session or a refresh reset the count", seen)
    somebody(lab, browser, "the session goes on while the account is locked")
    must(lab.refresh(web, tokens["refresh_token"], op).status == 200, "the refresh goes on while the account is locked")
    must(outcome(door.knock(browser.email, PASSWORD, fresh_address())) == "limited", "a session or a refresh lifted the lock")


def BF_06(lab):
    """time tells nobody apart: unknown, wrong, disabled, without a password"""
    op = lab.op
    door = Door(lab, op)
    known, disabled = lab.person(), lab.person()
    op.cli("user", "disable", disabled)
    classes = {"unknown": ("nobody@example.org", WRONG), "wrong": (known, WRONG), "disabled": (disabled, WRONG), "disabled, right": (disabled, PASSWORD)}
    for name, credentials in classes.items():
        must(outcome(door.knock(*credentials)) == "wrong", f"{name} is answered in another way")

    def knock(name):
        username, password = classes[name]
        username = f"n{secrets.token_hex(5)}@example.org" if name == "unknown" else username
        return seconds_of(lambda: door.knock(username, password))

    told_apart({name: lambda name=name: knock(name) for name in classes}, "wrong", SAMPLES)
    _imported(lab)


def _imported(lab):
    """The same where people came from other systems: each scheme, and nobody at all, take the time of the dearest."""
    import base64 as b64

    op = lab.instance("imported")
    raw32 = b64.b64encode(secrets.token_bytes(32)).decode()
    schemes = {
        "bcrypt": "$2b$10$" + "abcdefghijklmnopqrstuu" + "0123456789012345678901234567890"[:31],
        "werkzeug scrypt": f"scrypt:16384:8:1$abcdefghijklmnop${secrets.token_bytes(64).hex()}",
        "django pbkdf2": f"pbkdf2_sha256$120000$abcdefghijklmnop${raw32}",
        "argon2 of another cost": "$argon2id$v=19$m=32768,t=3,p=2$YWJjZGVmZ2hpamtsbW5vcA$" + raw32.rstrip("="),
    }
    people = {name: f"i{secrets.token_hex(5)}@example.org" for name in schemes}
    file = op.home / "people.jsonl"
    file.write_text("".join(json.dumps({"external_id": str(n), "email": people[name], "email_verified": True, "password_hash": schemes[name]}) + "\n" for n, name in enumerate(schemes)))
    done = op.run("user", "import", str(file), "--source", "old")
    must(done.returncode == 0, "the import", done.stdout + done.stderr)
    ours = lab.person(op)
    time.sleep(8.0)  # the server learns of the dearest scheme within five seconds
    door = Door(lab, op)
    everybody = {**people, "of our own": ours, "unknown": None}

    def knock(name):
        username = everybody[name] or f"n{secrets.token_hex(5)}@example.org"
        return seconds_of(lambda: door.knock(username, WRONG))

    with WATCH.slow_wanted():
        for name in everybody:
            must(outcome(door.knock(everybody[name] or "nobody@example.org", WRONG)) == "wrong", f"{name} is answered in another way")
        # Whoever waits for the rest of the time wakes up a little late.
        told_apart({name: lambda name=name: knock(name) for name in everybody}, "unknown", max(6, SAMPLES // 6), close=0.002)


def BF_07(lab):
    """answers tell nobody apart: status, body, headers, cookies, lock"""
    op = lab.instance("limited")

    def shape(response, name):
        text = response.text.replace(urllib.parse.quote(name), "NAME").replace(name, "NAME")
        text = re.sub(r"[A-Za-z0-9_-]{22,}", "RANDOM", text)
        headers = sorted((k.lower(), re.sub(r"[A-Za-z0-9_+/=-]{16,}", "RANDOM", v)) for k, v in response.headers if k.lower() not in ("date", "content-length", "retry-after"))
        return response.status, headers, text

    app = lab.client("password", op)
    length = len(lab.person(op))
    known, disabled = lab.person(op), lab.person(op)
    op.cli("user", "disable", disabled)
    unknown = ("n" + secrets.token_hex(8))[: length - len("@example.org")] + "@example.org"
    names = {"known": known, "unknown": unknown, "disabled": disabled}
    must(len({len(name) for name in names.values()}) == 1, "names of one length", names)
    door = Door(lab, op)
    # Wrong passwords up to the lock and beyond: at every step the same.
    for n in range(13):
        shapes = {kind: shape(door.knock(name, WRONG, fresh_address()), name) for kind, name in names.items()}
        for kind in ("unknown", "disabled"):
            must(shapes[kind] == shapes["known"], f"try {n + 1}: {kind} and known names are answered differently", _difference(shapes["known"], shapes[kind]))
    waits = {kind: int(door.knock(name, WRONG, fresh_address()).header("retry-after")) for kind, name in names.items()}
    must(max(waits.values()) - min(waits.values()) <= 5, "the wait tells them apart", waits)
    # At the token endpoint.
    names = {"known": lab.person(op), "disabled": lab.person(op)}
    op.cli("user", "disable", names["disabled"])
    names["unknown"] = "n" + secrets.token_hex(5)[1:] + "@example.org"
    answers = {}
    for kind, name in names.items():
        answer = op.post(TOKEN, {"grant_type": "password", "username": name, "password": WRONG}, headers={"Authorization": basic(app["client_id"], app["client_secret"]), "X-Forwarded-For": fresh_address()})
        oauth_error(answer, 400, "invalid_grant")
        answers[kind] = (answer.body, len(answer.headers))
    must(len(set(answers.values())) == 1, "the token endpoint tells them apart", answers)
    # The pages before a password: a hint changes nothing but the field.
    hints = {kind: shape(Browser(op).get(lab.request(lab.client("third", op), op, login_hint=name, nonce="n", state="s", code_challenge="x" * 43)), name) for kind, name in names.items()}
    must(hints["known"] == hints["unknown"] == hints["disabled"], "the sign-in page tells known names apart", _difference(hints["known"], hints["unknown"]))


def _difference(a, b):
    if a[0] != b[0]:
        return a[0], b[0]
    if a[1] != b[1]:
        return [pair for pair in a[1] if pair not in b[1]], [pair for pair in b[1] if pair not in a[1]]
    return [(x, y) for x, y in zip(a[2].splitlines(), b[2].splitlines()) if x != y][:3]


def BF_08(lab):
    """the addresses of one IPv6 network are one, and those of two are two"""
    op = lab.instance("limited")
    door = Door(lab, op)
    network = f"2001:db8:{secrets.randbelow(60000):x}"
    seen = [outcome(door.knock(f"n{secrets.token_hex(5)}@example.org", WRONG, f"{network}:7:{secrets.randbelow(65000):x}::{n:x}")) for n in range(45)]
    must(seen.count("wrong") <= 36 and seen[-1] == "limited", "another address of the same network is another place", [seen.count("wrong"), seen[-5:]])
    must(outcome(door.knock(f"n{secrets.token_hex(5)}@example.org", WRONG, f"{network}:8::1")) == "wrong", "the network beside it is limited as well")
    # Written in another way, or within IPv4's part of IPv6: the same.
    place = f"192.0.2.{secrets.randbelow(200) + 1}"
    seen = [outcome(door.knock(f"n{secrets.token_hex(5)}@example.org", WRONG, place if n % 2 else f"::ffff:{place}")) for n in range(45)]
    must(seen.count("wrong") <= 36 and seen[-1] == "limited", "an IPv4 address in IPv6 clothes is another place", seen.count("wrong"))


def BF_09(lab):
    """what is said to whoever is too fast, in each form; and a lock outlives a restart"""
    import ad

    with Portero(lab.store, env={"PORTERO_LIMITS": "on", "PORTERO_TRUSTED_PROXIES": "127.0.0.1", "PORTERO_DIALECTS": "fastapi-auth"}) as op:
        door, victim = Door(lab, op), lab.person(op)
        app = lab.client("password", op)
        lock(lab, op, door, victim)
        place = fresh_address()
        for _ in range(34):
            page = door.knock("nobody@example.org", WRONG, place)
        must(page.status == 429 and page.page.has("sign-in-submit") and page.header("content-type").startswith("text/html"), "a page", page)
        answers = {
            "the token endpoint": op.post(TOKEN, {"grant_type": "password", "username": victim, "password": PASSWORD}, headers={"Authorization": basic(app["client_id"], app["client_secret"]), "X-Forwarded-For": place}),
            "an old service's": ad.call(lab, "POST", "/auth/login", body={"email": victim, "password": PASSWORD}, headers={"X-Forwarded-For": place}, op=op),
        }
        for n in range(14):
            answers["the API"] = ad.call(lab, "POST", "/v1/registration/request-reset", body={"identifier": victim}, headers={"X-Forwarded-For": place}, op=op)
        for name, answer in {"the page": page, **answers}.items():
            must(answer.status == 429 and 1 <= int(answer.header("retry-after") or 0) <= 4 * 3600, f"{name}: 429 and Retry-After", answer)
            must("no-store" in (answer.header("cache-control") or ""), f"{name} may be cached", answer)
        must("error" in answers["the token endpoint"].json() and answers["an old service's"].json()["detail"], "each in its own form")
        ad.problem(answers["the API"], 429, "too_many_requests")
        wait = int(door.knock(victim, PASSWORD, fresh_address()).header("retry-after"))
        op.stop(keep=True)
        op.start()
        again = Door(lab, op).knock(victim, PASSWORD, fresh_address())
        must(outcome(again) == "limited" and abs(int(again.header("retry-after")) - wait) < 60, "the lock after a restart", again)
        # Not for ever: the store says when it ends, and it is never more than a quarter of an hour the first time.
        until = max(int(row[0]) for row in lab.sql("SELECT locked_until FROM attempts", op))
        must(0 < until - time.time() <= 15 * 60 + 5, "the lock ends", until - time.time())


def BF_10(lab):
    """nothing that strangers may ask tells who has an account"""
    known, name = lab.person(username=(name := f"u{secrets.token_hex(5)}")), name
    row = lab.sql(f"SELECT id FROM users WHERE email_canonical = '{known}'")[0][0]
    third = lab.client("third")
    for typed, unknown in ((known, "n" + known[1:]), (name, "n" + name[1:]), (row, row[:-4] + "0000")):
        seen = []
        for value in (typed, unknown):
            quoted, answers = urllib.parse.quote(value), []
            for path in (f"/v1/users/{quoted}", f"/v1/users?q={quoted}", f"/.well-known/webfinger?resource=acct:{quoted}", f"/users/{quoted}", f"/avatars/{quoted}", f"/u/{quoted}", f"/@{quoted}", f"/sign-up?email={quoted}&username={quoted}", f"/recover?username={quoted}", f"/sign-in?username={quoted}"):
                answer = lab.op.get(path)
                text = re.sub(r"[A-Za-z0-9_-]{22,}", "#", answer.text.replace(quoted, "*").replace(value, "*"))
                answers.append((path.replace(quoted, "*"), answer.status, sorted(k.lower() for k, _ in answer.headers), re.sub(r'(value|nonce)="[^"]*"', "", text)))
            page = Browser(lab.op).get(lab.request(third, login_hint=value, nonce="n", state="s", code_challenge="x" * 43))
            answers.append(("login_hint", page.status, re.sub(r"[A-Za-z0-9_-]{22,}", "#", page.text.replace(value, "*").replace(quoted, "*"))))
            for path in ("verify", "reset", "confirm-email-change", "undo-email-change"):
                answer = call_json(lab, f"/v1/registration/{path}", {"token": value, **({"password": PASSWORD} if path == "reset" else {})})
                answers.append((path, answer.status, answer.json()["code"]))
            seen.append(answers)
        for one, other in zip(*seen):
            must(one == other, "a stranger learns who is there", (one, other))


def call_json(lab, path, body):
    return post_json(lab.op, path, body)


def BF_11(lab):
    """the right password of somebody who is kept out is answered like a wrong one"""
    door, app = Door(lab, lab.op), lab.client("password")
    person = lab.person()
    lab.op.cli("user", "disable", person)
    text = lambda answer: re.sub(r"[A-Za-z0-9_-]{22,}", "#", answer.text.replace(person, "*").replace("nobody@example.org", "*"))
    right, off, nobody_ = door.knock(person, PASSWORD), door.knock(person, WRONG), door.knock("nobody@example.org", WRONG)
    must(right.status == off.status == nobody_.status == 400 and text(right) == text(off) == text(nobody_), "on the page", (text(right)[:200], text(off)[:200]))
    answers = [lab.op.token(app, grant_type="password", username=who, password=password) for who, password in ((person, PASSWORD), (person, WRONG), ("nobody@example.org", WRONG))]
    must(len({(answer.status, answer.body) for answer in answers}) == 1 and answers[0].json()["error"] == "invalid_grant", "at the token endpoint", answers[0])


def BF_12(lab):
    """while the short-lived store is away nobody is let through uncounted, and nobody is told that they are wrong"""
    import ad
    import ot

    if lab.store == "embedded":
        raise Skipped("there is no Redis to take away")
    redis = ot.OwnRedis(keeps=True)
    try:
        redis.wait()
        with Portero(lab.store, env={"PORTERO_REDIS_URL": redis.url, "PORTERO_LIMITS": "on", "PORTERO_DIALECTS": "fastapi-auth"}) as op:
            person, app = lab.person(op), lab.client("password", op)
            WATCH.typed.add("seven purple lanterns drift")
            mine = ad.token_of(lab, person, op=op)["access_token"]
            ways = {
                "the token endpoint": lambda word: op.token(app, grant_type="password", username=person, password=word),
                "an old service's sign-in": lambda word: ad.call(lab, "POST", "/auth/login", body={"email": person, "password": word}, op=op),
                "the password again": lambda word: ad.call(lab, "POST", "/v1/me/delete", mine, {"password": word}, op=op),
                "a reset": lambda word: ad.call(lab, "POST", "/v1/registration/request-reset", body={"identifier": person}, op=op),
                "a sign-up": lambda word: ad.call(lab, "POST", "/v1/registration", body={"email": f"s{secrets.token_hex(5)}@example.org", "password": "seven purple lanterns drift"}, op=op),
            }
            must(ways["the token endpoint"](PASSWORD).status == 200, "with Redis")
            redis.kill()
            people = lab.sql("SELECT count(*) FROM users", op)[0][0]
            with WATCH.faults_wanted(), WATCH.slow_wanted():
                for name, ask in ways.items():
                    for word in (PASSWORD, WRONG):
                        answer = ask(word)
                        must(answer.status == 503 and int(answer.header("retry-after") or 0) >= 1, f"{name} while Redis is away", answer)
            must(lab.sql("SELECT count(*) FROM users", op)[0][0] == people and not lab.sql("SELECT id FROM outbox", op), "something was done uncounted")
            must(not [row for row in lab.audited("sign_in", op=op) if row[2] == "wrong_password"], "a password was judged uncounted")
            redis.start()
            redis.wait()
            end = time.monotonic() + ot.RECOVERY
            with WATCH.faults_wanted(), WATCH.slow_wanted():
                while (answer := ways["the token endpoint"](PASSWORD)).status != 200:
                    must(answer.status == 503 and time.monotonic() < end, "with Redis again", answer)
                    time.sleep(0.1)
    finally:
        redis.remove()
