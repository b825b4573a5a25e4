"""PR: a forgotten password, on the pages."""

from lab import *
from rg import code_in, fill, like, mail_to, mails, token_in

RECOVER, RESET = "/recover", "/recover/reset"
NEW = "forty quiet herons walking"


def asked_for(lab, typed: str, op=None, headers=None) -> tuple[Browser, Response]:
    browser = Browser(op or lab.op)
    target, fields = hidden(browser.request("GET", RECOVER), "recover-submit")
    return browser, browser.request("POST", target, form={**fields, "username": typed}, headers=headers)


def link_for(lab, address: str) -> str:
    """The token of a fresh reset."""
    before = sum(to == address and RESET in text for to, _, text in mails(lab))
    asked_for(lab, address)
    until = time.monotonic() + 10
    while sum(to == address and RESET in text for to, _, text in mails(lab)) == before:
        must(time.monotonic() < until, "a mail is due")
        time.sleep(0.1)
    return token_in(mail_to(lab, address, RESET))


def choose(browser, token: str, password=NEW) -> Response:
    WATCH.typed.add(password)
    return fill(browser, f"{RESET}?token={token}", "reset-submit", password=password)


def signs_in(lab, address: str, password: str, op=None) -> bool:
    browser = Browser(op or lab.op)
    target, fields = hidden(browser.request("GET", "/sign-in"), "sign-in-submit")
    return browser.request("POST", target, form={**fields, "username": address, "password": password}).status == 303


def PR_01(lab):
    """known, unknown and disabled addresses look alike"""
    known, disabled = lab.person(), lab.person()
    lab.op.cli("user", "disable", disabled)
    seen = {}
    for name, typed in (("known", known), ("unknown", f"n{secrets.token_hex(5)}@example.org"), ("disabled", disabled)):
        browser, answer = asked_for(lab, typed)
        page = browser.follow(answer)
        target, fields = hidden(page, "reset-submit")
        seen[name] = [like(answer), like(page), like(browser.request("POST", target, form={**fields, "code": "000000", "password": NEW}))]
    must(seen["known"] == seen["unknown"] == seen["disabled"], "the same answers", seen)
    mail_to(lab, known, RESET)
    must(all(to != disabled or RESET not in text for to, _, text in mails(lab)), "nobody who is disabled gets a link")


def PR_02(lab):
    """links begin with the issuer, whatever host was asked"""
    for headers in ({"X-Forwarded-Host": "evil.example"}, {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example:80"}, {"Forwarded": "host=evil.example;proto=http"}):
        address = lab.person()
        _, answer = asked_for(lab, address, headers=headers)
        must(answer.status == 303, "the request is taken", answer)
        text = mail_to(lab, address, RESET)
        must("evil.example" not in text and f"{lab.op.issuer}{RESET}?token=" in text, "the link is the issuer's", text)
    address = lab.person()
    browser = Browser(lab.op)
    target, fields = hidden(browser.request("GET", RECOVER), "recover-submit")
    body = urllib.parse.urlencode({**fields, "username": address})
    parts = urllib.parse.urlsplit(target)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: evil.example\r\nOrigin: {browser.origin}\r\nSec-Fetch-Site: same-origin\r\nCookie: {browser.cookie_header(RECOVER)}\r\n"
    raw(lab.op.port, f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
    time.sleep(1.5)
    must(all("evil.example" not in text for _, _, text in mails(lab)), "no mail names another host")


def PR_03(lab):
    """of parallel uses of one link one sets its password"""
    for _ in range(max(2, ROUNDS // 8)):
        address = lab.person()
        token = link_for(lab, address)
        shots, passwords = [], [f"herons number {n} walking {secrets.token_hex(3)}" for n in range(16)]
        for n, password in enumerate(passwords):
            op = lab.replicas()[n % len(lab.replicas())]
            browser = Browser(op)
            target, fields = hidden(browser.request("GET", f"{RESET}?token={token}"), "reset-submit")
            headers = {"Cookie": browser.cookie_header(RESET), "Origin": browser.origin, "Sec-Fetch-Site": "same-origin"}
            shots.append(Shot(op, "POST", target, {**fields, "password": password}, headers))
        with WATCH.slow_wanted():
            answers = lab.volley.fire(shots)
        done = [n for n, answer in enumerate(answers) if answer.status == 303]
        must(len(done) == 1 and all(answer.status in (303, 400) for answer in answers), "one succeeds", [answer.status for answer in answers])
        must(signs_in(lab, address, passwords[done[0]]), "and its password is the one")


def PR_04(lab):
    """no step can be left out, and no other account be named"""
    address, victim = lab.person(), lab.person()
    token = link_for(lab, address)
    browser = Browser(lab.op)
    target, fields = hidden(browser.request("GET", f"{RESET}?token={token}"), "reset-submit")
    victim_id = lab.sql(f"SELECT id FROM users WHERE email_canonical = '{victim}'")[0][0]
    for forged in ({"token": ""}, {"token": "x"}, {"token": wrong(token)}, {"password": ""}, {"csrf": "x"}):
        answer = browser.request("POST", target, form={**fields, "password": NEW, **forged})
        must(answer.status in (400, 403), f"refused: {forged}", answer)
    without = {name: value for name, value in fields.items() if name != "token"}
    must(browser.request("POST", target, form={**without, "password": NEW}).status == 400, "a form without its link")
    must(browser.request("POST", target, form={**without, "handle": "x", "code": "123456", "password": NEW}).status == 400, "a code that nobody was sent")
    must(Browser(lab.op).request("POST", target, form={**fields, "password": NEW}).status == 403, "the form in another browser")
    must(not signs_in(lab, address, NEW) and not signs_in(lab, victim, NEW), "nothing changed")
    answer = browser.request("POST", target, form={**fields, "password": NEW, "user_id": victim_id, "username": victim, "email": victim})
    must(answer.status == 303 and signs_in(lab, address, NEW) and not signs_in(lab, victim, NEW), "the link's own person, whoever else is named", answer)


def PR_06(lab):
    """a reset ends sessions, refresh tokens, other links and codes, and is told"""
    signed_in = lab.signed_in()
    address, client = signed_in.email, lab.client("web")
    tokens = lab.tokens(signed_in, client, scope="openid offline_access", prompt="consent")
    other, token = link_for(lab, address), link_for(lab, address)
    waiting, answer = asked_for(lab, address)
    waiting_target, waiting_fields = hidden(waiting.follow(answer), "reset-submit")
    must(choose(Browser(lab.op), token).status == 303, "the reset")
    nobody(lab, signed_in, "the session before")
    oauth_error(lab.refresh(client, tokens["refresh_token"]), 400, "invalid_grant")
    must(Browser(lab.op).request("GET", f"{RESET}?token={token}").status == 400, "the same link")
    late = fill(Browser(lab.op), f"{RESET}?token={other}", "reset-submit", password="nine paper boats at noon")
    must(late.status == 400, "another link of before", late)
    code = code_in(mail_to(lab, address, RESET))
    late = waiting.request("POST", waiting_target, form={**waiting_fields, "code": code, "password": "nine paper boats at noon"})
    must(late.status == 400 and signs_in(lab, address, NEW), "a code of before", late)
    must("was changed" in mail_to(lab, address, RECOVER), "the owner is told")


def PR_09(lab):
    """a used link stays used when the short-lived store forgets"""
    address = lab.person()
    token = link_for(lab, address)
    browser = Browser(lab.op)
    target, fields = hidden(browser.request("GET", f"{RESET}?token={token}"), "reset-submit")
    must(browser.request("POST", target, form={**fields, "password": NEW}).status == 303, "the first use")
    if lab.store != "embedded":
        lab.redis("FLUSHDB")
    again = browser.request("POST", target, form={**fields, "password": "nine paper boats at noon"})
    must(again.status == 400 and signs_in(lab, address, NEW), "the second use", again)
