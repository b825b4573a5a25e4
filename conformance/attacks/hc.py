"""HC: headers, caching, CORS, and the HTTP below."""

from lab import *


def HC_01(lab):
    """who may read what from another origin"""
    op, web = lab.op, lab.client("web")
    origins = {"registered": "https://app.example", "other": "https://evil.example", "null": "null", "missing": None, "port": "https://app.example:8443", "prefix": "https://app.example.evil.tld", "scheme": "http://app.example"}
    token = lab.tokens()["access_token"]
    auth = {"Authorization": basic(web["client_id"], web["client_secret"])}
    endpoints = {
        TOKEN: ("registered", [("POST", {"grant_type": "client_credentials"}, auth), ("POST", {"grant_type": "x"}, auth), ("POST", {}, {})]),
        REVOKE: ("registered", [("POST", {"token": "x"}, auth), ("POST", {"token": "x"}, {})]),
        USERINFO: ("registered", [("GET", None, {"Authorization": f"Bearer {token}"}), ("GET", None, {"Authorization": "Bearer x"}), ("GET", None, {})]),
        rig.DISCOVERY: ("everybody", [("GET", None, {})]),
        rig.METADATA: ("everybody", [("GET", None, {})]),
        rig.JWKS: ("everybody", [("GET", None, {})]),
        INTROSPECT: ("nobody", [("POST", {"token": "x"}, auth), ("POST", {"token": "x"}, {})]),
        AUTHORIZE: ("nobody", [("GET", None, {}), ("POST", {"client_id": "x"}, {})]),
        "/sign-in": ("nobody", [("GET", None, {}), ("POST", {"username": "x", "password": "y"}, {})]),
        "/consent": ("nobody", [("GET", None, {})]),
        LOGOUT: ("nobody", [("GET", None, {})]),
        "/setup": ("nobody", [("GET", None, {})]),
        "/": ("nobody", [("GET", None, {})]),
        "/nothing": ("nobody", [("GET", None, {})]),
    }
    for path, (who, requests) in endpoints.items():
        for kind, origin in origins.items():
            named = {"Origin": origin} if origin else {}
            preflight = fetch("OPTIONS", op.at(path), headers={**named, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}, connect=op.port)
            answers = [preflight, *(fetch(method, op.at(path), form=form, headers={**headers, **named}, connect=op.port) for method, form, headers in requests)]
            for answer in answers:
                what = f"{answer.method} {path} from {kind}"
                allowed = answer.header("access-control-allow-origin")
                must(answer.header("access-control-allow-credentials") is None, f"{what}: with credentials", allowed)
                if who == "nobody":
                    must(allowed is None, f"{what}: allowed", allowed)
                elif who == "everybody":
                    must(allowed in ("*", None) and (allowed == "*" or origin is None), f"{what}: not allowed to everybody", allowed)
                else:
                    must(allowed == (origin if kind == "registered" else None), f"{what}: {allowed}")
                    must("origin" in (answer.header("vary") or "").lower(), f"{what}: Vary", answer.header("vary"))
            must(preflight.status in (200, 204, 405, 404, 403, 400), f"the preflight at {path}", preflight)
    # The JSON API: for registered origins, with the token in a header and never with cookies. Pages of one's own account: for nobody.
    from ad import somebody as api_person

    _, mine = api_person(lab)
    bearer = {"Authorization": f"Bearer {mine}"}
    for path, who, headers in (("/v1/me", "registered", bearer), ("/v1/me", "registered", {}), ("/v1/nothing", "any", bearer), ("/v1/users", "registered", bearer), ("/v1/registration", "registered", {}), ("/account", "nobody", {}), ("/account/password", "nobody", {}), ("/sign-up", "nobody", {}), ("/recover", "nobody", {}), ("/docs", "nobody", {}), ("/openapi.json", "public", {})):
        for kind, origin in origins.items():
            named = {"Origin": origin} if origin else {}
            preflight = fetch("OPTIONS", op.at(path), headers={**named, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,content-type,if-match"}, connect=op.port)
            for answer in (preflight, fetch("GET", op.at(path), headers={**named, **headers}, connect=op.port), fetch("PATCH", op.at(path), body=b"{", headers={**named, **headers, "Content-Type": "application/json"}, connect=op.port)):
                allowed, what = answer.header("access-control-allow-origin"), f"{answer.method} {path} from {kind}: {answer.status}"
                must(answer.header("access-control-allow-credentials") is None, f"{what}: with credentials", allowed)
                if who == "nobody":
                    must(allowed is None, f"{what}: allowed", allowed)
                elif who == "registered":
                    must(allowed == (origin if kind == "registered" else None), f"{what}: {allowed}")
                    vary = ", ".join(answer.header_all("vary")).lower()
                    must("origin" in vary, f"{what}: Vary", vary)
                elif who == "any":
                    must(allowed in (None, origin if kind == "registered" else None), f"{what}: {allowed}")
                else:
                    must(allowed in (None, "*") or kind == "registered" and allowed == origin, f"{what}: {allowed}")
    # Another client's origin is registered as soon as the client is, and not before.
    must(op.get(USERINFO, headers={"Origin": "https://late.example"}).header("access-control-allow-origin") is None, "an origin nobody registered")
    lab.new_client(redirect_uri="https://late.example/cb")
    time.sleep(1.0)
    for at in lab.replicas():
        must(at.get(USERINFO, headers={"Origin": "https://late.example"}).header("access-control-allow-origin") == "https://late.example", "a client that was just registered")


def _answers(lab, op):
    """One of every kind: pages, JSON, redirects, errors, static files."""
    web, browser = lab.client("web", op), lab.browser(op)
    page = Browser(op).get(lab.request(lab.client("third", op), op))
    assets = sorted(set(re.findall(r"""(?:href|src)=["']([^"']*/assets/[^"']+)""", page.text)))
    must(assets, "a page uses static files", page)
    return {
        "discovery": op.get(rig.DISCOVERY), "metadata": op.get(rig.METADATA), "keys": op.get(rig.JWKS), "sign-in page": page, "redirect": browser.request("GET", lab.request(web, op)),
        "error redirect": browser.request("GET", lab.request(web, op, prompt="none login")), "to the sign-in page": Browser(op).request("GET", lab.request(web, op)), "form_post": browser.request("GET", lab.request(web, op, response_mode="form_post")),
        "token": lab.code(browser, web).redeem(), "token error": op.post(TOKEN, {}), "userinfo": op.userinfo(lab.tokens(browser, web)["access_token"]), "userinfo 401": op.get(USERINFO), "introspection": op.introspect(web, "x"), "revocation": op.revoke(web, "x"),
        "error page": op.get(AUTHORIZE, headers={"Accept": "text/html"}), "not found": op.get("/nothing"), "not found page": op.get("/nothing", headers={"Accept": "text/html"}), "method": op.get(TOKEN), "method page": op.get(TOKEN, headers={"Accept": "text/html"}),
        "too large": op.post(TOKEN, "a=" + "x" * 300_000), "sign-out": browser.request("GET", op.at(LOGOUT)), "home": op.get("/"), "forbidden": op.post("/sign-in", {"username": "x"}, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}),
        **{f"too long {path}": op.get(f"{path}?{'x' * 17_000}", headers={"Accept": accept}) for path, accept in ((AUTHORIZE, "text/html"), ("/account", "text/html"), ("/nothing", "text/html"), (TOKEN, "*/*"), ("/v1/me", "application/json"))},
        "preflight": fetch("OPTIONS", op.at(TOKEN), headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}, connect=op.port), "head": fetch("HEAD", op.at(rig.DISCOVERY), connect=op.port),
        "change-password": op.get("/.well-known/change-password"), **{f"static {asset.rsplit('/', 1)[1]}": fetch("GET", urllib.parse.urljoin(op.issuer + "/", asset), connect=op.port) for asset in assets},
    }  # fmt: skip


def HC_02(lab):
    """headers of every answer, whatever its status"""
    for kind in ("https", "main"):
        op = lab.instance(kind)
        more = {} if kind == "https" else {name: answer for part in _more(lab) for name, answer in part.items()}
        for name, answer in {**_answers(lab, op), **more}.items():
            must(answer.header("x-content-type-options") == "nosniff", f"{kind}, {name}: nosniff", answer)
            must((answer.header("referrer-policy") or "") in ("no-referrer", "same-origin", "strict-origin"), f"{kind}, {name}: Referrer-Policy", answer.header("referrer-policy"))
            must(answer.header("content-security-policy"), f"{kind}, {name}: Content-Security-Policy")
            # A redirect shows nothing, and one in a window that an app opened must not cut it off from the app: it states so.
            opener = ("same-origin", "unsafe-none") if answer.status in (302, 303) else ("same-origin",)
            must(answer.header("cross-origin-opener-policy") in opener, f"{kind}, {name}: COOP", answer.header("cross-origin-opener-policy"))
            must(not answer.header("server") and not answer.header("x-powered-by"), f"{kind}, {name}: a banner", answer.header("server"))
            must(answer.header("x-request-id"), f"{kind}, {name}: the request id")
            hsts = answer.header("strict-transport-security")
            if kind == "https":
                must(hsts and int(re.search(r"max-age=(\d+)", hsts).group(1)) >= 31536000, f"{name}: HSTS", hsts)
            else:
                must(hsts is None, f"{name}: HSTS over http (RFC 6797 §7.2)")
            for header, value in answer.headers:
                must(not re.search(r"[\r\n]", value), f"{name}: a line break in {header}")
            if name.startswith("too long"):
                must(answer.status == 414 and len(answer.body) < 16_000, f"{kind}, {name}: 414, and the address is not said again", answer)
                must("uri_too_long" in answer.text and ('id="error-code"' in answer.text or "json" in answer.header("content-type")), f"{kind}, {name}: the form that was asked for", answer)
        # What is too large to become a request has no more than a status, but is seen by whoever runs the server.
        counted = lambda op=op: sum(float(line.rsplit(" ", 1)[1]) for line in fetch_quietly("GET", op.management + "/metrics").text.splitlines() if line.startswith('portero_heads_refused_total{status="431"}'))
        before, start = counted(), len(op.log())
        answer = raw(op.port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{op.port}\r\nX-Large: {'x' * 40_000}\r\n\r\n".encode())
        must(answer.startswith(b"HTTP/1.1 431 "), f"{kind}: 431", answer[:200])
        time.sleep(0.3)
        must(counted() == before + 1 and "head_refused" in op.log()[start:], f"{kind}: a head that is too large is neither counted nor logged", op.log()[start:][-500:])


def HC_03(lab):
    """what caches may keep: public documents, nothing else"""
    op = lab.op
    for name, answer in _answers(lab, op).items():
        control = answer.header("cache-control") or ""
        if name in ("discovery", "metadata", "keys", "head"):
            must(re.search(r"max-age=[1-9]", control) and "no-store" not in control and answer.header("etag"), f"{name}: max-age and ETag", control)
            if name != "head":
                again = op.get(urllib.parse.urlsplit(answer.url).path, headers={"If-None-Match": answer.header("etag")})
                must(again.status == 304 and again.body == b"", f"{name}: 304 for its ETag", again)
        elif name.startswith("static"):
            must("no-store" not in control, f"{name}: a static file is kept", control)
        elif name not in ("preflight", "change-password"):
            must("no-store" in control, f"{name}: no-store", f"{answer.status} {control!r}")
        if name in ("token", "token error"):
            must((answer.header("pragma") or "") == "no-cache", f"{name}: Pragma", answer.header("pragma"))
    of_people, pages, docs = _more(lab)
    for name, answer in {**of_people, **pages}.items():
        must("no-store" in (answer.header("cache-control") or ""), f"{name}: no-store", f"{answer.status} {answer.header('cache-control')!r}")
    must("no-store" in docs["docs"].header("cache-control") or "private" in docs["docs"].header("cache-control") or docs["docs"].header("etag"), "the documentation", docs["docs"].header("cache-control"))
    must(docs["openapi"].status == 200, "the document", docs["openapi"])


def HC_04(lab):
    """errors of any kind show nothing from inside"""
    op, web = lab.op, lab.client("web")
    browser = lab.browser()
    odd = ["'", '"', "\\", "\0", "%", "%00", "%zz", "' OR 1=1--", "\x00\xff", "𝒳" * 3000, "../../../etc/passwd", "${jndi:x}", "{}", "[]", "null", "-1", "9" * 400, "NaN", "\ud7ff", "a\r\nb"]
    answers = []
    for value in odd:
        for name in ("client_id", "redirect_uri", "scope", "state", "nonce", "max_age", "prompt", "claims", "id_token_hint", "resource", "response_mode", "response_type", "login_hint", "ui_locales", "request", "request_uri", "code_challenge"):
            answers.append(browser.request("GET", lab.request(web, **{name: value})))
        for path, form in ((TOKEN, {"grant_type": "authorization_code", "code": value, "redirect_uri": value, "code_verifier": value}), (TOKEN, {"grant_type": "refresh_token", "refresh_token": value, "scope": value, "resource": value}), (TOKEN, {"grant_type": value}), (INTROSPECT, {"token": value, "token_type_hint": value}), (REVOKE, {"token": value}), (TOKEN, {"grant_type": "client_credentials", "scope": value})):
            answers.append(op.as_client(web, path, form))
        answers.append(op.as_client(lab.client("password"), TOKEN, {"grant_type": "password", "username": value, "password": value}))
        for path in (LOGOUT, "/sign-in", "/consent", "/setup", "/"):
            answers.append(op.get(path + "?" + urllib.parse.urlencode({"interaction": value, "mac": value, "token": value, "id_token_hint": value, "client_id": value}), headers={"Accept": "text/html"}))
    bodies = [b"%", b"a=%zz", b"\xff\xfe", b"=&=&=", b"a" * 70_000, b"grant_type=authorization_code&code=%00%ff", b"{}", b"a=1&a=2"]
    for body in bodies:
        for path in (TOKEN, INTROSPECT, REVOKE, AUTHORIZE, "/sign-in", "/consent", LOGOUT):
            for kind in ("application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencoded; charset=utf-7", ""):
                answers.append(fetch("POST", op.at(path), body=body, headers={"Content-Type": kind, "Authorization": basic(web["client_id"], web["client_secret"])}, connect=op.port))
    # The JSON API: in every place a value can stand.
    from ad import call, somebody as api_person

    _, owner = api_person(lab, "owner")
    for value in odd:
        quoted = urllib.parse.quote(value.encode("utf-8", "surrogatepass"), safe="")
        for path in (f"/v1/users/{quoted[:3000]}", f"/v1/users?q={quoted[:3000]}", f"/v1/users?cursor={quoted[:3000]}", f"/v1/audit?act={quoted[:3000]}", f"/v1/clients/{quoted[:3000]}", f"/v1/organizations/{quoted[:3000]}", f"/v1/me/sessions/{quoted[:3000]}"):
            answers.append(call(lab, "GET", path, owner))
        for method, path, member in (("POST", "/v1/registration", "email"), ("POST", "/v1/registration", "username"), ("POST", "/v1/registration/verify", "token"), ("POST", "/v1/registration/request-reset", "identifier"), ("PATCH", "/v1/me", "name"), ("PATCH", "/v1/me", "locale"), ("POST", "/v1/users", "email"), ("POST", "/v1/clients", "client_name"), ("POST", "/v1/organizations", "slug"), ("POST", "/v1/one-time-tokens", "purpose"), ("POST", "/v1/one-time-tokens/consume", "token")):
            sent = json.dumps({"email": f"h{secrets.token_hex(5)}@example.org", "password": "seven purple lanterns drift", member: value} if path == "/v1/registration" else {member: value}).encode()
            answers.append(fetch(method, op.at(path), body=sent, headers={"Content-Type": "application/json", "Authorization": f"Bearer {owner}"}, connect=op.port))
        for path in ("/sign-up", "/verify-email", "/recover", "/recover/reset", "/account", "/account/email/confirm", "/account/email/undo", "/docs", "/docs/errors"):
            answers.append(op.get(path + "?" + urllib.parse.urlencode({name: value.encode("utf-8", "surrogatepass") for name in ("token", "handle", "interaction", "done", "email", "lang")}), headers={"Accept": "text/html"}))
    for answer in answers:
        must(answer.status < 500, "a 5xx", answer)
        # A head that is too large is refused before there is a request.
        must(answer.header("x-request-id") or answer.status == 431, "the request id", answer)
        inside = INTERNAL.search(answer.text) if answer.status >= 400 else None
        # What the person sent comes back in the words for the app's developer; what is ours does not.
        must(inside is None or "etc/passwd" in answer.url, f"{answer.method} {answer.url[:80]}: {inside and inside.group(0)}", answer)


def HC_05(lab):
    """a path that is written in another way reaches nothing that it should not"""
    op, web = lab.op, lab.client("web")
    token = lab.tokens()["access_token"]
    good = {INTROSPECT: ("POST", {"Authorization": basic(web["client_id"], web["client_secret"]), "Content-Type": "application/x-www-form-urlencoded"}, b"token=" + token.encode()), USERINFO: ("GET", {"Authorization": f"Bearer {token}"}, b""), "/setup": ("GET", {}, b""), "/consent": ("GET", {}, b""), "/oauth2/authorize/x": ("GET", {}, b""), "/metrics": ("GET", {}, b""), "/readyz": ("GET", {}, b"")}  # fmt: skip
    for path, (method, headers, body) in good.items():
        first, rest = path[1:2], path[2:]
        tricks = ["/" + path, f"/.{path}", f"{path};x", f"{path};a=b", f"/%{ord(first):02x}{rest}", f"{path}/..;/", f"{path}%00", f"{path}/", f"{path}.", path.upper(), f"{path}/x.css", f"{path}%2f", f"{path}/.", f"{path}%20", f"/x/..{path}", f"/assets/..{path}", f"/assets/%2e%2e{path}", f"\\{path[1:]}", f"{path}.json", f"/;{path}", f"{path}%0a", path.replace("/", "//"), path.replace("/", "/%2e/"), path.replace("/", "%2f")]
        for trick in tricks:
            lines = [f"{method} {trick} HTTP/1.1", f"Host: 127.0.0.1:{op.port}", "Connection: close", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
            got = raw(op.port, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            status = int(got.split(b" ", 2)[1]) if got.startswith(b"HTTP/1.") else 0
            must(status in (0, 400, 401, 403, 404, 405), f"{method} {trick}: {status}", got[:200])
            if status:
                control = re.search(rb"(?im)^cache-control: ([^\r]*)", got)
                must(control is None or b"max-age" not in control.group(1), f"{trick} may be cached", control and control.group(1))
    # The JSON API and one's own pages: however they are written, nothing without a token or a session.
    for path in ("/v1/users", "/v1/me", "/v1/audit", "/v1/clients", "/account", "/account/password"):
        first, rest = path[1:2], path[2:]
        tricks = ["/" + path, f"/.{path}", f"{path};x", f"/%{ord(first):02x}{rest}", f"{path}/..;/", f"{path}%00", f"{path}/", f"{path}.", path.upper(), f"{path}/x.css", f"{path}%2f", f"{path}/.", f"{path}%20", f"/x/..{path}", f"/assets/..{path}", f"/docs/..{path}", f"/docs/%2e%2e{path}", f"{path}.json", f"{path}.css", f"/;{path}", path.replace("/", "//"), path.replace("/", "/%2e/"), path.replace("/", "%2f"), f"{path}?x=.css", f"{path}#x"]
        for trick in tricks:
            got = raw(op.port, f"GET {trick} HTTP/1.1\r\nHost: 127.0.0.1:{op.port}\r\nConnection: close\r\n\r\n".encode())
            status = int(got.split(b" ", 2)[1]) if got.startswith(b"HTTP/1.") else 0
            must(status in (0, 400, 401, 403, 404, 405) or status == 303 and b"/sign-in" in got, f"GET {trick}: {status}", got[:200])
            control = re.search(rb"(?im)^cache-control: ([^\r]*)", got)
            must(control is None or b"max-age" not in control.group(1), f"{trick} may be cached", control and control.group(1))
    # What belongs to the management address is not on the public one, and the other way round.
    for path in ("/metrics", "/readyz", "/livez", "/healthz", "/debug", "/.git/config", "/.env", "/data/portero.db", "/keys/master.key", "/assets/../Cargo.toml", "/assets/portero.css.map", "/assets/portero.css~", "/assets/"):
        must(op.get(path).status in (404, 400), f"{path} on the public address", op.get(path))
    for path in (TOKEN, AUTHORIZE, "/sign-in", rig.JWKS):
        must(rig.fetch("GET", op.management + path).status == 404, f"{path} on the management address")


def _statuses(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]


def HC_07(lab):
    """requests that two readers would cut in two ways are refused, and nothing behind them runs"""
    op = lab.op
    host = f"Host: 127.0.0.1:{op.port}\r\n".encode()
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    hidden_one = b"GET /.well-known/jwks.json HTTP/1.1\r\n" + host + b"X-Smuggled: 1\r\n\r\n"
    start = b"POST /oauth2/token HTTP/1.1\r\n" + host + form
    attacks = {
        "Content-Length and Transfer-Encoding": start + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(hidden_one)) + hidden_one,
        "Transfer-Encoding and Content-Length": start + b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n" % (5 + len(hidden_one)) + hidden_one,
        "two Content-Length": start + b"Content-Length: 3\r\nContent-Length: %d\r\n\r\na=b" % (3 + len(hidden_one)) + hidden_one,
        "a list of Content-Length": start + b"Content-Length: 3, 3\r\n\r\na=b" + hidden_one,
        "+ in Content-Length": start + b"Content-Length: +3\r\n\r\na=b" + hidden_one,
        "hexadecimal Content-Length": start + b"Content-Length: 0x3\r\n\r\na=b" + hidden_one,
        "negative Content-Length": start + b"Content-Length: -3\r\n\r\na=b" + hidden_one,
        "Content-Length with a space": start + b"Content-Length : 3\r\n\r\na=b" + hidden_one,
        "empty Content-Length": start + b"Content-Length: \r\n\r\n" + hidden_one,
        "huge Content-Length": start + b"Content-Length: 99999999999999999999999\r\n\r\na=b" + hidden_one,
        "Transfer-Encoding xchunked": start + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden_one,
        "Transfer-Encoding chunked, identity": start + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden_one,
        "Transfer-Encoding identity": start + b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\na=b" + hidden_one,
        "Transfer-Encoding gzip, chunked": start + b"Transfer-Encoding: gzip, chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n" + hidden_one,
        "Transfer-Encoding chunked, chunked": start + b"Transfer-Encoding: chunked, chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n" + hidden_one,
        "Transfer-Encoding in two lines": start + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n" + hidden_one,
        "Transfer-Encoding with an empty member": start + b"Transfer-Encoding: ,chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n" + hidden_one,
        "a vertical tab before chunked": start + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + hidden_one,
        "Transfer-Encoding with a space": start + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden_one,
        "Transfer-Encoding twice": start + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden_one,
        "a bad chunk size": start + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\na=b\r\n0\r\n\r\n" + hidden_one,
        "a signed chunk size": start + b"Transfer-Encoding: chunked\r\n\r\n+3\r\na=b\r\n0\r\n\r\n" + hidden_one,
        "a huge chunk size": start + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\na=b\r\n0\r\n\r\n" + hidden_one,
        "a chunk extension with a line feed": start + b"Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\na=b\r\n0\r\n\r\n" + hidden_one,
        "a chunk without its end": start + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=bXX0\r\n\r\n" + hidden_one,
        "HTTP/1.0 and Transfer-Encoding": b"POST /oauth2/token HTTP/1.0\r\n" + host + form + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden_one,
        "obs-fold": b"GET /.well-known/jwks.json HTTP/1.1\r\n" + host + b"X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n" + hidden_one,
        "obs-fold first": b"GET /.well-known/jwks.json HTTP/1.1\r\n Host: x\r\n" + host + b"\r\n" + hidden_one,
        "a bare CR in a header": b"GET /.well-known/jwks.json HTTP/1.1\r\n" + host + b"X-A: b\rTransfer-Encoding: chunked\r\n\r\n" + hidden_one,
        "NUL in a header": b"GET /.well-known/jwks.json HTTP/1.1\r\n" + host + b"X-A: a\0b\r\n\r\n" + hidden_one,
        "a space in a header's name": b"GET /.well-known/jwks.json HTTP/1.1\r\n" + host + b"X A: b\r\n\r\n" + hidden_one,
        "no colon": b"GET /.well-known/jwks.json HTTP/1.1\r\n" + host + b"garbage\r\n\r\n" + hidden_one,
        **{f"Host {host!r}": b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: " + host + b"\r\n\r\n" + hidden_one for host in (b"a, b", b"a b", b"x@id.example", b"id.example/x", b"id.example:x", b"[::1", b"[::1%25lo]", b"a\\b")},
        "a folded Host": b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n b\r\n\r\n" + hidden_one,
        "two Host": b"GET /.well-known/jwks.json HTTP/1.1\r\n" + host + b"Host: evil.example\r\n\r\n" + hidden_one,
        "no Host": b"GET /.well-known/jwks.json HTTP/1.1\r\n\r\n" + hidden_one,
        "a space in the target": b"GET /.well-known/jwks.json x HTTP/1.1\r\n" + host + b"\r\n" + hidden_one,
        "HTTP/9.9": b"GET /.well-known/jwks.json HTTP/9.9\r\n" + host + b"\r\n" + hidden_one,
    }
    # Honest traffic on one connection goes through: without this the checks below would see nothing.
    statuses = _statuses(raw(op.port, hidden_one + hidden_one, timeout=1.0))
    must(statuses == [200, 200], "two honest requests on one connection", statuses)
    weak = []
    for name, data in attacks.items():
        answer, closed = said(op.port, data, timeout=1.0)
        statuses = _statuses(answer)
        # The smuggled request asks for the key set: its 200 would be the sign that it ran.
        if 200 in statuses or len(statuses) > 1:
            weak.append(f"{name}: the request behind it was answered {statuses}")
        elif not closed:
            weak.append(f"{name}: the connection stays open after {statuses}")
        elif statuses == [401] and name in ("Content-Length and Transfer-Encoding", "Transfer-Encoding and Content-Length"):
            pass  # RFC 9112 §6.1: read by Transfer-Encoding alone, and the connection closed after it
        elif "chunk" in name and statuses and statuses[0] == 413:
            weak.append(f"{name}: 413 for a body that is not too large")
        elif statuses and statuses[0] not in (400, 411, 413, 414, 431, 501, 505):
            weak.append(f"{name}: {statuses[0]} instead of 400")
    must(not weak, "; ".join(weak))
    # A line feed alone may end a line (RFC 9112 §2.2): then it must end it for the whole request alike.
    for name, data in {"line feeds alone": b"GET /.well-known/jwks.json HTTP/1.1\n" + host.replace(b"\r", b"") + b"\n"}.items():
        statuses = _statuses(raw(op.port, data + b"", timeout=1.0))
        must(statuses in ([], [200], [400]), f"{name}", statuses)
    must(lab.op.get(rig.DISCOVERY).status == 200, "the server is alive")


def HC_06(lab):
    """headers and fields that pretend another method, path or host"""
    from ad import call, somebody as api_person

    op = lab.op
    email, mine = api_person(lab)
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        for method in ("DELETE", "PATCH", "PUT"):
            answer = call(lab, "GET", "/v1/me", mine, headers={name: method})
            must(answer.status == 200 and answer.json()["email"] == email, f"{name}: {method}", answer)
            answer = call(lab, "POST", "/v1/me", mine, {}, headers={name: method})
            must(answer.status == 405, f"{name}: {method} on a POST", answer)
    must(call(lab, "POST", "/v1/me?_method=DELETE", mine, {"_method": "DELETE"}).status == 405, "_method")
    must(call(lab, "GET", "/v1/me", mine).status == 200, "the person is there")
    for name in ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Override-URL", "X-Original-Host", "X-Host", "X-Forwarded-Server"):
        for value in ("/v1/users", "/metrics", "/setup", "evil.example", "https://evil.example/x"):
            for path in ("/nothing", "/sign-in", rig.DISCOVERY):
                plain, other = op.get(path, headers={"Accept": "text/html"}), op.get(path, headers={"Accept": "text/html", name: value})
                must(other.status == plain.status and "evil.example" not in other.text and "evil.example" not in (other.header("location") or ""), f"{name}: {value} at {path}", other)
            must(op.get(rig.DISCOVERY, headers={name: value}).json() == op.get(rig.DISCOVERY).json(), f"{name} changes what is published")
    must(call(lab, "GET", "/v1/users", None, headers={"X-Original-URL": "/v1/me", "X-Forwarded-User": email, "X-Remote-User": email, "Remote-User": email, "X-Forwarded-Email": email, "X-Authenticated-User": email}).status == 401, "a header that names a person")


def _http2(lab, *fields, behind=b"") -> int | None:
    """The status of one HTTP/2 request with these header fields, in their order and as they are; none where the server resets the stream or
    ends the connection (RFC 9113, literal fields of RFC 7541 §6.2.2)."""

    def frame(kind, flags, stream, payload=b""):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def text(value):
        must(len(value) < 127, "a short field")
        return bytes([len(value)]) + value

    block = b"".join(b"\0" + text(name) + text(value) for name, value in fields)
    data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 4 if behind else 5, 1, block) + (frame(0, 1, 1, behind) if behind else b"")
    with socket.create_connection(("127.0.0.1", lab.op.port), timeout=3) as sock:
        sock.sendall(data)
        stream = sock.makefile("rb")
        while head := stream.read(9):
            payload = stream.read(int.from_bytes(head[:3], "big"))
            kind, number = head[3], int.from_bytes(head[5:9], "big")
            if kind in (3, 7) or not payload and kind == 1:
                return None
            if kind == 1 and number == 1:
                # :status is the first field: by its place in the static table, or as text beside that name.
                indexed = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
                if payload[0] in indexed:
                    return indexed[payload[0]]
                size = payload[1] & 0x7F
                value = payload[2 : 2 + size]
                return int(value) if not payload[1] & 0x80 else -1
    return None


def HC_08(lab):
    """HTTP/2: what contradicts itself, or belongs to HTTP/1.1, is refused"""
    authority = f"127.0.0.1:{lab.op.port}".encode()
    ask = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", authority), (b":path", b"/.well-known/jwks.json")]
    must(_http2(lab, *ask) == 200, "an honest request")
    must(_http2(lab, *ask, (b"host", authority)) == 200, "the same host twice is one")
    for name, fields in {
        "another host": [*ask, (b"host", b"evil.example")],
        "two hosts": [*ask, (b"host", authority), (b"host", b"evil.example")],
        "Connection": [*ask, (b"connection", b"close")],
        "Transfer-Encoding": [*ask, (b"transfer-encoding", b"chunked")],
        "Upgrade": [*ask, (b"upgrade", b"h2c")],
        "TE": [*ask, (b"te", b"gzip")],
        "a name in capitals": [*ask, (b"X-Odd", b"1")],
        "a line break in a value": [*ask, (b"x-odd", b"a\r\nx: y")],
        "NUL in a value": [*ask, (b"x-odd", b"a\0b")],
        "a line break in the path": [*ask[:3], (b":path", b"/ HTTP/1.1\r\nx: y")],
        "a space in the path": [*ask[:3], (b":path", b"/.well-known/jwks.json x")],
        "no path": ask[:3],
        "two paths": [*ask, (b":path", b"/")],
        "a pseudo-header at the end": [*ask[:3], (b"x-odd", b"1"), ask[3]],
        "an unknown pseudo-header": [*ask, (b":odd", b"1")],
        "a length without a body": [*ask, (b"content-length", b"5")],
    }.items():
        status = _http2(lab, *fields)
        must(status in (None, 400), f"{name}: {status}")
    post = [(b":method", b"POST"), *ask[1:3], (b":path", b"/oauth2/token"), (b"content-type", b"application/x-www-form-urlencoded")]
    must(_http2(lab, *post, (b"content-length", b"3"), behind=b"a=b&c=d") in (None, 400), "a body longer than its length")
    must(lab.op.get(rig.DISCOVERY).status == 200, "the server is alive")


def HC_09(lab):
    """the API reads JSON in UTF-8 and nothing else"""
    from ad import call, problem, somebody as api_person

    _, mine = api_person(lab)
    before = call(lab, "GET", "/v1/me", mine).json()
    body = json.dumps({"name": "Eve"})
    xml = "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><name>&e;</name>"
    refused = {
        "XML": ("application/xml", xml.encode()), "XML as text": ("text/xml", xml.encode()), "a form": ("application/x-www-form-urlencoded", b"name=Eve"), "multipart": ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nEve\r\n--x--"),
        "UTF-16": ("application/json; charset=utf-16", body.encode("utf-16")), "UTF-16 that says nothing": ("application/json", body.encode("utf-16")), "latin-1": ("application/json", '{"name":"Ñ"}'.encode("latin-1")), "a byte order mark": ("application/json", b"\xef\xbb\xbf" + body.encode()),
        "YAML": ("application/yaml", b"name: Eve"), "no type": ("", body.encode()), "two values": ("application/json", body.encode() * 2), "a comment": ("application/json", b'{"name":"Eve"/**/}'), "a trailing comma": ("application/json", b'{"name":"Eve",}'), "NaN": ("application/json", b'{"name":NaN}'), "a member twice": ("application/json", b'{"name":"Eve","name":"Mallory"}'), "deep": ("application/json", b'{"attributes":' + b"[" * 5000 + b"]" * 5000 + b"}"), "an array": ("application/json", b"[]"), "null": ("application/json", b"null"), "a lone surrogate": ("application/json", b'{"name":"\\ud800"}'),
    }  # fmt: skip
    for name, (kind, sent) in refused.items():
        for method, path in (("PATCH", "/v1/me"), ("POST", "/v1/registration")):
            answer = fetch(method, lab.op.at(path), body=sent, headers={"Content-Type": kind, "Authorization": f"Bearer {mine}"}, connect=lab.op.port)
            must(answer.status in (400, 415), f"{name}: {method} {path}", answer)
            must(answer.header("content-type") == "application/problem+json", f"{name}: the error", answer)
    must(call(lab, "GET", "/v1/me", mine).json() == before, "something was changed")
    # RFC 8259 §11: a charset has no effect. What would mean something else in another one is read as it stands.
    answer = fetch("PATCH", lab.op.at("/v1/me"), body=b'{"name":"+ADw-b+AD4-"}', headers={"Content-Type": "application/json; charset=utf-7", "Authorization": f"Bearer {mine}"}, connect=lab.op.port)
    must(answer.status in (400, 415) or answer.json()["name"] == "+ADw-b+AD4-", "UTF-7 is decoded", answer)
    for kind in ("application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "application/merge-patch+json"):
        answer = fetch("PATCH", lab.op.at("/v1/me"), body='{"name":"Ñandú"}'.encode(), headers={"Content-Type": kind, "Authorization": f"Bearer {mine}"}, connect=lab.op.port)
        must(answer.status == 200 and answer.json()["name"] == "Ñandú", f"{kind} is taken", answer)
    for accept in ("application/xml", "text/html"):
        answer = call(lab, "GET", "/v1/me", mine, headers={"Accept": accept})
        must(answer.status == 406 and "html" not in answer.header("content-type"), f"Accept: {accept}", answer)


def HC_12(lab):
    """what helps developers and operators is not there for strangers"""
    with Portero(lab.store, production=True) as op:
        for path in ("/docs", "/docs/", "/redoc", "/openapi.json", "/swagger", "/swagger-ui", "/swagger.json", "/v1/openapi.json", "/graphql", "/demo", "/demo/mail", "/metrics", "/readyz", "/livez", "/health", "/healthz", "/status", "/debug", "/debug/pprof", "/actuator", "/actuator/env", "/.git/HEAD", "/.git/config", "/.env", "/.env.bak", "/config.toml", "/portero.toml", "/backup.sql", "/data/portero.db", "/portero.db", "/server-status", "/assets/portero.css.map", "/assets/app.js.map", "/.DS_Store", "/robots.txt~", "/index.php", "/wp-login.php", "/admin.bak", "/keys", "/keys/master.key"):  # fmt: skip
            for headers in ({}, {"User-Agent": "Googlebot/2.1"}, {"User-Agent": "kube-probe/1.29"}, {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Host": urllib.parse.urlsplit(op.issuer).netloc}, {"X-Debug": "1", "X-Portero-Debug": "1"}):
                answer = fetch("GET", op.at(path), headers=headers, connect=op.port)
                must(answer.status in (400, 401, 403, 404), f"{path} with {headers}", answer)
        must(fetch("GET", op.at("/docs/errors"), connect=op.port).status == 200, "where the types of errors lead")
        for path in ("/livez", "/readyz"):
            answer = fetch_quietly("GET", op.management + path)
            must(answer.status == 200 and len(answer.body) < 200 and not INTERNAL.search(answer.text), f"{path} says more than that it is well", answer)


def _more(lab):
    """The JSON API, one's own pages and the documentation: one of every kind of answer."""
    from ad import call, somebody as api_person

    email, mine = api_person(lab)
    _, owner = api_person(lab, "owner")
    browser = lab.browser()
    anyone = {"me": call(lab, "GET", "/v1/me", mine), "me 401": call(lab, "GET", "/v1/me"), "me 400": call(lab, "PATCH", "/v1/me", mine, {"x": 1}), "me 415": fetch("PATCH", lab.op.at("/v1/me"), body=b"x", headers={"Content-Type": "text/plain", "Authorization": f"Bearer {mine}"}, connect=lab.op.port)}
    anyone |= {"users 403": call(lab, "GET", "/v1/users", mine), "users": call(lab, "GET", "/v1/users", owner), "user 404": call(lab, "GET", "/v1/users/nobody", owner), "v1 405": call(lab, "PUT", "/v1/me", mine, {}), "v1 404": call(lab, "GET", "/v1/nothing", mine), "v1 406": call(lab, "GET", "/v1/me", mine, headers={"Accept": "text/html"})}
    anyone |= {"sign-up by API": call(lab, "POST", "/v1/registration", body={"email": f"h{secrets.token_hex(5)}@example.org", "password": "seven purple lanterns drift"}), "sign-up by API 400": call(lab, "POST", "/v1/registration", body={}), "audit": call(lab, "GET", "/v1/audit", owner), "one-time": call(lab, "POST", "/v1/one-time-tokens", mine, {"purpose": "p"}), "made 201": call(lab, "POST", "/v1/clients", owner, {"redirect_uris": [CB]})}
    pages = {f"page {path}": browser.request("GET", path) for path in ("/account", "/account/password", "/account/email", "/account/delete", "/sign-up", "/recover", "/verify-email", "/recover/reset?token=x", "/account/email/confirm?token=x", "/account/email/undo?token=x")}
    pages["page /account of nobody"] = Browser(lab.op).request("GET", "/account")
    docs = {"docs": lab.op.get("/docs", headers={"Accept": "text/html"}), "docs of errors": lab.op.get("/docs/errors", headers={"Accept": "text/html"}), "redoc": lab.op.get("/redoc"), "openapi": lab.op.get("/openapi.json")}
    return anyone, pages, docs
