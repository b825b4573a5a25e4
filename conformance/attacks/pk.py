"""PK: proof key for code exchange (RFC 7636)."""

from lab import *


def PK_01(lab):
    """a request without a challenge is refused, also for a confidential client by default"""
    browser = lab.browser()
    for kind in ("spa", "web", "third", "post"):
        client = lab.client(kind)
        for challenge in (None, ""):
            for method in ("GET", "POST"):
                url = lab.request(client, code_challenge=challenge, code_challenge_method="S256" if challenge == "" else None)
                response = browser.request("GET", url) if method == "GET" else browser.post(lab.op.at(AUTHORIZE), form=query(url))
                redirected(lab, response, "invalid_request", state=query(url)["state"])
    native = lab.client("native")
    redirected(lab, browser.request("GET", lab.request(native, code_challenge=None)), "invalid_request", "http://127.0.0.1/cb")


def PK_02(lab):
    """S256 is the only method"""
    browser = lab.browser()
    verifier, challenge = rig.pkce()
    for kind in ("spa", "web", "relaxed"):
        for method in ("plain", None, "s256", "S256 ", "S512", "PLAIN", "S256,plain", "none"):
            value = verifier if method == "plain" else challenge
            url = lab.request(lab.client(kind), code_challenge=value, code_challenge_method=method)
            redirected(lab, browser.request("GET", url), "invalid_request")
    must(lab.op.get(rig.DISCOVERY).json().get("code_challenge_methods_supported") == ["S256"], "discovery lists other methods")


def PK_03(lab):
    """no verifier at the token endpoint"""
    for kind in ("spa", "web", "relaxed"):
        code = lab.code(lab.browser(), lab.client(kind))
        oauth_error(code.redeem(code_verifier=None), 400, ("invalid_grant", "invalid_request"))
        oauth_error(code.redeem(code_verifier=""), 400, ("invalid_grant", "invalid_request"))
        must(code.redeem().status == 200, "the refusal consumed the code")


def PK_04(lab):
    """a verifier where the request had no challenge: somebody took the challenge away"""
    code = lab.code(lab.browser(), lab.client("relaxed"), code_challenge=None)
    oauth_error(code.redeem(code_verifier=rig.pkce()[0]), 400, ("invalid_grant", "invalid_request"))
    must(code.redeem().status == 200, "without a verifier this client's code is good")


def PK_05(lab):
    """wrong verifiers"""
    for kind in ("spa", "web"):
        browser, client = lab.browser(), lab.client(kind)
        one, two = lab.code(browser, client), lab.code(browser, client)
        challenge = one.request["code_challenge"]
        for value in (wrong(one.verifier), challenge, two.verifier, one.verifier + "A", one.verifier[:-1], one.verifier + "=", one.verifier.swapcase(), "A" * 43, one.verifier + "\0", " " + one.verifier):
            oauth_error(one.redeem(code_verifier=value), 400, ("invalid_grant", "invalid_request"))
        oauth_error(two.redeem(code_verifier=one.verifier), 400, ("invalid_grant", "invalid_request"))
        must(one.redeem().status == 200 and two.redeem().status == 200, "the right verifiers")


def PK_09(lab):
    """PKCE cannot be switched off for a public client"""
    attempts = [
        dict(public=True, no_pkce=True),
        dict(public=True, metadata={"require_pkce": False}),
        dict(metadata={"require_pkce": False, "token_endpoint_auth_method": "none"}),
    ]
    for flags in attempts:
        try:
            client = lab.op.client(redirect_uri=CB, first_party=True, **flags)
        except rig.CliError as refused:
            must(refused.code in (1, 2), f"exit code {refused.code}")
            continue
        redirected(lab, lab.browser().request("GET", lab.request(client, code_challenge=None)), "invalid_request")
    # A deployment's own default does not reach public clients either.
    with Portero(lab.store, env={"PORTERO_PKCE": "public"}) as op:
        spa, web = (op.client(**CLIENTS[kind]) for kind in ("spa", "web"))
        redirected(lab, Browser(op).request("GET", lab.request(spa, op, code_challenge=None)), "invalid_request", op=op)
        sign_in_page(Browser(op).get(lab.request(web, op, code_challenge=None)))
