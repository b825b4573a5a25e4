"""AZ: the authorization endpoint."""

from lab import *


def AZ_01(lab):
    """response types that hand out tokens are refused"""
    browser = lab.browser()
    for response_type in ("token", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "none", "bogus"):
        for mode in (None, "fragment", "form_post"):
            response = browser.request("GET", lab.request(lab.client("web"), response_type=response_type, response_mode=mode))
            redirected(lab, response, ("unsupported_response_type", "unauthorized_client"))


def AZ_02(lab):
    """what a flow carries through the browser cannot be changed on the way"""
    third = lab.client("third")

    def shared(response):
        """The flow as the page's address carries it."""
        return urllib.parse.urlsplit(response.url), query(response.url)

    # The address of a page: identifier and MAC of another flow, or changed.
    browser, email = Browser(lab.op), lab.person()
    one, two = sign_in_page(browser.get(lab.request(third))), sign_in_page(browser.get(lab.request(third)))
    parts, params = shared(one)
    other = shared(two)[1]
    keys = [key for key in params if params[key] != other.get(key)]
    must(len(keys) >= 2, "a page's address carries the flow and a MAC", params)
    for key in keys:
        for value in (other[key], wrong(params[key]), "", params[key] + "A"):
            response = browser.get(changed(one.url, **{key: value}))
            must(not response.page.has("sign-in-submit"), f"the sign-in page opens with {key} changed")
            error_page(response, status=(400, 403, 404))
    # The hidden fields of its form.
    target, fields = hidden(one, "sign-in-submit")
    for name in fields:
        if name in keys or "csrf" in name:
            form = {**fields, "username": email, "password": PASSWORD, name: wrong(fields[name])}
            response = browser.request("POST", target, form=form)
            must(response.status in (400, 403), f"the sign-in form with {name} changed", response)
    # Parameters of the request, added to each step: they have no effect.
    evil = {"response_type": "token", "redirect_uri": SECOND, "scope": "openid api:write", "client_id": lab.client("web")["client_id"], "code_challenge": "x" * 43, "state": "evil", "response_mode": "fragment"}
    verifier, challenge = rig.pkce()
    page = sign_in_page(browser.get(lab.request(third, scope="openid", state="mine", code_challenge=challenge, code_challenge_method="S256")))
    target, fields = hidden(page, "sign-in-submit")
    response = browser.request("POST", changed(target, **evil), form={**fields, **evil, "username": email, "password": PASSWORD})
    if response.status in (302, 303):
        response = browser.follow(browser.request("GET", changed(response.location, **evil)))
    if response.status == 200:
        consent_page(response)
        target, fields = hidden(response, "consent-allow")
        response = browser.request("POST", changed(target, **evil), form={**evil, **fields, "scope": "openid api:write"})
        while response.status in (302, 303) and browser.at_home(response.location):
            response = browser.request("GET", changed(response.location, **evil))
    if response.status in (302, 303):
        must(response.location.startswith(CB + "?"), "the answer goes elsewhere", response.location)
        got = answer_params(response)
        must(got["state"] == "mine", "state was changed on the way", got)
        answer = Code(lab.op, third, got["code"], verifier, {"redirect_uri": CB}).redeem()
        must(answer.status == 200, "the code is bound to something else", answer)
        must(set(answer.json().get("scope", "openid").split()) == {"openid"}, "the scope was changed on the way", answer)
    else:
        error_page(response, status=(400, 403))


def AZ_04(lab):
    """a repeated parameter is invalid_request"""
    browser, web = lab.browser(), lab.client("web")
    values = {
        "response_type": "code", "scope": "openid", "state": "s", "nonce": "n", "code_challenge": rig.pkce()[1], "code_challenge_method": "S256", "prompt": "none", "max_age": "600", "login_hint": "a",
        "ui_locales": "en", "acr_values": "1", "response_mode": "query", "claims": "{}", "display": "page", "id_token_hint": "x",
    }  # fmt: skip
    for name, value in values.items():
        base = lab.request(web, state="s", **({name: value} if name not in ("state", "code_challenge", "code_challenge_method") else {}))
        for second in (query(base)[name], "other"):
            response = browser.request("GET", base + "&" + urllib.parse.urlencode({name: second}))
            params = answer_params(response)
            must(params.get("error") == "invalid_request", f"{name} twice", params)
            must(params.get("iss") == lab.op.issuer and "code" not in params, f"{name} twice", params)
            if name != "state":
                must(params.get("state") == "s", f"{name} twice: state is missing", params)
    for name, value in (("client_id", web["client_id"]), ("redirect_uri", CB)):
        for url in (lab.request(web) + "&" + urllib.parse.urlencode({name: value}), lab.request(web) + f"&{name}=https%3A%2F%2Fevil.example", lab.request(web).replace("?", f"?{name}=https%3A%2F%2Fevil.example&")):
            error_page(browser.request("GET", url), "invalid_request")
    # The same by POST, and across query and body.
    form = query(lab.request(web, state="s"))
    redirect = browser.post(lab.op.at(AUTHORIZE), form=[*form.items(), ("scope", "openid")])
    must(answer_params(redirect).get("error") == "invalid_request", "scope twice by POST", redirect)
    # `resource` may repeat.
    url = lab.request(web) + "&resource=https%3A%2F%2Fone.example&resource=https%3A%2F%2Ftwo.example"
    must("code" in answer_params(browser.request("GET", url)), "resource twice is allowed")


STATES = {
    "markup": '"><script>alert(1)</script>' * 80,
    "CR and LF": "a\r\nSet-Cookie: evil=1\r\n\r\n<html>",
    "LF": "a\nLocation: https://evil.example",
    "emoji": "🦀 ñ \u202e abc",
    "percent": "%25%2525%0d%0a+&=#;?/\\ ",
    "quotes": "'\"`<!--&amp;&lt;",
    "long": "x" * 4096,
}


def AZ_07(lab):
    """state comes back byte for byte, in success and error, and splits nothing"""
    browser, web = lab.browser(), lab.client("web")
    # RFC 6749 appendix A.5 has no NUL in a state, and HTML no way to write one: it comes back as it was, or the request is refused whole.
    for mode in ("query", "fragment", "form_post"):
        response = browser.request("GET", lab.request(web, state="a\0b", response_mode=mode))
        if response.status == 400:
            error_page(response, "invalid_request")
        else:
            must(mode == "form_post" or answer_params(response)["state"] == "a\0b", f"NUL in state by {mode}", response)
    for name, state in STATES.items():
        for mode in ("query", "fragment", "form_post"):
            for more, due in (({}, "code"), ({"prompt": "none login"}, "error")):
                response = browser.request("GET", lab.request(web, state=state, response_mode=mode, **more))
                params = answer_params(response)
                must(due in params, f"state {name}, {mode}", params)
                must(params["state"] == state, f"state {name} came back changed by {mode}", params["state"][:80])
                must(all("evil" not in line.lower() for line in response.header_all("set-cookie")), f"state {name} set a cookie")
                must(len(response.header_all("location")) == (mode != "form_post"), f"state {name} made a header", response)
                if mode == "form_post":
                    must("<script>alert" not in response.text and "<!--&amp;" not in response.text, f"state {name} is not escaped")
                    # A browser reads CR and CR LF of a document as LF: they must be written as references to arrive.
                    must("\r" not in response.text, "a CR of state stands raw in the form")
    # The same through the pages.
    third, fresh = lab.client("third"), Browser(lab.op)
    callback = fresh.authorize(lab.request(third, state=STATES["markup"]), lab.person())
    must(callback.params["state"] == STATES["markup"], "state changed on the way through the pages")


def AZ_08(lab):
    """iss is the issuer, byte for byte, in success and error"""
    for kind in ("main", "https"):
        op = lab.instance(kind)
        issuer = op.get(rig.DISCOVERY).json()["issuer"]
        must(issuer == op.issuer, "discovery names another issuer", issuer)
        must(op.get(rig.DISCOVERY).json().get("authorization_response_iss_parameter_supported") is True, "discovery does not announce iss")
        browser, web = lab.browser(op), lab.client("web", op)
        for mode in ("query", "fragment", "form_post"):
            for more in ({}, {"prompt": "none login"}, {"response_type": "token"}):
                params = answer_params(browser.request("GET", lab.request(web, op, response_mode=mode, **more)))
                must(params.get("iss") == issuer, f"iss by {mode} with {more}", params)


def AZ_10(lab):
    """prompt=none answers by redirect at once"""
    redirected(lab, Browser(lab.op).request("GET", lab.request(lab.client("web"), prompt="none")), "login_required")
    browser = lab.signed_in()
    redirected(lab, browser.request("GET", lab.request(lab.client("third"), prompt="none")), "consent_required")
    time.sleep(2.1)
    redirected(lab, browser.request("GET", lab.request(lab.client("web"), prompt="none", max_age=1)), "login_required")
    must("code" in answer_params(browser.request("GET", lab.request(lab.client("web"), prompt="none", max_age=600))), "a young session answers silently")
    must("code" in answer_params(Browser.request(browser, "GET", lab.request(lab.client("web"), prompt="none", response_mode="fragment"))), "a silent answer by fragment")


def AZ_12(lab):
    """prompt=login asks for the password, however the flow is resumed"""
    web = lab.client("web")
    browser = lab.signed_in()
    time.sleep(1.1)
    asked_at = int(time.time())
    verifier, challenge = rig.pkce()
    page = sign_in_page(browser.get(lab.request(web, prompt="login", code_challenge=challenge, code_challenge_method="S256")))
    flow = query(page.url)
    # The way past the page: its address with the dispatcher's path, with and without its MAC.
    for identifier in flow.values():
        for mac in [*flow.values(), ""]:
            response = browser.follow(browser.request("GET", lab.op.at(f"{AUTHORIZE}/{urllib.parse.quote(identifier)}?") + urllib.parse.urlencode({"mac": mac})))
            must(browser.callback(response) is None, "the flow went on without the password", response)
    answer = browser.sign_in(page, browser.email, PASSWORD, follow=False)
    resume = answer.location
    done = browser.follow(answer)
    code = Code(lab.op, web, answer_params(done)["code"], verifier, {"redirect_uri": CB})
    claims = rig.jwt_claims(code.redeem().json()["id_token"])
    must(claims["auth_time"] >= asked_at, f"auth_time {claims['auth_time']} lies before the request {asked_at}")
    # Back button and replay: the flow is over.
    for url in (resume, page.url):
        response = browser.get(url)
        must(browser.callback(response) is None, "a finished flow answers again", response)
    # Wrong password, then the resume address of before.
    page = sign_in_page(browser.get(lab.request(web, prompt="login")))
    must(browser.callback(browser.sign_in(page, browser.email, "wrong password", follow=True)) is None, "a wrong password went through")
    must(browser.callback(browser.get(resume)) is None, "the address of another flow resumes this one")


def AZ_13(lab):
    """max_age: small values ask again, malformed ones are refused, auth_time is always there"""
    web = lab.client("web")
    browser = lab.signed_in()
    for value in ("-1", "abc", "1e9", "1.5", "+ 1", "0x10", " 1", "９"):
        redirected(lab, browser.request("GET", lab.request(web, max_age=value)), "invalid_request")
    huge = browser.request("GET", lab.request(web, max_age="9223372036854775808"))
    must(answer_params(huge).get("error", "invalid_request") == "invalid_request", "an age beyond 64 bits", huge)
    must("auth_time" in rig.jwt_claims(lab.tokens(browser, max_age="600")["id_token"]), "auth_time is missing with max_age")
    time.sleep(2.1)
    for value in ("0", "1"):
        before = int(time.time())
        sign_in_page(browser.get(lab.request(web, max_age=value)))
        made = lab.code(browser, web, max_age=value).redeem()
        must(made.status == 200, "the code after signing in again", made)
        must(rig.jwt_claims(made.json()["id_token"])["auth_time"] >= before, f"max_age={value}: auth_time is not the new one")
        time.sleep(2.1)
    strict = lab.new_client(redirect_uri=CB, first_party=True, metadata={"default_max_age": 0})
    sign_in_page(browser.get(lab.request(strict)))


def AZ_14(lab):
    """a hint of one person never yields another"""
    ana, ben = lab.signed_in(), lab.signed_in()
    web = lab.client("web")
    hint = lab.tokens(ben)["id_token"]
    redirected(lab, ana.request("GET", lab.request(web, prompt="none", id_token_hint=hint)), ("login_required", "account_selection_required"))
    own = lab.tokens(ana)["id_token"]
    must("code" in answer_params(ana.request("GET", lab.request(web, prompt="none", id_token_hint=own))), "the own hint is right")
    response = ana.get(lab.request(web, id_token_hint=hint))
    must(ana.callback(response) is None, "without prompt=none the hint of another person is ignored", response)


def AZ_20(lab):
    """a scope beyond the client's own is never in a token"""
    browser = lab.browser()
    narrow = lab.new_client(redirect_uri=CB, scope="openid api:read", first_party=True)
    for extra in ("api:write", "users:write", "clients:write", "account", "audit:read", "org", "offline_access", "admin", "*"):
        response = browser.request("GET", lab.request(narrow, scope=f"openid api:read {extra}", state="s"))
        params = answer_params(response)
        if "error" in params:
            redirected(lab, response, "invalid_scope", state="s")
            continue
        answer = lab.code(browser, narrow, scope=f"openid api:read {extra}").redeem().json()
        must(extra not in answer["scope"].split(), f"{extra} was granted", answer["scope"])
        must(extra not in rig.jwt_claims(answer["access_token"])["scope"].split(), f"{extra} is in the token")
        must(set(answer["scope"].split()) == {"openid", "api:read"}, "the narrowed scope is told", answer["scope"])
    # A scope of the house in the hand of somebody without a role: the API asks for both.
    import ad

    _, plain = ad.somebody(lab)
    for path in ("/v1/users", "/v1/clients", "/v1/audit"):
        ad.problem(ad.call(lab, "GET", path, plain), 403, "role_required")
    ad.problem(ad.call(lab, "POST", "/v1/users", plain, {"email": f"x{secrets.token_hex(4)}@example.org"}), 403, "role_required")
    machine = lab.client("machine")
    for extra in ("users:write", "api:write", "openid"):
        answer = lab.op.token(machine, grant_type="client_credentials", scope=f"api:read {extra}")
        if answer.status == 200:
            must(extra not in answer.json()["scope"].split(), f"client_credentials granted {extra}", answer)
        else:
            oauth_error(answer, 400, "invalid_scope")


def AZ_21(lab):
    """GET and POST ask for a code; HEAD gets none, other methods are not there"""
    browser, op = lab.browser(), lab.op
    url, cookies = lab.request(lab.client("web")), {"Cookie": browser.cookie_header("/oauth2")}
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"):
        answer = fetch(method, url, headers={**cookies, "Origin": "https://app.example"}, connect=op.port)
        must(answer.status == 405 and "GET" in (answer.header("allow") or ""), f"{method}: 405 with Allow", answer)
        must(answer.header("access-control-allow-origin") is None and answer.header("location") is None, f"{method}: CORS or a redirect", answer)
    answer = fetch("HEAD", url, headers=cookies, connect=op.port)
    must("code=" not in (answer.header("location") or ""), "HEAD issues a code", answer)
    must("code" in answer_params(browser.request("GET", url)), "GET")
    must("code" in answer_params(browser.post(op.at(AUTHORIZE), form=query(url))), "POST")


def AZ_22(lab):
    """a consent form works only in the browser it was made for"""
    third = lab.client("third")
    victim, thief = lab.signed_in(), lab.signed_in()
    page = consent_page(victim.get(lab.request(third)))
    theirs = consent_page(thief.get(lab.request(third)))
    target, fields = hidden(page, "consent-allow")
    other_target, other_fields = hidden(theirs, "consent-allow")
    name = secret_field(fields)
    attempts = [
        (thief, target, fields),
        (Browser(lab.op), target, fields),
        (thief, target, {**fields, name: other_fields[name]}),
        (thief, other_target, {**other_fields, name: fields[name]}),
    ]
    for browser, url, form in attempts:
        response = browser.request("POST", url, form=form)
        must(response.status in (400, 403), "a stolen consent form was taken", response)
    callback = victim.callback(victim.submit(page, "consent-allow"))
    must(callback and "code" in callback.params, "the victim's own flow was disturbed")
    callback = thief.callback(thief.submit(theirs, "consent-allow"))
    must(callback and "code" in callback.params, "the thief's own flow was disturbed")


def AZ_23(lab):
    """a flow that one browser started goes on in no other"""
    third = lab.client("third")
    victim, attacker = lab.signed_in(), Browser(lab.op)
    seen = []
    page = sign_in_page(attacker.get(lab.request(third)))
    seen.append(page.url)
    answer = attacker.sign_in(page, lab.person(), PASSWORD, follow=False)
    seen.append(answer.location)
    page = consent_page(attacker.follow(answer))
    seen.append(page.url)
    answer = attacker.submit(page, "consent-allow", follow=False)
    seen.append(answer.location)
    for url in seen:
        for browser in (with_cookies(victim), Browser(lab.op)):
            response = browser.get(url)
            must(browser.callback(response) is None, "the victim's browser answered the attacker's flow", response)
            error_page(response, status=(400, 403))
    must("code" in attacker.callback(attacker.follow(answer)).params, "the flow itself was disturbed")


def AZ_24(lab):
    """two tabs of one browser, two apps: each gets its own answer"""
    browser, email = Browser(lab.op), lab.person()
    third, stranger = lab.client("third"), lab.client("stranger")
    one = sign_in_page(browser.get(lab.request(third, state="one", nonce="n1")))
    two = sign_in_page(browser.get(lab.request(stranger, state="two", nonce="n2")))
    first = consent_page(browser.sign_in(one, email, PASSWORD))
    # The second tab's form is from before the sign-in: it goes on, or an error page leads to one that does.
    second = browser.sign_in(two, email, PASSWORD)
    if second.status == 403:
        again = [link for link in second.page.links if "interaction=" in link]
        must(again, "the page says no way on", second)
        second = browser.get(urllib.parse.urljoin(second.url, again[0]))
        if second.page.has("sign-in-submit"):
            second = browser.sign_in(second, email, PASSWORD)
    consent_page(second)
    first = consent_page(browser.get(first.url))  # signing in again made new form tokens
    for page, redirect, state in ((second, "https://spa.example/cb", "two"), (first, CB, "one")):
        done = browser.callback(browser.submit(page, "consent-allow"))
        must(done and done.url.startswith(redirect + "?") and done.params.get("state") == state and "code" in done.params, f"the answer of tab {state}", done)


def AZ_26(lab):
    """a client's name and logo can neither run nor flood nor call out"""
    browser = lab.browser()
    names = ["Google", "\u202eelgooG\u202c", HOSTILE, "N" * 10_000, "a\r\nb", "\0"]
    for name in names:
        try:
            # By file: some of these names could not stand on a command line.
            client = lab.op.client(name=None, redirect_uri=CB, metadata={"client_name": name, "logo_uri": "https://evil.example/logo.png", "client_uri": "https://evil.example/", "policy_uri": "https://evil.example/p"})
        except rig.CliError as refused:
            must(refused.code in (1, 2), f"client create: exit code {refused.code}")
            continue
        page = consent_page(browser.get(lab.request(client)))
        must(HOSTILE not in page.text and "<script>alert" not in page.text, "the name is not escaped")
        must(len(page.body) < 100_000 and page.text.count("N" * 200) == 0, "a name of 10 000 letters is shown whole")
        must("app.example" in page.text, "the host of the redirect is not shown")
        policy = page.header("content-security-policy") or ""
        images = re.search(r"img-src ([^;]*)", policy) or re.search(r"default-src ([^;]*)", policy)
        must(images and not re.search(r"https:|\*", images.group(1)), "the policy lets pictures of others in", policy)
        must(not re.search(r"""<(?:img|link|script|iframe)\b[^>]*(?:src|href)=["']?https?://evil""", page.text), "something is loaded from the client's host")
        if "\u202e" in name:
            # Unclosed, it would turn the words around it as well: it is dropped, or the name is isolated.
            must("\u202e" not in page.text or "<bdi" in page.text or 'dir="auto"' in page.text, "a right-to-left override reverses what stands around it")
    # SS-01: the server fetches logos, and nothing inside the operator's network.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "127.1"):
            client = lab.op.client(redirect_uri=CB, metadata={"logo_uri": f"http://{host}:{port}/logo.png"})
            page = consent_page(browser.get(lab.request(client)))
            must("/assets/app-logo/" not in page.text and str(port) not in page.text, "a picture from inside is shown")
        listener.settimeout(0.2)
        try:
            listener.accept()
        except TimeoutError:
            return
        must(False, "the server asked an address inside for a logo")


def AZ_27(lab):
    """a public client on loopback or a private scheme is asked about each time"""
    browser = lab.signed_in()
    scheme = lab.new_client(redirect_uri="com.example.app:/cb", scope="openid profile", public=True)
    for client in (lab.client("native"), scheme):
        callback = browser.authorize(lab.request(client), browser.email)
        must("code" in callback.params, "consent was given", callback.params)
        consent_page(browser.get(lab.request(client)))
        redirect = client["redirect_uris"][0]
        redirected(lab, browser.request("GET", lab.request(client, prompt="none")), "consent_required", redirect)
    stranger = lab.client("stranger")
    browser.authorize(lab.request(stranger), browser.email)
    response = browser.request("GET", lab.request(stranger))
    must("code" in answer_params(response, "https://spa.example/cb"), "a claimed https redirect is remembered", response)
