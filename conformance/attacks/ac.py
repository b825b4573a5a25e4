"""Rows of several areas whose way leads through one's own account: withdrawing an app, changing password and address, the account's end."""

from lab import *
from pr import NEW, signs_in
from rg import SECRET, confirm, fill, mail_to, mails, sign_up, token_in

ACCOUNT, PASSWORD_PAGE, EMAIL_PAGE, DELETE_PAGE = "/account", "/account/password", "/account/email", "/account/delete"


def RT_12(lab):
    """the person withdraws the app: everything of it is dead on every replica"""
    browser, client = lab.signed_in(), lab.client("third")
    tokens = lab.tokens(browser, client, scope="openid offline_access api:read", prompt="consent")
    page = browser.request("GET", ACCOUNT)
    target, fields = hidden(page, "end-all")
    fields.pop("act", None)
    done = browser.request("POST", target, form={**fields, "act": "disconnect", "client": client["client_id"]})
    must(done.status == 303, "the app is disconnected", done)
    for op in lab.replicas():
        lab.must_be_dead(client, tokens, "a withdrawn app", op)


def TJ_12(lab):
    """a deleted person's address belongs to somebody new afterwards"""
    browser, client = lab.signed_in(), lab.client("web")
    before = lab.tokens(browser, client, scope="openid email offline_access", prompt="consent")
    old = rig.jwt_claims(before["id_token"])["sub"]
    done = fill(browser, DELETE_PAGE, "delete-account-submit", current=PASSWORD)
    must(done.status == 200 and done.page.has("deleted"), "the account is deleted", done)
    lab.must_be_dead(client, before, "a deleted person")
    sign_up(lab, browser.email)
    must(not signs_in(lab, browser.email, SECRET), "nothing opens before the address is confirmed")
    confirm(lab, browser.email)
    again = Browser(lab.op)
    target, fields = hidden(again.request("GET", "/sign-in"), "sign-in-submit")
    must(again.request("POST", target, form={**fields, "username": browser.email, "password": SECRET}).status == 303, "somebody new signs in")
    again.email = browser.email
    after = lab.tokens(again, client, scope="openid email offline_access", prompt="consent")
    must(rig.jwt_claims(after["id_token"])["sub"] != old, "with another sub")
    oauth_error(lab.refresh(client, before["refresh_token"]), 400, "invalid_grant")


def SE_15(lab):
    """what is sensitive needs the password, whatever the session"""
    browser = lab.signed_in()
    for path, button, fields in (
        (PASSWORD_PAGE, "change-password-submit", {"password": NEW}),
        (EMAIL_PAGE, "change-email-submit", {"email": f"new-{browser.email}"}),
        (DELETE_PAGE, "delete-account-submit", {}),
    ):
        for current in ("", "certainly not this one"):
            must(fill(browser, path, button, current=current, **fields).status == 400, f"{path} without the password")
        target, found = hidden(browser.request("GET", path), button)
        left_out = {name: value for name, value in found.items() if name != "current"}
        must(browser.request("POST", target, form={**left_out, **fields}).status == 400, f"{path} with the field left out")
    must(signs_in(lab, browser.email, PASSWORD), "nothing changed")
    must(int(lab.sql(f"SELECT count(*) FROM users WHERE email_canonical = '{browser.email}'")[0][0]) == 1, "nor was anything deleted")


def SE_16(lab):
    """a password changes only with the present one, and then ends the other sessions"""
    browser = lab.signed_in()
    other, web = lab.signed_in(email=browser.email), lab.client("web")
    tokens = [lab.tokens(one, web, scope="openid offline_access", prompt="consent") for one in (browser, other)]
    for current in ("", "null", "certainly not this one", PASSWORD + "x"):
        answer = fill(browser, PASSWORD_PAGE, "change-password-submit", current=current, password=NEW)
        must(answer.status == 400 and answer.page.has("change-password-title"), f"the present password {current!r}", answer)
    must(not signs_in(lab, browser.email, NEW), "unchanged")
    WATCH.typed.add(NEW)
    must(fill(browser, PASSWORD_PAGE, "change-password-submit", current=PASSWORD, password=NEW).status == 303, "the right one")
    nobody(lab, other, "another session")
    somebody(lab, browser, "the session in which it was changed goes on")
    for one in tokens:
        for op in lab.replicas():
            lab.must_be_dead(web, one, "a changed password", op)
    must("was changed" in mail_to(lab, browser.email, "/recover"), "the owner is told")


def ST_03(lab):
    """one of two people who change to one address has it"""
    for _ in range(max(2, ROUNDS // 8)):
        wanted = f"w{secrets.token_hex(6)}@example.org"
        people, shots = [lab.signed_in(), lab.signed_in()], []
        for browser in people:
            must(fill(browser, EMAIL_PAGE, "change-email-submit", email=wanted, current=PASSWORD).status == 303, "asked for")
        until, tokens = time.monotonic() + 10, set()
        while len(tokens) < 2:
            must(time.monotonic() < until, "two mails are due")
            tokens = {token_in(text) for to, _, text in mails(lab) if to == wanted and EMAIL_PAGE in text}
            time.sleep(0.1)
        for n, token in enumerate(tokens):
            op = lab.replicas()[n % len(lab.replicas())]
            reader = Browser(op)
            target, fields = hidden(reader.request("GET", f"{EMAIL_PAGE}/confirm?token={token}"), "confirm-email-submit")
            headers = {"Cookie": reader.cookie_header(EMAIL_PAGE), "Origin": reader.origin, "Sec-Fetch-Site": "same-origin"}
            shots.append(Shot(op, "POST", target, fields, headers))
        statuses = sorted(answer.status for answer in lab.volley.fire(shots))
        must(statuses == [303, 400], "one owner, and a refusal", statuses)
        rows = lab.sql(f"SELECT email_verified FROM users WHERE email_canonical = '{wanted}'")
        must(len(rows) == 1 and str(rows[0][0]).lower() in ("1", "t", "true"), "the winner's address is confirmed", rows)
