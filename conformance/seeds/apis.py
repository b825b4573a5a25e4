"""An API of one of the five services after the switch: runs the lines of its page as they stand there.

Reads from standard input which page, the issuer, a good access token and whose id it must give; prints a line for each case.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import sys

order = json.load(sys.stdin)
os.environ["PORTERO_ISSUER"] = order["issuer"]
blocks = re.findall(r"```python\n(.*?)```", pathlib.Path(order["page"]).read_text(), re.S)
good, wanted = order["access_token"], order["external_id"]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bad_tokens():
    head, body, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    yield "another signature", f"{head}.{body}.{signature[::-1]}"
    yield "another person in it", f"{head}.{b64(json.dumps({**claims, 'external_id': 1, 'sub': 'usr_1'}).encode())}.{signature}"
    old = f"{b64(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{body}"
    yield "an HS256 token of before", f"{old}.{b64(hmac.new(b'secret', old.encode(), hashlib.sha256).digest())}"
    strange = b64(json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": "strange"}).encode())
    yield "a key that nobody published", f"{strange}.{body}.{signature}"
    yield "no signature at all", f"{b64(json.dumps({'alg': 'none', 'typ': 'JWT'}).encode())}.{body}."


def functions():
    space = {}
    exec(compile(blocks[0], order["page"], "exec"), space)
    return space["user_of"]


def flask():
    import flask
    import flask_jwt_extended

    app = flask.Flask("api")
    exec(compile(blocks[0], order["page"], "exec"), {"app": app})

    @app.get("/")
    @flask_jwt_extended.jwt_required()
    def who():
        return {"id": flask_jwt_extended.get_jwt_identity()}

    def user_of(token):
        answer = app.test_client().get("/", headers={"Authorization": f"Bearer {token}"})
        if answer.status_code == 401:
            raise ValueError(answer.text)
        # Anything else is no refusal that a front end understands.
        return answer.json["id"] if answer.status_code == 200 else f"status {answer.status_code}"

    return user_of


def django_rest():
    import django
    from django.conf import settings

    space = {}
    exec(compile(blocks[0], order["page"], "exec"), space)
    apps = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]
    settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=apps, SIMPLE_JWT=space["SIMPLE_JWT"])
    django.setup()
    exec(compile(blocks[1], order["page"], "exec"), space)
    authentication = space["FromPortero"]()
    return lambda token: authentication.get_validated_token(token.encode())["external_id"]


user_of = {"flask-jwt": flask, "django-simplejwt": django_rest}.get(order["dialect"], functions)()


def case(name, holds):
    print("ok   " if holds else "FAIL ", "the lines for an API:", name)


case("a token gives the old id", user_of(good) == wanted)
for name, token in bad_tokens():
    try:
        user_of(token)
    except Exception:
        case(f"refused: {name}", True)
    else:
        case(f"refused: {name}", False)
