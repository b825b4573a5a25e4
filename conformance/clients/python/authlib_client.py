"""PyPI authlib: its Flask integration through the whole code flow, its session for refresh, introspection and revocation."""

import json
import os
import pathlib
import sys
import urllib.parse

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain http, on loopback alone
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask, jsonify, session

from rig import Browser, Report, Running, tampered

ORDER = json.loads(os.environ["PORTERO_ORDER"])
ISSUER, CLIENTS, USER = ORDER["issuer"], ORDER["clients"], ORDER["user"]
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"


class App:
    """A relying party in Flask, asked by its own test client; the person's browser speaks to the server."""

    def __init__(self, registered, secret=None, scope="openid profile email", **parse):
        self.registered, self.browser = registered, Browser(Running(ISSUER))
        self.flask = Flask("rp")
        self.flask.secret_key = os.urandom(16)
        self.oauth = OAuth(self.flask)
        method = registered["token_endpoint_auth_method"]
        kwargs = {"scope": scope, "code_challenge_method": "S256", "token_endpoint_auth_method": method}
        self.op = self.oauth.register(
            "op", client_id=registered["client_id"], client_secret=secret or registered.get("client_secret"), server_metadata_url=DISCOVERY, client_kwargs=kwargs
        )
        self.flask.add_url_rule("/start", "start", lambda: self.op.authorize_redirect(registered["redirect_uris"][0], **self.more))
        self.flask.add_url_rule("/callback", "callback", lambda: jsonify(self.op.authorize_access_token(**parse)), methods=["GET", "POST"])
        self.flask.add_url_rule("/userinfo", "userinfo", lambda: jsonify(self.op.userinfo(token=self.token)))
        self.flask.config["PROPAGATE_EXCEPTIONS"] = True
        self.http = self.flask.test_client()
        self.more, self.token = {}, None

    def start(self, **more):
        self.more = more
        callback = self.browser.authorize(self.http.get("/start").location, USER["username"], USER["password"])
        assert callback.url.split("?")[0] == self.registered["redirect_uris"][0], callback
        return callback

    def finish(self, callback):
        if callback.mode == "form_post":
            answer = self.http.post("/callback", data=callback.params)
        else:
            answer = self.http.get("/callback", query_string=callback.params)
        self.token = answer.get_json()
        return self.token

    def sign_in(self, **more):
        return self.finish(self.start(**more))

    def session(self, **more):
        metadata = self.op.load_server_metadata()
        return OAuth2Session(
            self.registered["client_id"], self.registered.get("client_secret"), token_endpoint_auth_method=self.registered["token_endpoint_auth_method"],
            token_endpoint=metadata["token_endpoint"], **more,
        ), metadata


def code_flow(kind):
    app = App(CLIENTS[kind])
    token = app.sign_in()
    person = token["userinfo"]  # the claims of the ID token, after validation
    assert person["iss"] == ISSUER and person["aud"] in (CLIENTS[kind]["client_id"], [CLIENTS[kind]["client_id"]]), person
    assert person["email"] == USER["email"], person
    info = app.http.get("/userinfo").get_json()
    assert info["sub"] == person["sub"] and info["email"] == USER["email"], info


def form_post():
    app = App(CLIENTS["basic"])
    callback = app.start(response_mode="form_post")
    assert callback.mode == "form_post", callback
    assert app.finish(callback)["userinfo"]["sub"]


def refresh():
    app = App(CLIENTS["basic"], scope="openid offline_access")
    token = app.sign_in(prompt="consent")
    http, metadata = app.session(token=token)
    after = http.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
    assert after["refresh_token"] != token["refresh_token"] and after["access_token"] != token["access_token"], after


def introspect_and_revoke():
    app = App(CLIENTS["basic"])
    token = app.sign_in()
    http, metadata = app.session()
    before = http.introspect_token(metadata["introspection_endpoint"], token=token["access_token"]).json()
    assert before["active"] is True and before["client_id"] == CLIENTS["basic"]["client_id"], before
    assert http.revoke_token(metadata["revocation_endpoint"], token=token["access_token"]).status_code == 200
    after = http.introspect_token(metadata["introspection_endpoint"], token=token["access_token"]).json()
    assert after == {"active": False}, after


def password_grant():
    # For first-party clients alone: the library sends it as RFC 6749 §4.3 says.
    registered = CLIENTS["first_party"]
    http = OAuth2Session(registered["client_id"], registered["client_secret"], scope="openid email")
    token = http.fetch_token(f"{ISSUER}/oauth2/token", username=USER["username"], password=USER["password"])
    assert token["token_type"] == "Bearer" and token["access_token"], token


def client_credentials():
    http = OAuth2Session(CLIENTS["post"]["client_id"], CLIENTS["post"]["client_secret"], token_endpoint_auth_method="client_secret_post")
    token = http.fetch_token(f"{ISSUER}/oauth2/token", grant_type="client_credentials")
    assert token["access_token"] and "refresh_token" not in token, token


def sign_out():
    app = App(CLIENTS["basic"])
    token = app.sign_in()
    back = CLIENTS["basic"]["post_logout_redirect_uris"][0]
    with app.flask.test_request_context():
        answer = app.op.logout_redirect(post_logout_redirect_uri=back, id_token_hint=token["id_token"])
        (state,) = [key.removeprefix("_state_op_") for key in session if key.startswith("_state_op_")]
    end = app.browser.sign_out(answer.location)
    assert end.location == f"{back}?{urllib.parse.urlencode({'state': state})}", end
    silent = app.start(prompt="none")
    assert silent.params.get("error") == "login_required", silent


def other_nonce():
    app = App(CLIENTS["basic"])
    callback = app.start()
    with app.http.session_transaction() as kept:
        key = f"_state_op_{callback.params['state']}"
        kept[key] = {**kept[key], "data": {**kept[key]["data"], "nonce": "another"}}
    app.finish(callback)


def other_state():
    app = App(CLIENTS["basic"])
    callback = app.start()
    callback.params["state"] = "another"
    app.finish(callback)


def other_verifier():
    app = App(CLIENTS["basic"])
    callback = app.start()
    with app.http.session_transaction() as kept:
        key = f"_state_op_{callback.params['state']}"
        kept[key] = {**kept[key], "data": {**kept[key]["data"], "code_verifier": "v" * 64}}
    app.finish(callback)


def other_secret():
    App(CLIENTS["basic"], secret="not-the-secret").sign_in()


def other_issuer():
    App(CLIENTS["basic"], claims_options={"iss": {"values": ["https://other.example"]}}).sign_in()


def other_audience():
    App(CLIENTS["basic"], claims_options={"aud": {"values": ["another-client"]}}).sign_in()


def changed_signature():
    app = App(CLIENTS["basic"])
    token = app.sign_in()
    with app.flask.test_request_context():
        app.op.parse_id_token({**token, "id_token": tampered(token["id_token"])}, nonce=None)


def changed_access_token():
    # `at_hash` binds the access token to the ID token.
    app = App(CLIENTS["basic"])
    token = app.sign_in()
    with app.flask.test_request_context():
        app.op.parse_id_token({**token, "access_token": token["access_token"] + "x"}, nonce=None)


def after_revocation():
    app = App(CLIENTS["basic"], scope="openid offline_access")
    token = app.sign_in(prompt="consent")
    http, metadata = app.session(token=token)
    http.revoke_token(metadata["revocation_endpoint"], token=token["refresh_token"], token_type_hint="refresh_token")
    http.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])


def fails(report, name, body, *words):
    """A negative control: passes when the error speaks of one of the words."""
    try:
        body()
    except Exception as error:
        said = f"{type(error).__name__}: {getattr(error, 'error', '')} {error}"
        report.check(name, any(word in said for word in words), f"failed in another way: {said}")
    else:
        report.check(name, False, "was accepted")


def main():
    report = Report("authlib")
    for kind in ("basic", "post", "public", "es256"):
        report.case(f"code flow with PKCE, userinfo: {kind}", code_flow, kind)
    report.case("response_mode=form_post", form_post)
    report.case("refresh", refresh)
    report.case("introspection and revocation", introspect_and_revoke)
    report.case("password grant of a first-party client", password_grant)
    report.case("client credentials", client_credentials)
    report.case("sign-out, back with state, and prompt=none after it", sign_out)
    fails(report, "another nonce", other_nonce, "nonce")
    fails(report, "another state", other_state, "mismatching_state", "State")
    fails(report, "another code verifier", other_verifier, "invalid_grant")
    fails(report, "another client secret", other_secret, "invalid_client")
    fails(report, "another issuer", other_issuer, "iss")
    fails(report, "another audience", other_audience, "aud")
    fails(report, "an ID token whose signature was changed", changed_signature, "bad_signature", "BadSignature")
    fails(report, "another access token beside the ID token", changed_access_token, "at_hash")
    fails(report, "a refresh token after its revocation", after_revocation, "invalid_grant")
    report.finish()


if __name__ == "__main__":
    main()
