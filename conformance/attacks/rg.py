"""RG: sign-up and confirming an address, on the pages. The mails are those that the development server writes into its folder."""

import email as mime
import email.policy

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


def RG_01(lab):
    """a taken address looks like a free one"""
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
