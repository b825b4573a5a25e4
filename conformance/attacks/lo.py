"""LO: logout. Nobody is signed out who did not ask for it, and nothing of a session is left after it."""

import forge
from lab import *


def _logout(op, **params):
    return op.at(LOGOUT) + ("?" + urllib.parse.urlencode({k: v for k, v in params.items() if v is not None}) if params else "")


def _asks(response):
    must(response.status == 200 and response.page.has("sign-out-submit"), "the page that asks first is due", response)
    return response


def LO_01(lab):
    """without a hint the person is asked first, whoever sends the request"""
    op, web = lab.op, lab.client("web")
    browser = lab.signed_in()
    cross = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image", "Accept": "image/*"}
    for params in ({}, {"client_id": web["client_id"]}, {"client_id": web["client_id"], "post_logout_redirect_uri": BYE, "state": "s"}):
        _asks(browser.request("GET", _logout(op, **params)))
        browser.request("GET", _logout(op, **params), headers=image)
        for form in (params, {**params, "confirmed": "yes"}, {**params, "confirmed": "yes", "csrf": "x"}):
            response = browser.request("POST", op.at(LOGOUT), form=form, headers=cross)
            must(response.status in (200, 400, 403) and not response.page.has("signed-out"), "a form from elsewhere", response)
        somebody(lab, browser, "the session ended without the person's word")
    page = _asks(browser.request("GET", _logout(op)))
    target, fields = hidden(page, "sign-out-submit")
    must(browser.request("POST", target, form=fields, headers=cross).status == 403, "the confirmed form from elsewhere")
    other = lab.signed_in()
    must(other.request("POST", target, form=fields).status in (400, 403), "the confirmed form of another session")
    somebody(lab, browser, "the session ended")
    somebody(lab, other, "the other session ended")
    must(browser.submit(page, "sign-out-submit").page.has("signed-out"), "the person's own word")


def LO_02(lab):
    """a post-logout redirect that is not registered is not followed"""
    op, web = lab.op, lab.client("web")
    for uri in ("https://evil.example/", BYE + "?x=1", BYE + "/", BYE + "#f", BYE.upper(), "https://app.example/", CB, "javascript:alert(1)", "//app.example/bye", "https://app.example@evil.tld/bye", "https://app.example/bye/../evil"):
        for with_hint in (True, False):
            browser = lab.signed_in()
            hint = lab.tokens(browser)["id_token"] if with_hint else None
            response = browser.request("GET", _logout(op, id_token_hint=hint, client_id=web["client_id"], post_logout_redirect_uri=uri, state="s"))
            must(response.location is None or browser.at_home(response.location), f"{uri!r} is followed", response)
            if response.page.has("sign-out-submit"):
                response = browser.submit(response, "sign-out-submit")
                must(response.location is None or browser.at_home(response.location), f"{uri!r} is followed after the confirmation", response)
            must(f'href="{uri}"' not in response.text and "javascript:" not in "".join(response.page.links), f"{uri!r} stands as a link", response)
            if uri != "https://evil.example/":
                break
    # Of another client: registered, but not there.
    other = lab.new_client(redirect_uri=CB, post_logout_redirect_uri="https://second.example/bye", first_party=True)
    browser = lab.signed_in()
    hint = lab.tokens(browser)["id_token"]
    response = browser.request("GET", _logout(op, id_token_hint=hint, post_logout_redirect_uri=other["post_logout_redirect_uris"][0]))
    must(response.location is None or browser.at_home(response.location), "another client's post-logout URI is followed", response)
    # The right one, with state byte for byte.
    browser = lab.signed_in()
    hint = lab.tokens(browser)["id_token"]
    response = browser.sign_out(_logout(op, id_token_hint=hint, post_logout_redirect_uri=BYE, state='"><x>&=é'))
    must((response.location or "").startswith(BYE + "?") and query(response.location) == {"state": '"><x>&=é'}, "the registered one", response)


def LO_03(lab):
    """forged hints, and hints of other people, end nobody's session"""
    op = lab.op
    browser, other = lab.signed_in(), lab.signed_in()
    own, theirs = lab.tokens(browser), lab.tokens(other)
    header, claims = rig.jwt_header(own["id_token"]), rig.jwt_claims(own["id_token"])
    hints = {
        "modified": rig.tampered(own["id_token"]), "unsigned": forge.unsigned("none", header, claims), "another key": forge.rs256(header, claims), "another issuer": forge.rs256(header, {**claims, "iss": "https://evil.example"}),
        "another person's": theirs["id_token"], "an access token": own["access_token"], "a refresh token": own["refresh_token"], "garbage": "x.y.z", "null": forge.part(b"null") + "..",
    }  # fmt: skip
    for name, hint in hints.items():
        for method in ("GET", "POST"):
            params = {"id_token_hint": hint, "post_logout_redirect_uri": BYE, "state": "s"}
            response = browser.request("GET", _logout(op, **params)) if method == "GET" else browser.request("POST", op.at(LOGOUT), form=params)
            must(response.status in (200, 400) and not response.page.has("signed-out"), f"a hint that is {name}", response)
        must(somebody(lab, browser, "the session")["sub"] == claims["sub"], f"a hint that is {name} changed the session")
    response = browser.request("GET", _logout(op, id_token_hint=own["id_token"], client_id=lab.client("other")["client_id"], post_logout_redirect_uri=BYE))
    must(response.status in (200, 400) and not response.page.has("signed-out"), "client_id is another than the hint's", response)
    somebody(lab, browser, "client_id beside another client's hint ended the session")
    somebody(lab, other, "another person's session ended")


def LO_04(lab):
    """after a sign-out the old cookie, form token and pages are worth nothing"""
    op = lab.op
    browser = lab.signed_in()
    tokens = lab.tokens(browser)
    page = consent_page(browser.get(lab.request(lab.client("third"))))
    before = with_cookies(browser)
    must("no-store" in page.header("cache-control"), "a page that Back would show")
    out = browser.sign_out(op.at(LOGOUT))
    must(out.page.has("signed-out") and "no-store" in out.header("cache-control"), "the page after the sign-out", out)
    for copy in (browser, before):
        nobody(lab, copy, "after the sign-out")
        sign_in_page(copy.get(lab.request(lab.client("web"))))
        response = copy.get(page.url)
        must(not response.page.has("consent-allow") and copy.callback(response) is None, "the consent page opens again", response)
    target, fields = hidden(page, "consent-allow")
    for copy in (browser, before):
        response = copy.follow(copy.request("POST", target, form=fields))
        must(copy.callback(response) is None, "the consent form of an ended session is taken", response)
    must(op.userinfo(tokens["access_token"]).status == 401, "the session's access token")
    oauth_error(lab.refresh(lab.client("web"), tokens["refresh_token"]), 400, "invalid_grant")
