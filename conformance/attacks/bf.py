"""BF: guessing passwords, and finding out who has an account. With the limits on."""

from lab import *

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
    verdicts = []
    for _ in range(3):
        samples = {name: [] for name in classes}
        order = [name for name in classes for _ in range(SAMPLES)]
        secrets.SystemRandom().shuffle(order)
        for name in order:
            username, password = classes[name]
            if name == "unknown":
                username = f"n{secrets.token_hex(5)}@example.org"
            began = time.perf_counter()
            door.knock(username, password)
            samples[name].append(time.perf_counter() - began)
        base = samples["wrong"]
        apart = {name: (kolmogorov_smirnov(base, list_), (spread(list_) - spread(base)) * 1000) for name, list_ in samples.items() if name != "wrong"}
        verdicts.append(apart)
        # A machine that does other work separates a class now and then; a leak does it every time.
        if all(p > 0.01 or abs(difference) < 0.3 for p, difference in apart.values()):
            return
    for name in verdicts[0]:
        always = all(verdict[name][0] <= 0.01 and (verdict[name][1] > 0) == (verdicts[0][name][1] > 0) for verdict in verdicts)
        must(not always, f"{name!r} is told apart by time", [f"p={p:.4f} {difference:+.1f} ms" for p, difference in (verdict[name] for verdict in verdicts)])


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
