"""The second seed: sign-up, sign-in, refresh, with the README's own bodies."""

from old import JWT, MSG, NUMBER, TOKEN, FrontEnd

NAME = "flask-jwt"
SIGN_UP = '{"name": "usuario_test", "email": "test@example.com", "password": "secret"}'
SIGN_IN = '{"email": "test@example.com", "password": "secret"}'
SIGNED_IN = {"access_token": JWT, "refresh_token": TOKEN, "user": {"id": NUMBER, "username": "usuario_test"}}


def cases(op, report):
    ui = FrontEnd(op, report)
    registered = {"msg": "Usuario registrado con éxito"}
    ui.must_not("the comparison", 200, registered, "POST /auth/sign-up", data=SIGN_UP.replace("test@", "control@"))
    ui.expect("README: sign-up", 201, registered, "POST /auth/sign-up", data=SIGN_UP)
    tokens = ui.expect("README: sign-in", 200, SIGNED_IN, "POST /auth/sign-in", data=SIGN_IN)
    refreshed = {"access_token": JWT}
    # The README's request has a content type and no body.
    first = ui.expect("README: refresh", 200, refreshed, "POST /auth/refresh", headers={"Content-Type": "application/json"}, token=tokens["refresh_token"])
    second = ui.expect("the refresh token lives on", 200, refreshed, "POST /auth/refresh", headers={"Content-Type": "application/json"}, token=tokens["refresh_token"])
    report.check("each refresh gives a fresh access token", first["access_token"] != second["access_token"])
    ui.expect("without any body", 200, refreshed, "POST /auth/refresh", token=tokens["refresh_token"])

    ui.expect("somebody is there already", 400, MSG, "POST /auth/sign-up", data=SIGN_UP)
    # A display name is nobody's own: any letters, spaces, twice.
    for n in range(2):
        data = {"name": "Año Nuevo ✨", "email": f"n{n}@example.com", "password": " contraseña "}
        ui.expect("a display name", 201, registered, "POST /auth/sign-up", data=data)
    ui.expect("spaces of a password count", 200, {**SIGNED_IN, "user": {"id": NUMBER, "username": "Año Nuevo ✨"}}, "POST /auth/sign-in", data={"email": "n0@example.com", "password": " contraseña "})
    ui.expect("spaces of a password count", 401, MSG, "POST /auth/sign-in", data={"email": "n0@example.com", "password": "contraseña"})
    for missing in ("name", "email", "password"):
        data = {"name": "x", "email": "x@example.com", "password": "secret"}
        data.pop(missing)
        ui.expect(f"sign-up without {missing}", 400, MSG, "POST /auth/sign-up", data=data)
    ui.expect("sign-in without a password", 400, MSG, "POST /auth/sign-in", data={"email": "test@example.com"})
    same = [ui.send("POST /auth/sign-in", data={"email": address, "password": "wrong"}) for address in ("test@example.com", "nobody@example.com")]
    report.check("wrong password and unknown person look alike", same[0].status == same[1].status == 401 and same[0].body == same[1].body, same)
    ui.expect("an access token refreshes nothing", (401, 422), MSG, "POST /auth/refresh", token=tokens["access_token"])
    ui.expect("no token", 401, {"msg": "Missing Authorization Header"}, "POST /auth/refresh")
    ui.expect("a made-up token", (401, 422), MSG, "POST /auth/refresh", token="abc.def.ghi")
    ui.expect("wrong method", 405, MSG, "GET /auth/sign-in")
    return {"access_token": second["access_token"], "external_id": tokens["user"]["id"]}
