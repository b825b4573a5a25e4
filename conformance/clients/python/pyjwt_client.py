"""PyPI pyjwt: what an API does with the tokens of the code flow, through the published key set."""

import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import jwt

from rig import Browser, Report, Running, basic, fetch, pkce, tampered

ORDER = json.loads(os.environ["PORTERO_ORDER"])
ISSUER, CLIENTS, USER, RESOURCE = ORDER["issuer"], ORDER["clients"], ORDER["user"], ORDER["resource"]


def tokens_of(metadata, registered, **more):
    verifier, challenge = pkce()
    redirect_uri = registered["redirect_uris"][0]
    query = {"response_type": "code", "client_id": registered["client_id"], "redirect_uri": redirect_uri, "scope": "openid email", "state": "s", "nonce": "n",
             "code_challenge": challenge, "code_challenge_method": "S256", **more}
    browser = Browser(Running(ISSUER))
    callback = browser.authorize(metadata["authorization_endpoint"], USER["username"], USER["password"], form=query)
    assert callback.params["state"] == "s" and callback.params["iss"] == ISSUER, callback
    form = {"grant_type": "authorization_code", "code": callback.params["code"], "redirect_uri": redirect_uri, "code_verifier": verifier}
    headers = {}
    if secret := registered.get("client_secret"):
        headers["Authorization"] = basic(registered["client_id"], secret)
    else:
        form["client_id"] = registered["client_id"]
    answer = fetch("POST", metadata["token_endpoint"], form=form, headers=headers)
    assert answer.status == 200, answer
    return answer.json()


def read(keys, token, alg, audience, issuer=ISSUER, typ=None):
    if typ and jwt.get_unverified_header(token).get("typ") != typ:
        raise jwt.InvalidTokenError(f"typ is not {typ}")
    key = keys.get_signing_key_from_jwt(token)
    required = ["iss", "sub", "aud", "exp", "iat"]
    return jwt.decode(token, key, algorithms=[alg], audience=audience, issuer=issuer, options={"require": required})


def main():
    report = Report("pyjwt")
    metadata = fetch("GET", f"{ISSUER}/.well-known/openid-configuration").json()
    keys = jwt.PyJWKClient(metadata["jwks_uri"])
    for kind, alg in (("basic", "RS256"), ("public", "RS256"), ("es256", "ES256"), ("eddsa", "EdDSA")):
        registered = CLIENTS[kind]
        audience = registered["client_id"]
        try:
            tokens = tokens_of(metadata, registered, resource=RESOURCE)
        except Exception as error:
            report.check(f"{kind}, {alg}: code flow with PKCE, request by POST", False, f"{type(error).__name__}: {error}")
            continue
        report.check(f"{kind}, {alg}: code flow with PKCE, request by POST", True)
        access, identity = tokens["access_token"], tokens["id_token"]

        def good():
            assert read(keys, identity, alg, audience)["nonce"] == "n"
            claims = read(keys, access, alg, RESOURCE, typ="at+jwt")
            assert claims["client_id"] == audience and claims["aud"] == RESOURCE, claims

        report.case(f"{kind}, {alg}: ID token, and access token for a resource", good)
        for name, error, body in (
            ("signature of the ID token changed", jwt.InvalidSignatureError, lambda: read(keys, tampered(identity), alg, audience)),
            ("signature of the access token changed", jwt.InvalidSignatureError, lambda: read(keys, tampered(access), alg, RESOURCE)),
            ("another issuer", jwt.InvalidIssuerError, lambda: read(keys, identity, alg, audience, issuer="https://other.example")),
            ("another audience", jwt.InvalidAudienceError, lambda: read(keys, access, alg, "https://other.example")),
            ("an ID token as access token", jwt.InvalidTokenError, lambda: read(keys, identity, alg, audience, typ="at+jwt")),
            ("an algorithm that is not allowed", jwt.InvalidTokenError, lambda: read(keys, identity, "HS256", audience)),
        ):
            report.must_fail(f"{kind}, {alg}: {name}", body, error)
    report.finish()


if __name__ == "__main__":
    main()
