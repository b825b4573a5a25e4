"""RG: sign-up and confirming an address, on the pages. The mails are those that the development server writes into its folder."""

import email as mime
import email.policy

from ad import call, problem, somebody as api_person
from lab import *

SECRET = "seven purple lanterns drift"
SIGN_UP, VERIFY = "/sign-up", "/verify-email"


def new_address(lab) -> str:
    return f"r{secrets.token_hex(6)}@example.org"


def mails(lab) -> list[tuple[str, str, str]]:
    """What every replica sent, the oldest first: to, subject, text."""
    found = []
    for op in lab.replicas():
        found += [(path.name, path) for path in (op.home / "data" / "outbox").glob("*.eml")]
    read = []
    for _, path in sorted(found):
        message = mime.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        read.append((message["To"], message["Subject"], message.get_body(("plain",)).get_content()))
    return read


def mail_to(lab, address: str, path: str, nth=-1) -> str:
    """The text of a mail to that address with a link to that page, when it comes."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if fit := [text for to, _, text in mails(lab) if to.lower() == address.lower() and path in text]:
            return fit[nth]
        time.sleep(0.1)
    raise Failed(f"no mail to {address} with a link to {path}: {[(to, subject) for to, subject, _ in mails(lab)][-5:]}")


def token_in(text: str) -> str:
    found = re.search(r"[?&]token=([A-Za-z0-9_-]+)", text)
    must(found, "a mail with a link", text)
    WATCH.issued.add(found.group(1))
    return found.group(1)


def code_in(text: str) -> str:
    found = re.search(r": (\d{6})\s", text)
    must(found, "a mail with a code", text)
    return found.group(1)


def fill(browser, path: str, button: str, **fields) -> Response:
    """Opens the page and sends its form; not followed."""
    target, found = hidden(browser.follow(browser.request("GET", path)), button)
    return browser.request("POST", target, form={**found, **fields})


def sign_up(lab, address: str, op=None, secret=SECRET, **fields) -> tuple[Browser, Response]:
    browser = Browser(op or lab.op)
    WATCH.typed.add(secret)
    return browser, fill(browser, SIGN_UP, "sign-up-submit", email=address, password=secret, **fields)


def accounts(lab, canonical: str) -> int:
    return int(lab.sql(f"SELECT count(*) FROM users WHERE email_canonical = '{canonical}'")[0][0])


def like(answer: Response) -> tuple:
    """What an onlooker compares: status, names of headers, and the body without what is fresh each time."""
    body = re.sub(r'(value|nonce)="[^"]*"', r'\1=""', answer.text)
    body = re.sub(r"[A-Za-z0-9_-]{20,}", "#", body)
    location = re.sub(r"=[A-Za-z0-9_-]+", "=#", answer.location or "")
    return answer.status, sorted(name.lower() for name, _ in answer.headers), location, len(answer.location or ""), body


def signs_in(lab, name: str, password: str, op=None) -> bool:
    browser = Browser(op or lab.op)
    target, fields = hidden(browser.request("GET", "/sign-in"), "sign-in-submit")
    answer = browser.request("POST", target, form={**fields, "username": name, "password": password})
    must(answer.status in (303, 400), "signing in is answered", answer)
    return answer.status == 303


def register(lab, address: str, op=None, **members) -> Response:
    WATCH.typed.add(SECRET)
    return call(lab, "POST", "/v1/registration", body={"email": address, "password": SECRET, **members}, op=op)


def confirm(lab, address: str):
    token = token_in(mail_to(lab, address, VERIFY))
    answer = call(lab, "POST", "/v1/registration/verify", body={"token": token})
    must(answer.status == 204, "the confirmation", answer)


def _what_follows(lab, address: str) -> list:
    """Everything that somebody who signed up with an address can try afterwards without reading its mail."""
    name = f"n{secrets.token_hex(6)}"
    seen = [like(sign_up(lab, address, username=name)[1])]
    # Is the user name taken now? On the page, by the API, and for somebody who has an account.
    seen.append(like(sign_up(lab, new_address(lab), username=name)[1]))
    answer = register(lab, new_address(lab), username=name.upper())
    seen.append((answer.status, sorted(k.lower() for k, _ in answer.headers), len(answer.body)))
    _, token = api_person(lab)
    seen.append(call(lab, "PATCH", "/v1/me", token, {"username": name}).status)
    call(lab, "PATCH", "/v1/me", token, {"username": None})
    # Does the password open anything?
    door = Browser(lab.op)
    for typed in (address, name):
        target, fields = hidden(door.request("GET", "/sign-in"), "sign-in-submit")
        answer = door.request("POST", target, form={**fields, "username": typed, "password": SECRET})
        seen.append((answer.status, answer.text.replace(typed, "#").count("\n"), "Wrong e-mail or password" in answer.text))
    app = lab.client("password")
    seen.append(lab.op.token(app, grant_type="password", username=address, password=SECRET).body)
    # Is there something to confirm, or to reset?
    for path, body in (("resend", {"email": address}), ("request-reset", {"identifier": name}), ("request-reset", {"identifier": address})):
        answer = call(lab, "POST", f"/v1/registration/{path}", body=body)
        seen.append((answer.status, sorted(k.lower() for k, _ in answer.headers), len(answer.body)))
    seen.append(like(sign_up(lab, address, username=name)[1]))
    return seen


def RG_01(lab):
    """a taken address looks like a free one, in every answer, in what follows, and by time"""
    taken = lab.person()
    after = {name: _what_follows(lab, address) for name, address in (("taken", lab.person()), ("free", new_address(lab)))}
    for one, other in zip(after["taken"], after["free"]):
        must(one == other, "what follows a sign-up tells whether the address was taken", (one, other))
    classes = {"free": lambda: seconds_of(lambda: register(lab, new_address(lab))), "taken": lambda: seconds_of(lambda: register(lab, taken))}
    told_apart(classes, "free", SAMPLES, close=0.001)
    taken = lab.person()
    seen = {}
    for name, address in (("taken", taken), ("free", new_address(lab))):
        browser, answer = sign_up(lab, address)
        page = browser.follow(answer)
        must(page.page.has("verify-submit"), "the page that says to look at one's mail", page)
        target, fields = hidden(page, "verify-submit")
        seen[name] = [like(answer), like(page), like(browser.request("POST", target, form={**fields, "code": "000000"}))]
    must(seen["taken"] == seen["free"], "the same answers", seen)
    must("already" in mail_to(lab, taken, "/sign-in"), "its owner is told")
    must(accounts(lab, taken) == 1, "no second account")


def RG_02(lab):
    """one of parallel sign-ups with one address makes the account"""
    for _ in range(max(2, ROUNDS // 8)):
        address = new_address(lab)
        shots = []
        for n in range(16):
            op = lab.replicas()[n % len(lab.replicas())]
            browser = Browser(op)
            target, fields = hidden(browser.request("GET", SIGN_UP), "sign-up-submit")
            headers = {"Cookie": browser.cookie_header(SIGN_UP), "Origin": browser.origin, "Sec-Fetch-Site": "same-origin"}
            shots.append(Shot(op, "POST", target, {**fields, "email": address, "password": SECRET}, headers))
        with WATCH.slow_wanted():
            answers = lab.volley.fire(shots)
        must(all(answer.status == 303 for answer in answers), "the same answer for all", [answer.status for answer in answers])
        must(accounts(lab, address) == 1, "one account")


def RG_03(lab):
    """spellings of one address are one account"""
    name = f"b{secrets.token_hex(5)}"
    for spelling in (f"{name}@example.org", f"{name.upper()}@Example.ORG", f"  {name}@example.org ", f"{name}@EXAMPLE.org\u3000"):
        _, answer = sign_up(lab, spelling)
        must(answer.status == 303, "the same answer", answer)
    must(accounts(lab, f"{name}@example.org") == 1, "one account")
    found = lab.sql(f"SELECT count(*) FROM users WHERE lower(email) LIKE '%{name[1:]}%'")[0][0]
    must(int(found) == 1, "one account under any spelling", found)
    accent = secrets.token_hex(4)
    for spelling in (f"jos\u00e9{accent}@example.org", f"jose\u0301{accent}@example.org"):
        sign_up(lab, spelling)
    found = lab.sql(f"SELECT count(*) FROM users WHERE email LIKE '%{accent}%'")[0][0]
    must(int(found) <= 1, "composed and decomposed are one", found)


def RG_04(lab):
    """what is no address gets no mail"""
    before = len(mails(lab))
    mark = secrets.token_hex(4)
    for bad in (f"a{mark}@evil.test@good.test", f'"a {mark}"@x', f"a{mark}@[127.0.0.1]", f"a{mark}\nBcc: v@x", f"a{mark}\x00@example.org",
                f"{'a' * 310}{mark}@x.org", f"<script>{mark}@x", f"a{mark}@x\r\nRCPT TO:<v@y>", f"a{mark}@example.org, b@example.org"):  # fmt: skip
        _, answer = sign_up(lab, bad)
        must(answer.status == 400, f"{bad!r} is refused", answer)
    time.sleep(1.5)
    must(all(mark not in to for to, _, _ in mails(lab)[before:]), "and no mail leaves")
    must(int(lab.sql(f"SELECT count(*) FROM users WHERE email LIKE '%{mark}%'")[0][0]) == 0, "nor is an account made")


def RG_05(lab):
    """nobody gives themselves more than anybody has"""
    extra = {"id": "usr_1", "role": "owner", "roles": ["owner"], "is_admin": True, "email_verified": True, "groups": ["admin"], "created_at": "2020-01-01T00:00:00Z", "tenant": "x", "claims": {"email_verified": True}, "pending": False, "disabled_at": None}
    for member, value in extra.items():
        address = new_address(lab)
        problem(register(lab, address, **{member: value}), 400, "invalid_request")
        must(accounts(lab, address) == 0, f"an account was made with {member}")
    address = new_address(lab)
    _, answer = sign_up(lab, address, **{member: str(value) for member, value in extra.items()}, **{"roles[]": "owner", "user[roles]": "owner"})
    must(answer.status == 303, "a form with fields of its own", answer)
    row = lab.sql(f"SELECT id, roles, owner, email_verified, created_at, disabled_at FROM users WHERE email_canonical = '{address}'")[0]
    must(row[0] != "usr_1" and row[1] == "[]" and str(row[2]).lower() in ("0", "f", "false") and str(row[3]).lower() in ("0", "f", "false") and int(row[4]) > 1_600_000_000, "an account like any other", row)
    confirm(lab, address)
    token = lab.op.token(lab.client("password"), grant_type="password", username=address, password=SECRET)
    must(token.status == 200, "it opens when it is confirmed", token)


def RG_06(lab):
    """an address that is not confirmed is never called so, and opens nothing that somebody signed up for"""
    address = new_address(lab)
    sign_up(lab, address)
    must(not signs_in(lab, address, SECRET), "a sign-up opens before its address is confirmed")
    oauth_error(lab.op.token(lab.client("password"), grant_type="password", username=address, password=SECRET), 400, "invalid_grant")
    # Somebody whom an administrator made: they sign in, and every token says that the address is not confirmed.
    unproved = lab.person(verified=False)
    browser, web = lab.signed_in(email=unproved), lab.client("web")

    def said():
        tokens = lab.tokens(browser, web, scope="openid email")
        return rig.jwt_claims(tokens["id_token"])["email_verified"], lab.op.userinfo(tokens["access_token"]).json()["email_verified"]

    must(said() == (False, False), "email_verified of an address that nobody confirmed", said())
    # An address that somebody changes to by an administrator's hand is not confirmed either.
    _, owner = api_person(lab, "owner")
    proved = lab.person()
    changed = call(lab, "PATCH", "/v1/users/" + urllib.parse.quote(proved), owner, {"email": new_address(lab)})
    must(changed.status == 200 and changed.json()["email_verified"] is False, "another address is not confirmed", changed)
    answer = call(lab, "POST", "/v1/registration/resend", body={"email": unproved})
    must(answer.status == 202, "the mail is sent again", answer)
    confirm(lab, unproved)
    must(said() == (True, True), "email_verified of a confirmed address", said())


def RG_07(lab):
    """a confirmation works once, for its address"""
    address = new_address(lab)
    sign_up(lab, address)
    token = token_in(mail_to(lab, address, VERIFY))
    reader = Browser(lab.op)
    for _ in range(3):
        must(reader.request("GET", f"{VERIFY}?token={token}").status == 200, "looking uses nothing up")
    for bad in (wrong(token), token[:-1], token + "A", "x"):
        must(reader.request("GET", f"{VERIFY}?token={bad}").status == 400, "a link that was changed")
    target, fields = hidden(reader.request("GET", f"{VERIFY}?token={token}"), "verify-submit")
    must(reader.request("POST", target, form={**fields, "token": wrong(token)}).status == 400, "a token that was changed")
    must(int(lab.sql(f"SELECT count(*) FROM users WHERE email_canonical = '{address}' AND email_verified")[0][0]) == 0, "not confirmed yet")
    must(reader.request("POST", target, form=fields).status == 303, "the first use")
    must(int(lab.sql(f"SELECT count(*) FROM users WHERE email_canonical = '{address}' AND email_verified")[0][0]) == 1, "confirmed")
    must(reader.request("POST", target, form=fields).status == 400, "the second use")
    page = reader.request("GET", f"{VERIFY}?token={token}")
    must(page.status == 400 and not page.page.has("verify-submit"), "a link that was used is shown as if it worked", page)
    # A confirmation is nothing to the reset.
    must(reader.request("GET", f"/recover/reset?token={token}").status == 400, "another purpose")


def RG_08(lab):
    """of parallel uses of one confirmation one changes something"""
    for _ in range(max(2, ROUNDS // 8)):
        address = new_address(lab)
        sign_up(lab, address)
        token = token_in(mail_to(lab, address, VERIFY))
        shots = []
        for n in range(16):
            op = lab.replicas()[n % len(lab.replicas())]
            browser = Browser(op)
            target, fields = hidden(browser.request("GET", f"{VERIFY}?token={token}"), "verify-submit")
            headers = {"Cookie": browser.cookie_header(VERIFY), "Origin": browser.origin, "Sec-Fetch-Site": "same-origin"}
            shots.append(Shot(op, "POST", target, fields, headers))
        answers = lab.volley.fire(shots)
        statuses = sorted(answer.status for answer in answers)
        must(statuses == [303] + [400] * 15, "one is first", statuses)


def RG_09(lab):
    """a code is dead after ten tries, however they come"""
    address = new_address(lab)
    browser, answer = sign_up(lab, address)
    code = code_in(mail_to(lab, address, VERIFY))
    target, fields = hidden(browser.follow(answer), "verify-submit")
    headers = {"Cookie": browser.cookie_header(VERIFY), "Origin": browser.origin, "Sec-Fetch-Site": "same-origin"}
    others = [f"{n:06}" for n in range(40) if f"{n:06}" != code]
    replicas = lab.replicas()
    answers = lab.volley.fire([Shot(replicas[n % len(replicas)], "POST", target, {**fields, "code": guess}, headers) for n, guess in enumerate(others)])
    tried = sum("not the code" in answer.text for answer in answers)
    must(tried == 10, "ten tries in all", [tried, answers[0].status])
    late = browser.request("POST", target, form={**fields, "code": code})
    must(late.status == 400 and "too often" in late.text, "then it is dead, right or wrong", late)
    must(int(lab.sql(f"SELECT count(*) FROM users WHERE email_canonical = '{address}' AND email_verified")[0][0]) == 0, "not confirmed")


def RG_10(lab):
    """the mail is sent again a few times for one address, and not for a thousand from one place"""
    op = lab.instance("limited")
    browser, place = Browser(op), "198.51.100.77"
    mailed = lambda address: sum(to == address for to, _, _ in mails_of(op))

    def again(address, place):
        return call(lab, "POST", "/v1/registration/resend", body={"email": address}, op=op, headers={"X-Forwarded-For": place})

    address = new_address(lab)
    must(call(lab, "POST", "/v1/registration", body={"email": address, "password": SECRET}, op=op, headers={"X-Forwarded-For": place}).status == 202, "the sign-up")
    answers = [again(address, f"198.51.100.{n + 100}") for n in range(50)]
    must([answer.status for answer in answers].count(202) <= 2 and answers[-1].status == 429, "three mails in an hour", [answer.status for answer in answers[:6]])
    must(int(answers[-1].header("retry-after")) >= 1, "and when there is another one", answers[-1])
    unknown = [again(f"n{address}", f"198.51.100.{n + 160}").status for n in range(5)]
    must(unknown == [202, 202, 202, 429, 429], "an address that nobody has is counted alike", unknown)
    statuses = [again(new_address(lab), "203.0.113.200").status for _ in range(30)]
    must(statuses.count(202) <= 11 and statuses[-1] == 429, "from one place to many addresses", statuses)
    # Under both names of one account there are three as well, and two names of one account look like two people.
    name, other = f"u{secrets.token_hex(5)}", f"u{secrets.token_hex(5)}"
    both, alone = lab.person(op, username=name), lab.person(op)
    asked = {}
    for n, (kind, pair) in enumerate({"one account": (both, name), "two people": (alone, other), "nobody": (new_address(lab), f"u{secrets.token_hex(5)}")}.items()):
        ask = lambda k: call(lab, "POST", "/v1/registration/request-reset", body={"identifier": pair[k % 2]}, op=op, headers={"X-Forwarded-For": f"198.19.{n}.{k + 1}"})
        asked[kind] = [like(ask(k)) for k in range(10)]
    must(asked["one account"] == asked["two people"] == asked["nobody"], "two names of one account are told from others", asked)
    time.sleep(2.5)
    must(mailed(both) == 3 and mailed(alone) == 3, "three mails for one account", (mailed(both), mailed(alone)))
    must(1 <= mailed(address) <= 3, "mails to one address", mailed(address))
    must(browser.request("GET", "/sign-up").status == 200, "the page is there")


def mails_of(op) -> list[tuple[str, str, str]]:
    return mails(type("One", (), {"replicas": lambda self: [op]})())


def _way_in(lab, op, **members):
    """Every way to an account, as (name, answer, the address that would have one)."""
    address = new_address(lab)
    yield "the API", call(lab, "POST", "/v1/registration", body={"email": address, "password": SECRET, **members}, op=op), address
    for path, names in (("/auth/register", ("username", "email", "password")), ("/flask/auth/sign-up", ("name", "email", "password")), ("/django/api/register/", ("username", "email", "password"))):
        address = new_address(lab)
        body = dict(zip(names, (f"u{secrets.token_hex(4)}", address, SECRET)))
        yield path, call(lab, "POST", path, body={**body, "captcha_token": "test", **members}, op=op), address
    # The page's form, with a form token that is good for it in this browser.
    address, browser = new_address(lab), Browser(op)
    page = browser.request("GET", "/sign-in")
    _, fields = hidden(page, "sign-in-submit")
    yield "the page", browser.request("POST", SIGN_UP, form={**fields, "email": address, "password": SECRET, **members}), address
    yield "registration of clients", call(lab, "POST", "/oauth2/register", body={"redirect_uris": [CB]}, op=op), address


def RG_11(lab):
    """where sign-up is closed, or for those who were invited, there is no way to an account"""
    WATCH.typed.add(SECRET)
    for kind in ("closed", "invited"):
        op = lab.instance(kind)
        before = lab.sql("SELECT count(*) FROM users", op)[0][0]
        page = Browser(op).request("GET", SIGN_UP)
        must(page.status == 403 and not page.page.has("sign-up-submit"), f"{kind}: the page", page)
        must(not Browser(op).request("GET", "/sign-in").page.has("sign-up"), f"{kind}: the sign-in page leads there")
        for members in ({}, {"invitation": "x", "token": "x"}):
            for name, answer, address in _way_in(lab, op, **members):
                must(answer.status in ((403, 404) if not members else (400, 403, 404)), f"{kind}: {name}", answer)
                must(int(lab.sql(f"SELECT count(*) FROM users WHERE email_canonical = '{address}'", op)[0][0]) == 0, f"{kind}: {name} made an account")
        must(lab.sql("SELECT count(*) FROM users", op)[0][0] == before, f"{kind}: somebody was made")
    problem(call(lab, "POST", "/v1/registration", body={"email": new_address(lab), "password": SECRET}, op=lab.instance("closed")), 403, "sign_up_closed")


def RG_12(lab):
    """an invitation makes one account, for whoever it was sent to"""
    op = lab.instance("invited")
    _, owner = api_person(lab, "owner", op=op)

    def invited(roles=("editor",)):
        address = new_address(lab)
        must(call(lab, "POST", "/v1/invitations", owner, {"email": address, "roles": list(roles)}, op=op).status == 202, "the invitation")
        return address, token_in(mail_to_of(op, address, SIGN_UP))

    def take(address, token, **members):
        WATCH.typed.add(SECRET)
        return call(lab, "POST", "/v1/registration", body={"email": address, "password": SECRET, "invitation": token, **members}, op=op)

    count = lambda address: int(lab.sql(f"SELECT count(*) FROM users WHERE email_canonical = '{address}'", op)[0][0])
    address, token = invited()
    unsigned = ".".join(rig.b64url(json.dumps(part).encode()) if isinstance(part, dict) else part for part in ({"alg": "none"}, {"sub": address, "roles": ["owner"], "exp": 9999999999}, ""))
    for name, forged in {"changed": wrong(token), "cut": token[:-1], "longer": token + "A", "an unsigned JWT": unsigned, "empty": " ", "a number": "1"}.items():
        problem(take(address, forged), 400, "link_invalid")
        must(count(address) == 0, f"an account by an invitation that is {name}")
    other = new_address(lab)
    problem(take(other, token), 400, "link_invalid")
    must(count(other) == 0, "an account for somebody else's address")
    problem(take(address, token, roles=["owner"]), 400, "invalid_request")
    # Sixteen at once, in sixteen spellings of the same address.
    for _ in range(max(2, ROUNDS // 8)):
        address, token = invited()
        shots = []
        for n in range(16):
            shot = Shot(op, "POST", "/v1/registration", {})
            body = json.dumps({"email": address.upper() if n % 2 else address, "password": SECRET, "invitation": token, "username": f"u{n}{secrets.token_hex(3)}"}).encode()
            head = f"POST /v1/registration HTTP/1.1\r\nHost: {urllib.parse.urlsplit(op.issuer).netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            shot.raw = head.encode() + body
            shots.append(shot)
        with WATCH.slow_wanted(), WATCH.faults_wanted():
            answers = lab.volley.fire(shots)
        must(sum(answer.status == 202 for answer in answers) == 1 and all(answer.status in (202, 400, 503) for answer in answers), "one of sixteen", sorted(answer.status for answer in answers))
        must(count(address) == 1, "one account")
        roles = lab.sql(f"SELECT roles FROM users WHERE email_canonical = '{address}'", op)[0][0]
        must(json.loads(roles) == ["editor"], "with the roles of the invitation", roles)
    problem(take(address, token), 400, "link_invalid")
    # It is worth what whoever made it may do when it is taken up, on every replica of that moment.
    for taken in ("disabled", "deleted", "role"):
        email, maker = api_person(lab, "user_admin", op=op)
        at = "/v1/users/" + urllib.parse.quote(email)
        address = new_address(lab)
        must(call(lab, "POST", "/v1/invitations", maker, {"email": address, "roles": ["user_admin"]}, op=op).status == 202, "the invitation")
        token = token_in(mail_to_of(op, address, SIGN_UP))
        done = {"disabled": lambda: call(lab, "POST", at + "/disable", owner, op=op), "deleted": lambda: call(lab, "DELETE", at, owner, op=op), "role": lambda: call(lab, "PATCH", at, owner, {"roles": []}, op=op)}[taken]()
        must(done.status in (200, 204), taken, done)
        problem(take(address, token), 400, "link_invalid")
        must(count(address) == 0, f"an account by an invitation whose maker was {taken}")
    # It is nothing to another purpose.
    problem(call(lab, "POST", "/v1/registration/verify", body={"token": invited()[1]}, op=op), 400, "link_invalid")
    problem(call(lab, "POST", "/v1/registration/reset", body={"token": invited()[1], "password": SECRET}, op=op), 400, "link_invalid")


def mail_to_of(op, address: str, path: str) -> str:
    return mail_to(type("One", (), {"replicas": lambda self: [op]})(), address, path)


def RG_13(lab):
    """which passwords are taken, and what a large one costs"""
    mark = secrets.token_hex(3)
    good = ["x7#kPw2!", f"sieben Zwerge laufen {mark}"[:64].ljust(64, "ü"), ("correct horse battery staple " * 5)[:128], "     spaces only around words     ", "🦜🌵🥘🎻🪕🧉🦙🏔️", "zwölf boxkämpfer", "einfachnurkleinebuchstaben", "tres tristes tigres 99"]
    bad = {"seven characters": "x7#kPw2", "one of the commonest": "password123", "one of the commonest, in capitals": "PASSWORD", "a sequence": "abcdefgh12345678", "one character": "aaaaaaaaaaaaaaaa", "the product": "portero2026", "empty": "", "known from breaches": "iloveyou2"}
    for password in good:
        answer = call(lab, "POST", "/v1/registration", body={"email": new_address(lab), "password": password})
        must(answer.status == 202, f"{password[:20]!r} is refused", answer)
    for why, password in bad.items():
        answer = call(lab, "POST", "/v1/registration", body={"email": new_address(lab), "password": password})
        problem(answer, 400, "invalid_request")
        must(answer.json()["errors"][0]["pointer"] == "/password", f"{why}: the field", answer)
        _, answer = sign_up(lab, new_address(lab), secret=password or "x" * 7)
        must(answer.status == 400, f"{why} on the page", answer)
    address = new_address(lab)
    problem(call(lab, "POST", "/v1/registration", body={"email": address, "password": address}), 400, "invalid_request")
    # A megabyte is refused before anything is computed.
    for path, body in (("/v1/registration", {"email": new_address(lab), "password": "a" * 1_000_000}), ("/v1/registration", {"email": new_address(lab), "password": "a" * 20_000})):
        began = time.monotonic()
        answer = call(lab, "POST", path, body=body)
        must(answer.status in (400, 413) and time.monotonic() - began < 1, "a password of a megabyte", answer)
    answer = lab.op.token(lab.client("password"), grant_type="password", username="nobody@example.org", password="a" * 20_000)
    oauth_error(answer, (400, 413), ("invalid_grant", "invalid_request"))


def RG_14(lab):
    """what is stored of a password, and what becomes of a hash that is old or broken"""
    two = [lab.person(), lab.person()]
    stored = [lab.sql(f"SELECT password_hash FROM users WHERE email_canonical = '{email}'")[0][0] for email in two]
    for one in stored:
        found = re.fullmatch(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]{22,})\$([A-Za-z0-9+/]{43,})", one)
        # OWASP's least: 19 MiB, two rounds.
        must(found and int(found[1]) >= 19456 and int(found[2]) >= 2, "Argon2id at the current cost", one[:40])
    must(stored[0].split("$")[4] != stored[1].split("$")[4], "a salt for each")

    def set_hash(email, value):
        lab.sql(f"UPDATE users SET password_hash = '{value}' WHERE email_canonical = '{email}'")

    def get_hash(email):
        return lab.sql(f"SELECT password_hash FROM users WHERE email_canonical = '{email}'")[0][0]

    import hashlib

    weak = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt5alt", 1000)
    set_hash(two[0], f"pbkdf2_sha256$1000$salt5alt${base64.b64encode(weak).decode()}")
    must(not signs_in(lab, two[0], PASSWORD + "x") and get_hash(two[0]).startswith("pbkdf2"), "a wrong password replaces nothing")
    must(signs_in(lab, two[0], PASSWORD) and get_hash(two[0]).startswith("$argon2id$v=19$m="), "an old hash is replaced at the first sign-in", get_hash(two[0])[:30])
    must(signs_in(lab, two[0], PASSWORD), "and the new one is of the same password")
    for broken in ("", "x", "$argon2id$", stored[1][:-1], stored[1].replace("m=", "m=9999999"), stored[1].replace("$v=19", ""), "$argon2id$v=19$m=19456,t=2,p=1$$", "$2b$99$abcdefghijklmnopqrstuu0123456789012345678901234567890", "scrypt:1:1:1$x$y", "pbkdf2_sha256$-1$a$b", "pbkdf2_sha256$99999999999$a$YQ==", "plain:" + PASSWORD, PASSWORD):
        set_hash(two[1], broken)
        must(not signs_in(lab, two[1], PASSWORD), f"a stored {broken[:20]!r} opens")
    set_hash(two[1], stored[1])
    must(signs_in(lab, two[1], PASSWORD), "the right one again")


def RG_15(lab):
    """user names that look like another, or like the house"""
    name = f"mapache{secrets.token_hex(3)}"
    address = new_address(lab)
    must(register(lab, address, username=name).status == 202, "a plain name")
    confirm(lab, address)
    for twin in (name.upper(), f" {name} ", name.replace("m", "\uff4d"), name.title()):
        problem(register(lab, new_address(lab), username=twin), 409, "taken")
    for bad in (f"{name} x", f"{name}\u200b", f"{name}\u202e", "a@b", f"{name}\x00", f".{name}", f"{name}/x", "\u0430" + name[1:], "m\u0430pache", "\u03bfwner", "pe\u0455o"):
        problem(register(lab, new_address(lab), username=bad), 400, "invalid_request")
    for reserved in ("admin", "Administrator", "ROOT", "support", "soporte", "security", "postmaster", "\uff41dmin", "portero", "owner", "system"):
        answer = register(lab, new_address(lab), username=reserved)
        must(answer.status in (400, 409), f"the name {reserved!r}", answer)
    for fine in ("\u0430\u043d\u043d\u0430" + name[-6:].translate({ord(c): None for c in "abcdef"}), "\u4eba\u540d" + name[-6:], "mar\u00eda" + name[-6:], "administradora" + name[-6:]):
        must(register(lab, new_address(lab), username=fine).status == 202, f"the name {fine!r}")


def RG_16(lab):
    """sign-up leads nowhere outside, and from a flow back into that flow, once"""
    for trick in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        browser = Browser(lab.op)
        names = ("next", "redirect", "redirect_uri", "return_to", "to", "continue", "url")
        page = browser.request("GET", SIGN_UP + "?" + urllib.parse.urlencode({name: trick for name in names}))
        for place in page.page.links + [form.action or "" for form in page.page.forms]:
            where = urllib.parse.urlsplit(urllib.parse.urljoin(page.url, place))
            must(where.scheme in ("http", "https") and where.netloc == urllib.parse.urlsplit(lab.op.issuer).netloc, "the page leads away", place)
        target, fields = hidden(page, "sign-up-submit")
        answer = browser.request("POST", target, form={**fields, "email": new_address(lab), "password": SECRET, **{name: trick for name in names}})
        must(answer.status == 303 and browser.at_home(answer.location) and "evil" not in answer.location, "it leads away", answer)
    third, browser, address = lab.client("third"), Browser(lab.op), new_address(lab)
    url = lab.request(third, state="where-i-was")
    page = sign_in_page(browser.get(url))
    link = next(link for link in page.page.links if "/sign-up" in link)
    target, fields = hidden(browser.get(urllib.parse.urljoin(page.url, link)), "sign-up-submit")
    waiting = browser.follow(browser.request("POST", target, form={**fields, "email": address, "password": SECRET}))
    target, fields = hidden(waiting, "verify-submit")
    done = browser.follow(browser.request("POST", target, form={**fields, "code": code_in(mail_to(lab, address, VERIFY))}))
    must(done.page.has("verify-done"), "confirmed", done)
    back = next(link for link in done.page.links if "/sign-in" in link)
    consent = consent_page(browser.sign_in(sign_in_page(browser.get(urllib.parse.urljoin(done.url, back))), address, SECRET))
    callback = browser.callback(browser.submit(consent, "consent-allow"))
    must(callback and callback.params.get("state") == "where-i-was" and "code" in callback.params, "back to the app that asked", callback and callback.params)
    again = browser.get(urllib.parse.urljoin(done.url, back))
    must(browser.callback(again) is None and again.status in (200, 400, 403, 404), "the flow is over", again)


def RG_17(lab):
    """a fresh server has nobody in it whom everybody knows, and its first owner needs the operator's link"""
    for production in (False, True):
        with Portero(lab.store, production=production) as fresh:
            rows = lab.sql("SELECT email, owner, roles FROM users", fresh)
            must(not any(str(row[1]).lower() in ("1", "t", "true") or "owner" in row[2] for row in rows), "somebody owns it from the start", rows)
            must(not (production and rows), "people in production", rows)
            clients = fresh.cli("client", "list")
            must(not (production and clients), "clients in production", clients)
            # In production the limits are on: thirty sign-ins a minute.
            for name in ("admin", "root", "demo", "demo@portero.example", "admin@example.org"):
                for password in (name, "admin", "password", "portero", "changeme"):
                    must(not signs_in(lab, name, password, fresh), f"{name} / {password} signs in")
            answer = fetch("GET", fresh.at("/setup"), connect=fresh.port)
            must(answer.status in (200, 400, 403, 404) and "setup-submit" not in answer.text, "the set-up page without its link", answer)
            for token in ("", "x", "1.x", "0" * 43, "admin", "A" * 120):
                answer = fetch("GET", fresh.at(f"/setup?token={token}"), connect=fresh.port)
                must("setup-submit" not in answer.text, f"the set-up page opens to {token!r}", answer)
                browser = Browser(fresh)
                answer = browser.request("POST", "/setup", form={"token": token, "email": "eve@example.org", "name": "Eve", "password": SECRET})
                must(answer.status in (400, 403, 404), f"set-up with {token!r}", answer)
            must(not any("eve@" in row[0] for row in lab.sql("SELECT email FROM users", fresh)), "nobody was made")


def RG_18(lab):
    """somebody signed up with another's address first: whoever is sure of it takes it, and nothing of the first opens anything"""
    _, owner = api_person(lab, "owner")
    theirs = "nine copper kettles whistle"
    WATCH.typed.add(theirs)
    here = "/v1/users/"

    def made(address):
        return call(lab, "POST", "/v1/users", owner, {"email": address, "email_verified": True})

    def invited(address):
        must(call(lab, "POST", "/v1/invitations", owner, {"email": address, "roles": []}).status == 202, "the invitation")
        token = token_in(mail_to(lab, address, "/sign-up?token="))
        return call(lab, "POST", "/v1/registration", body={"email": address, "password": theirs, "invitation": token})

    def commanded(address):
        lab.op.user(address.upper(), theirs)

    def brought(address):
        file = lab.op.home / f"rows-{secrets.token_hex(4)}.jsonl"
        file.write_text(json.dumps({"external_id": "1", "email": address, "email_verified": True}) + "\n")
        done = lab.op.run("user", "import", str(file), "--source", f"s{secrets.token_hex(4)}")
        must(done.returncode == 0, "the import", done.stdout + done.stderr)

    for way in (made, invited, commanded, brought):
        address = new_address(lab)
        browser, answer = sign_up(lab, address, username=f"n{secrets.token_hex(6)}")
        waiting = browser.follow(answer)
        welcome = mail_to(lab, address, VERIFY)
        must(call(lab, "POST", "/v1/registration/request-reset", body={"identifier": address}).status == 202, "a reset is asked for")
        reset = token_in(mail_to(lab, address, "/recover/reset"))
        before = call(lab, "GET", here + urllib.parse.quote(address), owner).json()["id"]
        answer = way(address)
        must(answer is None or answer.status in (201, 202), f"{way.__name__}: kept out by a sign-up that nobody confirmed", answer)
        after = call(lab, "GET", here + urllib.parse.quote(address), owner)
        must(after.status == 200 and after.json()["id"] != before, f"{way.__name__}: the id of the one before", after)
        for path, body in (("verify", {"token": token_in(welcome)}), ("reset", {"token": reset, "password": SECRET})):
            problem(call(lab, "POST", f"/v1/registration/{path}", body=body), 400, "link_invalid")
        target, fields = hidden(waiting, "verify-submit")
        late = browser.request("POST", target, form={**fields, "code": code_in(welcome)})
        must(late.status == 400, f"{way.__name__}: the code of the one before", late)
        must(not signs_in(lab, address, SECRET), f"{way.__name__}: the password of the one before")
        if way in (invited, commanded):
            must(signs_in(lab, address, theirs), f"{way.__name__}: their own")
        told = lab.sql(f"SELECT result, reason FROM audit WHERE act = 'user.delete' AND subject = 'user:{before}'")
        must(told == [["done", "made_room"]], f"{way.__name__}: the trail", told)
        # The other way round nobody makes room: who is there stays, confirmed or not.
        sign_up(lab, address)
        must(call(lab, "GET", here + urllib.parse.quote(address), owner).json()["id"] == after.json()["id"], f"{way.__name__}: a sign-up took the place of somebody")
    # At the very moment at which somebody confirms: one of the two, and no fault.
    outcomes = set()
    for n in range(max(6, ROUNDS // 4)):
        address = new_address(lab)
        sign_up(lab, address)
        token = token_in(mail_to(lab, address, VERIFY))
        before = call(lab, "GET", here + urllib.parse.quote(address), owner).json()["id"]
        shots = []
        for k in range(8):
            op = lab.replicas()[(n + k) % len(lab.replicas())]
            administrator = k == n % 8
            path, sent = ("/v1/users", {"email": address}) if administrator else ("/v1/registration/verify", {"token": token})
            body = json.dumps(sent).encode()
            head = f"POST {path} HTTP/1.1\r\nHost: {urllib.parse.urlsplit(op.issuer).netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            shot = Shot(op, "POST", path, {})
            shot.raw = (head + (f"Authorization: Bearer {owner}\r\n" if administrator else "") + "\r\n").encode() + body
            shots.append(shot)
        answers = lab.volley.fire(shots)
        won = answers[n % 8].status
        confirmed = [answer.status for k, answer in enumerate(answers) if k != n % 8].count(204)
        must((won, confirmed) in ((201, 0), (409, 1)), "one of the two", [answer.status for answer in answers])
        there = call(lab, "GET", here + urllib.parse.quote(address), owner).json()
        must((there["id"] == before) == (won == 409) and accounts(lab, address) == 1, "and its account", there)
        must(signs_in(lab, address, SECRET) == (won == 409), "with its password")
        outcomes.add(won)
    must(outcomes <= {201, 409}, "outcomes", outcomes)
    # Whoever took an account over cannot keep its address from coming back by signing up with it.
    victim = lab.signed_in()
    moved = new_address(lab)
    must(fill(victim, "/account/email", "change-email-submit", email=moved, current=PASSWORD).status == 303, "another address")
    undo = token_in(mail_to(lab, victim.email, "/account/email/undo"))
    problem_free = call(lab, "POST", "/v1/registration/confirm-email-change", body={"token": token_in(mail_to(lab, moved, "/account/email/confirm"))})
    must(problem_free.status == 204, "the new address is in force", problem_free)
    sign_up(lab, victim.email)
    back = call(lab, "POST", "/v1/registration/undo-email-change", body={"token": undo})
    must(back.status == 204 and accounts(lab, victim.email) == 1, "the old address comes back", back)
    must(accounts(lab, moved) == 0, "to its account")


def RG_19(lab):
    """a password that is known from breaches is refused at every door where one is chosen, and told where it opens"""
    import hashlib

    import ac
    import pr

    # By no other rule: long, and of words that nobody guesses.
    known = f"nine herons walk {secrets.token_hex(4)} at dusk"
    other = f"nine herons walk {secrets.token_hex(4)} at dawn"
    folder = lab.op.home
    (folder / "seen.txt").write_text(hashlib.sha1(known.encode()).hexdigest().upper() + ":7\n")
    built = lab.op.run("passwords", "build", str(folder / "seen.txt"), str(folder / "seen.bin"))
    must(built.returncode == 0, "the file of breached passwords", built.stderr)
    with Portero(lab.store, env={"PORTERO_PASSWORDS__BREACHED": str(folder / "seen.bin")}) as op:
        one = type("One", (), {"replicas": lambda self: [op], "op": op, "store": lab.store})()
        WATCH.typed |= {known, other, PASSWORD}
        _, owner = api_person(lab, "owner", op=op)
        address, token = api_person(lab, op=op)
        browser = lab.signed_in(op, address)
        link = pr.link_for(one, address)
        ways = {
            "sign-up by the API": lambda word: call(lab, "POST", "/v1/registration", body={"email": new_address(lab), "password": word}, op=op),
            "sign-up on the page": lambda word: fill(Browser(op), SIGN_UP, "sign-up-submit", email=new_address(lab), password=word),
            "an administrator": lambda word: call(lab, "POST", "/v1/users", owner, {"email": new_address(lab), "password": word}, op=op),
            "a change by the API": lambda word: call(lab, "POST", "/v1/me/password", token, {"current_password": PASSWORD, "new_password": word}, op=op),
            "a change on the page": lambda word: fill(browser, ac.PASSWORD_PAGE, "change-password-submit", current=PASSWORD, password=word),
            "a reset by the API": lambda word: call(lab, "POST", "/v1/registration/reset", body={"token": link, "password": word}, op=op),
            "a reset on the page": lambda word: fill(Browser(op), f"{pr.RESET}?token={link}", "reset-submit", password=word),
        }
        for name, choose in ways.items():
            for why, word in {"known from breaches": known, "one of the commonest": "password123", "too short": "x7#kPw2"}.items():
                answer = choose(word)
                must(answer.status == 400, f"{name} takes a password that is {why}", answer)
        must(signs_in(lab, address, PASSWORD, op), "nothing was changed")
        made = op.run("user", "create", "--email", new_address(lab), "--password-stdin", stdin=known + "\n")
        must(made.returncode != 0, "the command line takes it", made.stdout)
        for name in ("a change on the page", "sign-up by the API", "an administrator"):
            must(ways[name](other).status in (201, 202, 303), f"{name} takes a good one")
        # Whoever has one already comes in, and is told.
        imported = new_address(lab)
        stored = f"pbkdf2_sha256$1000$salt5alt${base64.b64encode(hashlib.pbkdf2_hmac('sha256', known.encode(), b'salt5alt', 1000)).decode()}"
        file = op.home / "one.jsonl"
        file.write_text(json.dumps({"external_id": "1", "email": imported, "email_verified": True, "password_hash": stored}) + "\n")
        must(op.run("user", "import", str(file), "--source", "old").returncode == 0, "the import")
        for _ in range(2):
            must(signs_in(lab, imported, known, op), "an older password opens")
        mail_to(one, imported, ac.PASSWORD_PAGE)
        time.sleep(1.0)
        must(sum(to == imported for to, _, _ in mails(one)) == 1, "told once")


def RG_20(lab):
    """another address: nothing before its confirmation, nothing by a link that is out of date, and the old one has the last word"""
    import ac

    web = lab.client("web")
    row = lambda address: lab.sql(f"SELECT email_verified, credential_revision FROM users WHERE email_canonical = '{address}'")

    def asked(browser, wanted, password=PASSWORD):
        answer = fill(browser, ac.EMAIL_PAGE, "change-email-submit", email=wanted, current=password)
        must(answer.status == 303, "asked for", answer)
        return token_in(mail_to(lab, wanted, f"{ac.EMAIL_PAGE}/confirm")), token_in(mail_to(lab, browser.email, f"{ac.EMAIL_PAGE}/undo"))

    confirm_it = lambda token, op=None: call(lab, "POST", "/v1/registration/confirm-email-change", body={"token": token}, op=op)
    undo_it = lambda token, op=None: call(lab, "POST", "/v1/registration/undo-email-change", body={"token": token}, op=op)
    # A change that waits ends with the password from which it was asked.
    browser, wanted = lab.signed_in(), new_address(lab)
    link, _ = asked(browser, wanted)
    must(row(browser.email) and not row(wanted) and not signs_in(lab, wanted, PASSWORD) and signs_in(lab, browser.email, PASSWORD), "nothing changes yet")
    WATCH.typed.add(SECRET)
    must(fill(browser, ac.PASSWORD_PAGE, "change-password-submit", current=PASSWORD, password=SECRET).status == 303, "another password")
    for op in lab.replicas():
        problem(confirm_it(link, op), 400, "link_invalid")
    must(row(browser.email) and not row(wanted), "a change that was asked for before the password changed is made")
    # Two that wait: the second is out of date when the first is made, in whichever order.
    first, second = new_address(lab), new_address(lab)
    links = [asked(browser, one, SECRET)[0] for one in (first, second)]
    must(confirm_it(links[1]).status == 204, "the second of two")
    problem(confirm_it(links[0]), 400, "link_invalid")
    must(row(second) and not row(first), "the one that was confirmed")
    # A confirmation is for the address to which it went.
    _, owner = api_person(lab, "owner")
    unproved, moved = lab.person(verified=False), new_address(lab)
    must(call(lab, "POST", "/v1/registration/resend", body={"email": unproved}).status == 202, "the mail is sent again")
    stale = token_in(mail_to(lab, unproved, VERIFY))
    must(call(lab, "PATCH", "/v1/users/" + urllib.parse.quote(unproved), owner, {"email": moved}).status == 200, "another address")
    problem(call(lab, "POST", "/v1/registration/verify", body={"token": stale}), 400, "link_invalid")
    must(str(row(moved)[0][0]).lower() in ("0", "f", "false"), "an address is confirmed by the mail that went to another")
    # Somebody takes an account over: another address, another password. The old address brings it back, and everything of the thief is dead.
    thief, taken = lab.signed_in(), new_address(lab)
    victim = thief.email
    link, undo = asked(thief, taken)
    must(confirm_it(link).status == 204 and row(taken) and not row(victim), "taken over")
    thief.email = taken
    must(fill(thief, ac.PASSWORD_PAGE, "change-password-submit", current=PASSWORD, password=SECRET).status == 303, "another password, too")
    tokens = [lab.tokens(thief, web, scope=scope, prompt="consent") for scope in ("openid offline_access", "openid")]
    waiting = new_address(lab)
    link, _ = asked(thief, waiting, SECRET)
    must(undo_it(undo).status == 204, "the way back")
    must(row(victim) and not row(taken), "the old address is there again")
    for op in lab.replicas():
        for one in tokens:
            lab.must_be_dead(web, one, "whoever took the account over", op)
    nobody(lab, thief, "the session of whoever took the account over")
    problem(confirm_it(link), 400, "link_invalid")
    must(not row(waiting), "a change that waited was made after all")
    must(not signs_in(lab, victim, SECRET) and not signs_in(lab, taken, SECRET), "the thief's password opens it")
    must(mail_to(lab, victim, "/recover/reset"), "the owner chooses another password")
    problem(undo_it(undo), 400, "link_invalid")
