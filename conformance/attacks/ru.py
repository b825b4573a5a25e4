"""RU: redirect_uri. What is not registered byte for byte gets a page, never a redirect."""

from lab import *


def _pages(lab, client, uris):
    """Each of these gets a page, for a person who is signed in and would otherwise get a code at once."""
    browser = lab.browser()
    for uri in uris:
        response = browser.request("GET", lab.request(client, redirect_uri=uri))
        try:
            error_page(response)
        except Failed as failure:
            raise Failed(f"redirect_uri {uri[:80]!r}: {failure}") from None
        for link in response.page.links + [form.action for form in response.page.forms]:
            must(not link.strip() or urllib.parse.urljoin(response.url, link).startswith(lab.op.issuer), f"the page for {uri[:80]!r} links to {link[:80]!r}")


def _refused_at_creation(lab, **flags):
    done = lab.op.run("client", "create", "--name", "x", *lab.op._flags(flags), "--json")
    must(done.returncode in (1, 2), f"client create took {flags}", done.stdout)


def RU_01(lab):
    """an unregistered redirect_uri gets a page, and so does one that is taken away while the person signs in"""
    _pages(lab, lab.client("web"), ["https://evil.example/cb"])
    for button in ("consent-allow", "consent-deny"):
        client, browser = lab.new_client(redirect_uri=[CB, SECOND], scope="openid profile"), lab.signed_in()
        page = consent_page(browser.get(lab.request(client)))
        lab.op.cli("client", "update", client["client_id"], "--redirect-uri", SECOND)
        time.sleep(0.8)
        error_page(browser.submit(page, button), "invalid_request")


def RU_02(lab):
    """the path is compared byte by byte"""
    tails = ["/cb/", "/CB", "/cb?x=1", "/cb/../evil", "/cb/..;/evil", "/cb%2f", "/cb%00", "/cb#f", "/cb\\evil", "/cb ", "/cb\t", "/cb\n", "/%63b", "/./cb", "//cb", "/cb?", "/cb#", "/c", "/cbx", "", "/", "/cb;a=b", "/cb\x0b", "/cb\x7f", "/cb\u200b", "/cb,https://evil.example", "/cb https://evil.example/cb"]
    _pages(lab, lab.client("web"), ["https://app.example" + tail for tail in tails])


def RU_03(lab):
    """the host is compared byte by byte"""
    _pages(lab, lab.client("web"), [
        "https://app.example.evil.tld/cb", "https://app.example@evil.tld/cb", "https://app.example%40evil.tld", "https://app.example\\@evil.tld/cb",
        "https://app.example:443/cb", "https://APP.example/cb", "HTTPS://app.example/cb", "https://app.example./cb", "http://app.example/cb",
        "//app.example/cb", "https:app.example/cb", "https:///app.example/cb", "https://app.example:pw@evil.tld/cb", "https://evil.tld/https://app.example/cb",
        "https://app.еxample/cb", "https://xn--app-.example/cb", "\ufeffhttps://app.example/cb", "https://app\u3002example/cb", "https://exa\u00admple/cb", "ｈttps://app.example/cb", "https:／／app.example/cb",
        "https://@app.example/cb", "https://app.example:/cb", "https://app.example:0/cb", "https://app.example:00443/cb", "https://app.example:65536/cb", "https://[fe80::1%25eth0]/cb", urllib.parse.quote(CB, safe=""),
    ])  # fmt: skip


def _refused_by_the_api(lab, **members):
    """Neither a new client nor one that is there is given them by an administrator's API."""
    from ad import call, somebody as api_person

    if (lab.op.home, "keeper") not in lab._clients:
        lab._clients[(lab.op.home, "keeper")] = {"token": api_person(lab, "owner")[1]}
        lab._clients[(lab.op.home, "kept")] = lab.new_client(redirect_uri=CB)
    token, kept = lab._clients[(lab.op.home, "keeper")]["token"], lab._clients[(lab.op.home, "kept")]["client_id"]
    for method, path in (("POST", "/v1/clients"), ("PATCH", f"/v1/clients/{kept}")):
        answer = call(lab, method, path, token, members)
        must(answer.status == 400 and answer.header("content-type") == "application/problem+json", f"{method} {path} with {members}", answer)
    must(call(lab, "GET", f"/v1/clients/{kept}", token).json()["redirect_uris"] == [CB], "the client is as it was")


def RU_04(lab):
    """a registered URI is no pattern, and a pattern cannot be registered"""
    client = lab.new_client(redirect_uri="https://foo.example.com/cb", first_party=True)
    _pages(lab, client, ["https://fooaexample.com/cb", "https://fooXexampleXcom/cb", "https://foo.example.comm/cb"])
    for pattern in ("https://*.example/cb", "https://app.example/*", ".*", "*", "https://(a|b).example/cb", "^https://app\\.example/cb$"):
        _refused_at_creation(lab, redirect_uri=pattern)
        _refused_by_the_api(lab, redirect_uris=[pattern])


def RU_05(lab):
    """schemes that a browser runs are never registered, redirected to, or shown as a link"""
    bad = ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", "blob:https://app.example/x", "file:///etc/passwd", " javascript:alert(1)", "java\tscript:alert(1)"]
    _pages(lab, lab.client("web"), bad)
    _pages(lab, lab.client("native"), bad)
    for uri in bad:
        _refused_at_creation(lab, redirect_uri=uri)
        _refused_at_creation(lab, redirect_uri=uri, public=True)
        _refused_at_creation(lab, redirect_uri=CB, post_logout_redirect_uri=uri)
        for members in ({"redirect_uris": [uri]}, {"redirect_uris": [CB, uri]}, {"redirect_uris": [CB], "post_logout_redirect_uris": [uri]}, {"redirect_uris": [CB], "client_uri": uri}, {"redirect_uris": [CB], "logo_uri": uri}):
            _refused_by_the_api(lab, **members)


def RU_09(lab):
    """the token endpoint holds the redirect_uri of the request against the one sent"""
    code = lab.code(lab.browser(), lab.client("web"))
    for wrong_uri in (SECOND, "https://evil.example/cb", CB + "/", None):
        oauth_error(code.redeem(redirect_uri=wrong_uri), 400, "invalid_grant")
    must(code.redeem().status == 200, "the refusals consumed the code")


def RU_10(lab):
    """a loopback redirect may vary its port and nothing else"""
    native = lab.client("native")
    good = "http://127.0.0.1:51004/cb"
    browser = lab.browser()
    callback = browser.authorize(lab.request(native, redirect_uri=good), browser.email)
    must(callback.url.startswith(good + "?code="), "any port of the registered loopback address is due", callback.url)
    _pages(lab, native, [
        "http://127.0.0.1:51004/other", "http://127.0.0.1.evil.tld/cb", "http://127.0.0.1.evil.tld:51004/cb", "http://localhost:51004/cb", "http://localhost/cb",
        "http://[::1]:51004/cb", "https://127.0.0.1:51004/cb", "http://127.0.0.1:51004@evil.tld/cb", "http://127.0.0.1:@evil.tld/cb", "http://127.1:51004/cb",
        "http://2130706433:51004/cb", "http://127.0.0.1:51004/cb?x=1", "http://127.0.0.1:51004/cb#f", "http://127.0.0.1:99999/cb", "http://127.0.0.1:/cb", "http://127.0.0.2:51004/cb",
        "http://127.0.0.1:0/cb", "http://127.0.0.1:080/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1:+80/cb", "http://127.0.0.1:-1/cb", "http://127.0.0.1:８０/cb", "http://127.0.0.1: 80/cb", "http://127.0.0.1:5:6/cb",
        "http://127.0.0.1.:5/cb", "http://0x7f.1:5/cb", "http://[::ffff:127.0.0.1]:5/cb", "http://127.0.0.1:5\\@evil.tld/cb", "HTTP://127.0.0.1:5/cb", "http://127.0.0.1:5//cb", "http://127.0.0.1:5?/cb",
    ])  # fmt: skip


def _shown(response):
    """What the page says, without what is new in each answer."""
    return re.sub(r"[A-Za-z0-9_-]{16,}", "", re.sub(r"<[^>]*>", " ", response.text))


def RU_16(lab):
    """an unknown client and a disabled one get the same page, whatever else is wrong"""
    op = lab.op
    disabled = lab.new_client(redirect_uri=CB)
    op.cli("client", "update", "--disable", disabled["client_id"])
    time.sleep(0.8)
    unknown = {**disabled, "client_id": "cli_" + secrets.token_hex(16)}
    for more in ({}, {"response_type": "bogus"}, {"redirect_uri": "https://evil.example/"}, {"prompt": "none"}):
        pages = [error_page(lab.browser().request("GET", lab.request(client, **more)), "invalid_client") for client in (disabled, unknown)]
        must(_shown(pages[0]) == _shown(pages[1]), f"told apart with {more}", [_shown(page)[-300:] for page in pages])


def RU_14(lab):
    """after a password or a consent the redirect is 302 or 303, so that nothing is posted again"""
    browser, third = Browser(lab.op), lab.client("third")
    page = sign_in_page(browser.get(lab.request(third)))
    answer = browser.sign_in(page, lab.person(), PASSWORD, follow=False)
    must(answer.status in (302, 303), "the sign-in form answers", answer)
    page = consent_page(browser.follow(answer))
    answer = browser.submit(page, "consent-allow", follow=False)
    while browser.at_home(answer.location or ""):
        must(answer.status in (302, 303), "the way from the consent form", answer)
        answer = browser.request("GET", answer.location)
    must(answer.status in (302, 303) and "code=" in (answer.location or ""), "the redirect to the client", answer)


def RU_15(lab):
    """no parameter of the sign-in page, nor of the forms beside it, leads away"""
    email = lab.person()
    away = ["//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example", "\t//evil.example", "%2f%2fevil.example", "/%09/evil.example", "javascript:alert(1)", "///evil.example", "/ /evil.example", "/.//evil.example"]

    def stays(browser, response, why):
        target = response.header("location")
        if target is None:
            return
        # A browser drops tabs and line feeds, and takes a backslash for a slash, before it reads the address (WHATWG URL).
        read = re.sub(r"[\t\r\n]", "", target).replace("\\", "/").strip()
        must(read.startswith("/") and not read.startswith("//") or read.startswith(lab.op.issuer + "/"), f"{why} leads away: {target!r}")

    for target in away:
        browser = Browser(lab.op)
        names = ("next", "return", "return_to", "redirect", "redirect_uri", "continue", "url", "target", "rd")
        page = sign_in_page(browser.get(lab.op.at("/sign-in") + "?" + urllib.parse.urlencode({name: target for name in names})))
        stays(browser, browser.sign_in(page, email, PASSWORD, follow=False), f"signing in with {target!r}")
        for form in page.page.forms:
            if returning := [name for name in form.fields if name in names]:
                fields = {**form.fields, **{name: target for name in returning}, "lang": "es"}
                answer = browser.request("POST", urllib.parse.urljoin(page.url, form.action), form=fields)
                stays(browser, answer, f"the form at {form.action} with {target!r}")
