"""The first seed: register → verify-email → protected endpoints, then what the answers say about login, refresh, logout and me."""

from old import ANY, DETAIL, JWT, TEXT, TOKEN, UUID, FrontEnd, fields, mailed

NAME = "fastapi-auth"
TOKENS = {"access_token": JWT, "refresh_token": TOKEN, "token_type": "bearer"}
# The README's own request, byte for byte.
REGISTER = """{
      "username": "docker_user",
      "email": "docker@example.com",
      "password": "DockerUser123",
      "captcha_token": "test"
    }"""


def cases(op, report):
    ui = FrontEnd(op, report)
    accept = {"accept": "application/json"}
    ui.must_not("the comparison", 201, {"detail": TEXT}, "POST /auth/register", data=REGISTER.replace("docker", "control"), headers=accept)
    ui.expect("README: register", 201, {"message": TEXT}, "POST /auth/register", data=REGISTER, headers=accept)
    login = {"email": "docker@example.com", "password": "DockerUser123"}
    # Like a wrong password: 403 would tell that the address was free.
    ui.expect("not before the address is verified", 401, DETAIL, "POST /auth/login", data=login)
    token = mailed(op, "docker@example.com")
    tokens = ui.expect("README: verify-email", 200, TOKENS, "POST /auth/verify-email", data={"token": token})
    ui.expect("a second use", 400, DETAIL, "POST /auth/verify-email", data={"token": token})
    ui.expect("an unknown one", 400, DETAIL, "POST /auth/verify-email", data={"token": "unknown"})
    me = {"id": UUID, "username": "docker_user", "email": "docker@example.com", "is_active": True, "is_verified": True}
    first = ui.expect("README: me", 200, me, "GET /auth/me", token=tokens["access_token"])

    tokens = ui.expect("login", 200, TOKENS, "POST /auth/login", data=login)
    again = ui.expect("the id stays", 200, me, "GET /auth/me", token=tokens["access_token"])
    report.check("the id stays: the same", first and again and first["id"] == again["id"], f"{first} {again}")
    renewed = ui.expect("refresh", 200, TOKENS, "POST /auth/refresh", data={"refresh_token": tokens["refresh_token"]})
    report.check("refresh: replaced", renewed["refresh_token"] != tokens["refresh_token"])
    ui.expect("me after a refresh", 200, me, "GET /auth/me", token=renewed["access_token"])
    ui.expect("a refresh token is no access token", 401, DETAIL, "GET /auth/me", token=renewed["refresh_token"])
    ui.expect("an access token is no refresh token", 401, DETAIL, "POST /auth/refresh", data={"refresh_token": renewed["access_token"]})

    other = ui.expect("another device", 200, TOKENS, "POST /auth/login", data=login)
    ui.expect("logout", 200, {"message": TEXT}, "POST /auth/logout", data={"refresh_token": renewed["refresh_token"]}, token=renewed["access_token"])
    ui.expect("after the logout", 401, DETAIL, "GET /auth/me", token=renewed["access_token"])
    ui.expect("after the logout", 401, DETAIL, "POST /auth/refresh", data={"refresh_token": renewed["refresh_token"]})
    ui.expect("the other device stays", 200, me, "GET /auth/me", token=other["access_token"])

    wrong = ui.expect("wrong password", 401, DETAIL, "POST /auth/login", data={**login, "password": "DockerUser124"})
    report.check("wrong password: nothing given", wrong is None)
    same = [ui.send("POST /auth/login", data=data).body for data in ({**login, "password": "x"}, {"email": "nobody@example.com", "password": "x"})]
    report.check("wrong password and unknown person look alike", same[0] == same[1], same)
    taken, free = (ui.send("POST /auth/register", data=REGISTER.replace("docker_user", f"u{n}").replace("docker@", address))
                   for n, address in enumerate(("docker@", "fresh@")))
    report.check("a taken address looks like a free one", (taken.status, taken.body) == (free.status, free.body) and taken.status == 201, f"{taken} {free}")
    ui.expect("a taken name is told", 400, DETAIL, "POST /auth/register", data=REGISTER.replace("docker@", "third@"))
    ui.expect("without a captcha", 422, fields("captcha_token"), "POST /auth/register", data={"username": "a", "email": "a@b.example", "password": "x"})
    ui.expect("another captcha", 400, DETAIL, "POST /auth/register", data=REGISTER.replace("test", "robot").replace("docker", "robot"))
    ui.expect("no address", 422, {"detail": [{"type": "value_error", "loc": ["body", "email"], "msg": TEXT}]}, "POST /auth/login", data={"email": "x", "password": "y"})
    ui.expect("no body", 422, ANY, "POST /auth/login")
    ui.expect("no token", 401, {"detail": "Not authenticated"}, "GET /auth/me")
    ui.expect("a made-up token", 401, DETAIL, "GET /auth/me", token="abc.def.ghi")
    ui.expect("wrong method", 405, {"detail": "Method Not Allowed"}, "GET /auth/login")
    return {"access_token": other["access_token"], "external_id": first["id"]}
