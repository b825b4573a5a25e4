"""SE: sessions, forms, frames and scripts."""

from lab import *

CROSS = (
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": None},  # a browser that sends no Sec-Fetch
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
)


def _session_cookies(browser):
    return {name: value for (name, _), value in browser.cookies.items() if "session" in name.lower()}


def SE_01(lab):
    """the session cookie changes at each sign-in, and the old one is dead"""
    op, web = lab.op, lab.client("web")
    browser = Browser(op)
    # Planted by the attacker before the sign-in.
    for name in ("portero_session", "__Host-portero_session", "session"):
        browser.cookies[(name, "/")] = "A" * 43
    page = sign_in_page(browser.get(lab.request(web)))
    before = dict(browser.cookies)
    browser.email = lab.person()
    browser.sign_in(page, browser.email, PASSWORD)
    first = _session_cookies(browser)
    changed_names = [name for name, value in first.items() if value != "A" * 43]
    must(len(changed_names) == 1, "a session cookie was set at the sign-in", sorted(first))
    thief = Browser(op)
    thief.cookies = before
    nobody(lab, thief, "the cookie from before the sign-in")
    old = with_cookies(browser)
    sub = somebody(lab, browser, "signed in")["sub"]
    # Signing in again, in a flow.
    page = sign_in_page(browser.get(lab.request(web, prompt="login")))
    browser.sign_in(page, browser.email, PASSWORD)
    second = _session_cookies(browser)
    must(second != first, "the session cookie did not change when the person signed in again")
    nobody(lab, old, "the cookie from before signing in again")
    must(somebody(lab, browser, "signed in again")["sub"] == sub, "the same person")
    # Somebody else signs in here: nothing of the first person is left.
    old = with_cookies(browser)
    page = sign_in_page(browser.get(lab.request(web, prompt="login")))
    email = lab.person()
    response = browser.sign_in(page, email, PASSWORD)
    must(browser.callback(response) is not None, "another person signs in", response)
    must(somebody(lab, browser, "the other person")["sub"] != sub, "another person has the first one's session")
    nobody(lab, old, "the cookie of the person before")
    # A new password on the page: another cookie, and the thief's copy is dead.
    from rg import fill

    browser = lab.signed_in()
    old, first = with_cookies(browser), _session_cookies(browser)
    WATCH.typed.add("forty quiet herons walking")
    must(fill(browser, "/account/password", "change-password-submit", current=PASSWORD, password="forty quiet herons walking").status == 303, "the password is changed")
    must(_session_cookies(browser) != first, "the session cookie did not change with the password")
    nobody(lab, old, "the cookie from before the new password")
    somebody(lab, browser, "the browser in which it was changed")


def SE_02(lab):
    """every cookie of every answer is locked"""
    for kind in ("https", "main"):
        op = lab.instance(kind)
        browser = Browser(op)
        browser.email = lab.person(op)
        page = sign_in_page(browser.get(lab.request(lab.client("third", op), op)))
        for form in page.page.forms:
            for button in form.buttons:
                if button.get("name") in ("lang", "theme"):
                    browser.request("POST", urllib.parse.urljoin(page.url, form.action), form={**form.fields, button["name"]: button.get("value", "")})
        browser.submit(consent_page(browser.sign_in(page, browser.email, PASSWORD)), "consent-allow")
        lab.code(browser, lab.client("third", op), prompt="login consent")
        browser.sign_out(op.at(LOGOUT))
        must(len(browser.set_cookies) >= 3, "cookies were set", len(browser.set_cookies))
        for line in browser.set_cookies:
            pair, *rest = [part.strip() for part in line.split(";")]
            name, _, value = pair.partition("=")
            attributes = {k.lower(): v for k, _, v in (part.partition("=") for part in rest)}
            shown_line = f"{name}; {'; '.join(rest)}"
            must(len(line) < 4096, "a cookie of 4 KB", name)
            must("httponly" in attributes and attributes.get("samesite", "").lower() in ("lax", "strict") and attributes.get("path") == "/" and "domain" not in attributes, "HttpOnly, SameSite, Path", shown_line)
            if kind == "https":
                must(name.startswith("__Host-") and "secure" in attributes, "__Host- and Secure", shown_line)
            if value and any(word in name.lower() for word in ("session", "flow", "device")):
                must(len(value) >= 22 and len(set(value)) > 8, "at least 128 bits", shown_line)


def SE_03(lab):
    """a malformed cookie is nobody's, and no fault"""
    op = lab.op
    browser, other = lab.signed_in(), lab.signed_in()
    name, value = next(iter(_session_cookies(browser).items()))
    theirs = _session_cookies(other)[name]
    rest = "; ".join(f"{n}={v}" for (n, _), v in browser.cookies.items() if n != name)
    url = lab.request(lab.client("web"), prompt="none")
    bad = ["", value[:-1], value + "A", value.swapcase(), wrong(value), "A" * 8192, '"' + value + '"', value + " ", "%41" + value[1:], "\xff\xfe" * 20, "=" * 40, ";;;", "é" * 40, "\t", "null", "{}", secrets.token_urlsafe(32)]
    for one in bad:
        for line in (f"{name}={one}; {rest}", f"{rest}; {name}={one}", f"{name}={one}"):
            if one.strip(' "') == value:
                continue  # quotes and a space around the right value may be read as the right value
            answer = fetch("GET", url, headers={"Cookie": line.encode("latin-1", "replace").decode("latin-1")}, connect=op.port)
            redirected(lab, answer, "login_required")
    # Twice, of two people: nobody, or one of them by the whole; never a mixture.
    for line in (f"{name}={value}; {name}={theirs}", f"{name}={theirs}; {name}={value}"):
        answer = fetch("GET", url, headers=[("Cookie", line)], connect=op.port)
        redirected(lab, answer, "login_required")
    answer = fetch("GET", url, headers=[("Cookie", f"{name}={value}"), ("Cookie", f"{name}={theirs}")], connect=op.port)
    redirected(lab, answer, "login_required")
    for line in ("=", ";", "a", "=;=;=", name, f"{name}", f"{name}==", "a=b" * 3000):
        answer = fetch("GET", url, headers={"Cookie": line}, connect=op.port)
        must(answer.status in (302, 303, 400, 431), f"the cookie line {line[:20]!r}", answer)
    # A cookie of another deployment, with another master key.
    foreign = lab.signed_in(lab.instance("short"))
    copy = Browser(op)
    copy.cookies = dict(foreign.cookies)
    nobody(lab, copy, "a cookie signed by another key")
    must("code" in answer_params(browser.request("GET", url)), "the honest cookie")


def SE_04(lab):
    """no form works from another site"""
    op, third = lab.op, lab.client("third")
    email = lab.person()
    for headers in CROSS:
        # Signing in: with and without a stolen form token; no login CSRF.
        browser = Browser(op)
        page = sign_in_page(browser.get(lab.request(third)))
        target, fields = hidden(page, "sign-in-submit")
        for form in ({**fields, "username": email, "password": PASSWORD}, {"username": email, "password": PASSWORD}):
            for url in (target, op.at("/sign-in")):
                before = len(browser.set_cookies)
                response = browser.request("POST", url, form=form, headers=headers)
                must(response.status == 403, f"the sign-in form with {headers}", response)
                must(not any("session" in line.split("=")[0] for line in browser.set_cookies[before:]), "a session was started")
        nobody(lab, browser, "login CSRF")
        # Consent.
        victim = lab.browser()
        page = consent_page(victim.get(lab.request(lab.client("native"))))
        for button in ("consent-allow", "consent-deny"):
            target, fields = hidden(page, button)
            must(victim.request("POST", target, form=fields, headers=headers).status == 403, f"the consent form with {headers}")
        done = victim.callback(victim.submit(page, "consent-allow"))
        must(done and "code" in done.params, "the person's own word afterwards")
        # Signing out, and the switches at the foot.
        page = victim.request("GET", op.at(LOGOUT))
        target, fields = hidden(page, "sign-out-submit")
        must(victim.request("POST", target, form=fields, headers=headers).status == 403, f"the sign-out form with {headers}")
        for form in page.page.forms:
            if form.method == "POST" and "sign-out-submit" not in [b.get("id") for b in form.buttons]:
                must(victim.request("POST", urllib.parse.urljoin(page.url, form.action), form={**form.fields, "lang": "es", "theme": "dark"}, headers=headers).status == 403, f"the form at {form.action} with {headers}")
        must(victim.request("POST", op.at("/setup"), form={"token": "x", "email": "a@example.org", "password": PASSWORD}, headers=headers).status in (403, 404), "the set-up form")
        somebody(lab, victim, "the session")
    _other_forms(lab)


def _other_forms(lab):
    """The forms of sign-up, recovery and one's own account."""
    from rg import VERIFY, SIGN_UP, mail_to, new_address, token_in

    victim, wanted = lab.signed_in(), new_address(lab)
    rows = lambda: lab.sql(f"SELECT email, password_hash, name FROM users WHERE email_canonical = '{victim.email}'")
    before = rows()
    stranger = Browser(lab.op)
    forms = [
        (stranger, SIGN_UP, "sign-up-submit", {"email": wanted, "password": PASSWORD}),
        (stranger, VERIFY, "verify-again-submit", {"email": victim.email}),
        (stranger, "/recover", "recover-submit", {"username": victim.email}),
        (victim, "/account/password", "change-password-submit", {"current": PASSWORD, "password": "forty quiet herons walking"}),
        (victim, "/account/email", "change-email-submit", {"email": wanted, "current": PASSWORD}),
        (victim, "/account/delete", "delete-account-submit", {"current": PASSWORD}),
        (victim, "/account", "end-all", {}),
    ]
    for browser, path, button, typed in forms:
        page = browser.request("GET", path)
        must(page.status == 200, f"the page {path}", page)
        own = [form for form in page.page.forms if form.method == "POST" and any(name not in ("lang", "theme") for name in [b.get("name") or b.get("id") for b in form.buttons])]
        must(own, f"a form on {path}")
        for form in page.page.forms:
            if form.method != "POST":
                continue
            pressed = {b["name"]: b.get("value", "") for b in form.buttons if b.get("name")}
            for headers in CROSS:
                answer = browser.request("POST", urllib.parse.urljoin(page.url, form.action or page.url), form={**form.fields, **pressed, **typed}, headers=headers)
                must(answer.status == 403, f"a form of {path} with {headers}", answer)
    must(rows() == before and int(lab.sql(f"SELECT count(*) FROM users WHERE email_canonical = '{wanted}'")[0][0]) == 0, "something was changed")
    somebody(lab, victim, "the session goes on")


def SE_06(lab):
    """the JSON API takes no cookie, and no body that a form could send"""
    import ad

    browser = lab.browser()
    cookies = {"Cookie": browser.cookie_header("/")}
    email, mine = ad.somebody(lab)
    before = ad.call(lab, "GET", "/v1/me", mine).json()
    requests = (("PATCH", "/v1/me", {"name": "Eve"}), ("POST", "/v1/me/password", {"current_password": PASSWORD, "new_password": "forty quiet herons walking"}), ("POST", "/v1/me/email", {"email": "eve@example.org", "password": PASSWORD}), ("POST", "/v1/me/delete", {"password": PASSWORD}), ("POST", "/v1/one-time-tokens", {"purpose": "p"}), ("DELETE", "/v1/me/sessions", None))
    for method, path, body in requests:
        raw_body = json.dumps(body).encode() if body is not None else b""
        for kind in ("application/json", "text/plain", "text/plain; charset=utf-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/csp-report", None):
            headers = {"Content-Type": kind} if kind else {}
            for origin in ({}, {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, {"Origin": browser.origin, "Sec-Fetch-Site": "same-origin"}):
                answer = fetch(method, lab.op.at(path), body=raw_body, headers={**cookies, **headers, **origin}, connect=lab.op.port)
                must(answer.status == 401, f"{method} {path} with a cookie alone, {kind}", answer)
            if method != "DELETE" and kind not in ("application/json", None):
                answer = fetch(method, lab.op.at(path), body=raw_body, headers={**headers, "Authorization": f"Bearer {mine}"}, connect=lab.op.port)
                must(answer.status in (400, 415) and answer.header("content-type") == "application/problem+json", f"{method} {path} as {kind}", answer)
    must(ad.call(lab, "GET", "/v1/me", mine).json() == before, "something was changed")
    somebody(lab, browser, "the session of the cookie goes on")
    # What needs no token is no form either.
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = fetch("POST", lab.op.at("/v1/registration"), body=json.dumps({"email": "eve@example.org", "password": PASSWORD}).encode(), headers={"Content-Type": kind}, connect=lab.op.port)
        must(answer.status in (400, 415), f"sign-up as {kind}", answer)
    must(int(lab.sql("SELECT count(*) FROM users WHERE email_canonical = 'eve@example.org'")[0][0]) == 0, "somebody was made")


def SE_05(lab):
    """a form token is for one browser, session and form"""
    op, third = lab.op, lab.client("third")
    email = lab.person()
    browser, other = Browser(op), Browser(op)
    page = sign_in_page(browser.get(lab.request(third)))
    elsewhere = sign_in_page(other.get(lab.request(third)))
    target, fields = hidden(page, "sign-in-submit")
    name = secret_field(fields)
    own = fields[name]
    second_flow = sign_in_page(browser.get(lab.request(third)))
    plain = browser.get(op.at("/sign-in"))
    tokens = {
        "missing": None, "empty": "", "of another browser": hidden(elsewhere, "sign-in-submit")[1][name], "changed": wrong(own), "longer": own + "A", "of another flow": hidden(second_flow, "sign-in-submit")[1][name],
        "of the page without a flow": hidden(plain, "sign-in-submit")[1][name],
    }  # fmt: skip
    for why, token in tokens.items():
        form = {k: v for k, v in {**fields, name: token, "username": email, "password": PASSWORD}.items() if v is not None}
        before = len(browser.set_cookies)
        response = browser.request("POST", target, form=form)
        must(response.status in (400, 403), f"a form token {why}", response)
        must(not any("session" in line.split("=")[0] for line in browser.set_cookies[before:]), f"a form token {why} started a session")
    # Without its cookie.
    bare = Browser(op)
    must(bare.request("POST", target, form={**fields, "username": email, "password": PASSWORD}).status in (400, 403), "a form token without its cookie")
    answer = browser.sign_in(page, email, PASSWORD)
    consent = consent_page(answer)
    # The sign-in form again, as another tab may hold it: the person signs in anew, and the consent form of before is one of another session.
    replay = browser.request("POST", target, form={**fields, "username": email, "password": PASSWORD})
    must(replay.status == 303 and browser.at_home(replay.location), "the sign-in form again", replay)
    before, consent = consent, consent_page(browser.get(replay.location))
    must(browser.submit(before, "consent-allow").status == 403, "the consent form of another session")
    # With a wrong password it is still a sign-in that failed.
    must(browser.request("POST", target, form={**fields, "username": email, "password": "not the password"}).status == 400, "a wrong password")
    # The token of the sign-in form at the consent form.
    target, fields = hidden(consent, "consent-allow")
    for why, token in {"missing": None, "empty": "", "of the sign-in form": own, "changed": wrong(fields[name])}.items():
        form = {k: v for k, v in {**fields, name: token}.items() if v is not None}
        must(browser.request("POST", target, form=form).status in (400, 403), f"the consent form with a token {why}")
    out = browser.request("GET", op.at(LOGOUT))
    target, fields = hidden(out, "sign-out-submit")
    for why, token in {"missing": None, "empty": "", "of the sign-in form": own, "of the consent form": hidden(consent, "consent-allow")[1][name]}.items():
        form = {k: v for k, v in {**fields, name: token}.items() if v is not None}
        must(browser.request("POST", target, form=form).status in (400, 403), f"the sign-out form with a token {why}")
    must("code" in browser.callback(browser.submit(consent, "consent-allow")).params, "the honest form")


def _every_page(lab, op):
    """One of each page the server has, by name."""
    browser = Browser(op)
    browser.email = lab.person(op)
    third, pages = lab.client("third", op), {}
    pages["home"] = browser.request("GET", op.at("/"))
    pages["sign in"] = page = browser.get(lab.request(third, op))
    pages["sign in, wrong"] = browser.sign_in(page, browser.email, "not the password")
    pages["consent"] = consent = browser.sign_in(page, browser.email, PASSWORD)
    pages["choose"] = browser.get(lab.request(third, op, prompt="select_account"))
    pages["sign in again"] = browser.get(lab.request(third, op, prompt="login"))
    browser.submit(consent, "consent-allow")
    pages["form_post"] = browser.get(lab.request(lab.client("web", op), op, response_mode="form_post"))
    pages["form_post, error"] = browser.get(lab.request(lab.client("web", op), op, response_mode="form_post", prompt="none login"))
    pages["error"] = browser.request("GET", op.at(AUTHORIZE) + "?client_id=unknown")
    pages["error, parameters"] = browser.request("GET", lab.request(lab.client("web", op), op, redirect_uri="https://evil.example/"))
    pages["not found"] = browser.request("GET", op.at("/nothing/here"), headers={"Accept": "text/html"})
    pages["method"] = browser.request("DELETE", op.at("/sign-in"), headers={"Accept": "text/html"})
    pages["forbidden"] = browser.request("POST", op.at("/sign-in"), form={"username": "a", "password": "b"}, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
    pages["set-up"] = browser.request("GET", op.at("/setup"))
    pages["demo"] = browser.request("GET", op.at("/demo"))
    pages["sign out"] = browser.request("GET", op.at(LOGOUT))
    pages["signed out"] = browser.submit(pages["sign out"], "sign-out-submit")
    for name, page in pages.items():
        must("text/html" in (page.header("content-type") or "") or page.status in (302, 303), f"{name} is no page", page)
    return pages


def _policy(response):
    lines = response.header_all("content-security-policy")
    must(len(lines) == 1, "one policy", lines)
    return {words[0]: words[1:] for part in lines[0].split(";") if (words := part.split())}


def SE_07(lab):
    """no page can be framed"""
    for kind in ("main", "https"):
        for name, page in _every_page(lab, lab.instance(kind)).items():
            must(_policy(page).get("frame-ancestors") == ["'none'"], f"{name}: frame-ancestors", page.header("content-security-policy"))
            must((page.header("x-frame-options") or "").upper() == "DENY", f"{name}: X-Frame-Options")


def SE_08(lab):
    """each page's policy lets nothing run that it did not name"""
    nonces = []
    for kind in ("main", "https"):
        for name, page in _every_page(lab, lab.instance(kind)).items():
            policy = _policy(page)
            flat = [word for words in policy.values() for word in words]
            must("'unsafe-inline'" not in flat and "'unsafe-eval'" not in flat and "*" not in flat and not any(word.startswith(("http:", "https:")) and word in ("http:", "https:") for word in flat), f"{name}: wildcards", policy)
            must(policy.get("object-src", policy.get("default-src")) == ["'none'"] and policy.get("base-uri") == ["'none'"], f"{name}: object-src and base-uri", policy)
            must("default-src" in policy, f"{name}: default-src", policy)
            nonces += set(re.findall(r"'nonce-([^']+)'", page.header("content-security-policy")))
            for tag in re.findall(r"<(?:script|style)\b[^>]*>", page.text):
                must("nonce=" in tag or "src=" in tag, f"{name}: {tag}")
            must(not re.search(r"""<[^>]+\s(?:on\w+|style)\s*=""", page.text), f"{name}: an inline handler or style")
            must(not re.search(r"""(?:src|href|action)=["'](?:https?:)?//(?!127\.0\.0\.1|id\.example|app\.example)""", page.text), f"{name}: something of a third party")
    must(len(nonces) == len(set(nonces)), "a nonce came twice")


PAYLOADS = (HOSTILE, "</title><script>alert(1)</script>", "javascript:alert(1)//<svg onload=alert(1)>", "{{7*7}}${7*7}", "\"autofocus onfocus=alert(1) x=\"")


def _escaped(response, payload, why):
    if "html" not in (response.header("content-type") or ""):
        must("script" not in (response.header("content-type") or ""), f"{why}: the type", response)
        return
    for piece in ("<script>alert", "<img src=x", "<svg onload", '"autofocus onfocus'):
        must(piece not in response.text, f"{why}: {piece} stands in the page")
    must("49" not in response.text or "7*7" in response.text or "{{7*7}}" not in payload or payload not in response.url, f"{why}: a template ran")
    for link in response.page.links + [form.action for form in response.page.forms]:
        must(not link.strip().lower().startswith(("javascript:", "data:", "vbscript:")), f"{why}: the link {link[:60]}")


def SE_09(lab):
    """what comes with a request is escaped in every page it can reach"""
    op, web, third = lab.op, lab.client("web"), lab.client("third")
    for payload in PAYLOADS:
        browser = Browser(op)
        mark = urllib.parse.quote(payload)
        for name in ("client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "login_hint", "ui_locales", "acr_values", "claims", "display", "prompt", "max_age", "id_token_hint", "response_mode", "code_challenge", "code_challenge_method", "unknown"):
            for client in (web, third):
                response = browser.get(lab.request(client, **{name: payload}))
                if browser.callback(response) is None or response.status == 200:
                    _escaped(response, payload, name)
        for path in ("/", "/sign-in", "/consent", "/setup", LOGOUT, AUTHORIZE, f"{AUTHORIZE}/{mark}", f"/{mark}", f"/assets/{mark}", "/demo"):
            names = ("error", "error_description", "error_hint", "interaction", "mac", "token", "user_code", "welcome", "other", "post_logout_redirect_uri", "client_id", "id_token_hint", "state")
            for accept in ("text/html", "*/*"):
                _escaped(op.get(path + "?" + urllib.parse.urlencode({name: payload for name in names}), headers={"Accept": accept}), payload, path)
        if "\n" not in payload:
            headers = {"X-Request-Id": payload, "User-Agent": payload, "Referer": payload, "Accept-Language": payload, "X-Forwarded-Host": payload, "X-Forwarded-For": payload, "Forwarded": payload}
            for path in ("/sign-in", "/nothing", AUTHORIZE):
                response = op.get(path, headers={**headers, "Accept": "text/html"})
                _escaped(response, payload, f"headers at {path}")
                must(payload not in str(response.headers), f"headers at {path}: a header comes back")
        # What was typed stands in the form again.
        page = browser.get(lab.request(third))
        response = browser.sign_in(page, payload, "not the password")
        _escaped(response, payload, "the name that was typed")
        must("not the password" not in response.text, "the password stands in the page again")
        out = lab.browser().request("GET", op.at(LOGOUT) + "?" + urllib.parse.urlencode({"state": payload, "client_id": third["client_id"]}))
        _escaped(out, payload, "sign-out")
        for path, form in ((TOKEN, {"grant_type": payload}), (TOKEN, {"grant_type": "authorization_code", "code": payload, "redirect_uri": payload}), (INTROSPECT, {"token": payload})):
            answer = op.as_client(web, path, form)
            must((answer.header("content-type") or "").startswith("application/json") and answer.header("x-content-type-options") == "nosniff", f"{path}: the type", answer)
            must(re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*", answer.json().get("error_description", "") if answer.status >= 400 else ""), f"{path}: the description is not of RFC 6749 §5.2's characters", answer)


def SE_10(lab):
    """what is stored about people and clients is escaped where it is shown"""
    op = lab.op
    for payload in PAYLOADS:
        try:
            client = op.client(name=None, redirect_uri=CB, scope="openid profile api:read", metadata={"client_name": payload, "policy_uri": "https://app.example/p?\"><script>alert(1)</script>", "tos_uri": "javascript:alert(1)", "client_uri": "javascript:alert(1)"})
        except rig.CliError:
            client = op.client(name=None, redirect_uri=CB, scope="openid profile api:read", metadata={"client_name": payload})
        email = f"p{secrets.token_hex(5)}@example.org"
        try:
            op.user(email, PASSWORD, name=payload)
        except rig.CliError:
            op.user(email, PASSWORD)
        browser = Browser(op)
        page = sign_in_page(browser.get(lab.request(client)))
        _escaped(page, payload, "the client's name on the sign-in page")
        page = consent_page(browser.sign_in(page, email, PASSWORD))
        _escaped(page, payload, "names on the consent page")
        for url in (lab.request(client, prompt="select_account"), lab.request(client, prompt="login"), op.at("/"), op.at(LOGOUT), op.at(LOGOUT) + f"?client_id={client['client_id']}"):
            _escaped(browser.get(url), payload, f"names at {urllib.parse.urlsplit(url).path}")
    for email in ('"<script>alert(1)</script>"@example.org', "a@<script>alert(1)</script>.example", "a\r\nBcc: x@example.org"):
        try:
            op.user(email, PASSWORD)
        except rig.CliError as refused:
            must(refused.code in (1, 2), f"exit code {refused.code}")
            continue
        browser = Browser(op)
        page = browser.get(lab.request(lab.client("third")))
        _escaped(browser.sign_in(page, email, PASSWORD), email, "the e-mail address")


def SE_13(lab):
    """a session ends when it is idle, and at its absolute age however busy it is"""
    idle, short = lab.instance("idle"), lab.instance("short")
    quiet, busy = lab.signed_in(idle), lab.signed_in(short)
    began = time.monotonic()
    somebody(lab, quiet, "a young session")
    yield 4.2
    nobody(lab, quiet, "idle for longer than the limit of 3 s")
    sign_in_page(quiet.get(lab.request(lab.client("web", idle), idle)))
    while True:
        age = time.monotonic() - began
        answer = busy.request("GET", lab.request(lab.client("web", short), short, prompt="none"))
        if "error" in answer_params(answer):
            break
        must(age < 8, f"a session of {age:.1f} s is live; the limit is 7 s")
        yield 0.7
    redirected(lab, answer, "login_required", op=short)
    must(age >= 4, "the session ended before its time")
