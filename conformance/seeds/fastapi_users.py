"""The fifth seed: every request of its README in its order, with and without /api/v1, then what the answers say."""

import json

from old import ANY, DETAIL, FORM, JWT, NUMBER, TEXT, FrontEnd, fields
from rig import PASSWORD

NAME = "fastapi-users"
LIST = """{
  "username": "juan",
  "email": "juan@example.com",
  "password": "Mi_Contraseña_Segura",
  "full_name": "Juan Pérez",
  "disabled": false
}"""
CURL = """{
    "username": "juan",
    "email": "juan@example.com",
    "password": "Mi_Contraseña_123",
    "full_name": "Juan Pérez"
  }"""
JUAN = {"id": NUMBER, "username": "juan", "email": "juan@example.com", "full_name": "Juan Pérez", "disabled": False}
TOKENS = {"access_token": JWT, "token_type": "bearer"}


def cases(op, report):
    ui = FrontEnd(op, report)
    op.user("root@example.org", username="root", role=["user_admin"])
    root = ui.expect("the administrator's token", 200, TOKENS, "POST /token", form=f"username=root&password={PASSWORD.replace(' ', '+')}")["access_token"]

    # The flow: create, token, me.
    flow = {"username": "flujo", "email": "flujo@example.com", "password": "contraseña"}
    flujo = {"id": NUMBER, "username": "flujo", "email": "flujo@example.com", "full_name": None, "disabled": False}
    ui.must_not("the comparison", 201, {**flujo, "full_name": TEXT}, "POST /users/", data={**flow, "username": "control", "email": "control@example.com"})
    ui.expect("README, the flow: create", 201, flujo, "POST /users/", data=flow)
    token = ui.expect("README, the flow: token", 200, TOKENS, "POST /token", form="username=flujo&password=contrase%C3%B1a")["access_token"]
    ui.expect("README, the flow: me", 200, flujo, "GET /users/me", token=token)

    # The list of endpoints. Its login comes first, of somebody called usuario.
    usuario = {"username": "usuario", "email": "usuario@example.com", "password": "contraseña"}
    ui.expect("the person of the README's login", 201, ANY, "POST /api/v1/users/register", data=usuario)
    token = ui.expect("README: login", 200, TOKENS, "POST /api/v1/token", form="username=usuario&password=contraseña")["access_token"]
    renewed = ui.expect("README: refresh-token", 200, TOKENS, "POST /api/v1/refresh-token", token=token)["access_token"]
    report.check("refresh-token: another one", renewed != token)
    made = ui.expect("README: register", 201, JUAN, "POST /api/v1/users/register", data=LIST)
    login = "username=juan&password=Mi_Contrase%C3%B1a_Segura"
    token = ui.expect("login of the new person", 200, TOKENS, "POST /api/v1/token", form=login)["access_token"]
    ui.expect("README: me", 200, JUAN, "GET /api/v1/users/me", token=token)
    ui.expect("README: list, without the role", 403, DETAIL, "GET /api/v1/users/?skip=0&limit=10", token=token)
    everybody = ui.expect("README: list", 200, ANY, "GET /api/v1/users/?skip=0&limit=10", token=root)
    members = {"id", "username", "email", "full_name", "disabled"}
    report.check("list: a bare array of users", isinstance(everybody, list) and all(set(one) == members for one in everybody) and made in everybody, everybody)
    ui.expect("README: get by name, without the role", 403, DETAIL, "GET /api/v1/users/juan", token=token)
    ui.expect("README: get by name", 200, made, "GET /api/v1/users/juan", token=root)
    changed = {**JUAN, "full_name": "Juan Carlos Pérez"}
    update = '{\n  "email": "nuevo@example.com",\n  "full_name": "Juan Carlos Pérez"\n}'
    ui.expect("README: update (the address waits for its owner)", 200, changed, "PUT /api/v1/users/me/update", data=update, token=token)
    # Its change-password has no content type.
    passwords = "old_password=Mi_Contrase%C3%B1a_Segura&new_password=nuevo"
    no_type = ui.send("POST /api/v1/users/me/change-password", data=passwords, headers={"Content-Type": ""}, token=token)
    report.check("README: change-password", no_type.status == 200 and set(no_type.json()) == {"message"}, no_type)
    ui.expect("the old password", 401, DETAIL, "POST /api/v1/token", form=login)
    fresh = ui.expect("the new password", 200, TOKENS, "POST /api/v1/token", form="username=juan&password=nuevo")["access_token"]
    ui.expect("whoever changed it goes on", 200, changed, "GET /api/v1/users/me", token=token)
    wrong = "old_password=antiguo&new_password=nuevo"
    ui.expect("a wrong old password", 400, DETAIL, "POST /api/v1/users/me/change-password", form=wrong, token=fresh)
    ui.expect("README: delete, without the role", 403, DETAIL, "DELETE /api/v1/users/usuario", token=fresh)
    ui.expect("oneself", 400, DETAIL, "DELETE /api/v1/users/root", token=root)
    ui.expect("README: delete", 200, {"message": TEXT}, "DELETE /api/v1/users/juan", token=root)
    ui.expect("deleted: token", 401, DETAIL, "GET /api/v1/users/me", token=fresh)
    ui.expect("deleted: get", 404, DETAIL, "GET /api/v1/users/juan", token=root)
    ui.expect("deleted: again", 404, DETAIL, "DELETE /api/v1/users/juan", token=root)

    # The examples with curl, in whose order the deleted one comes back.
    back = ui.expect("README, curl: register", 201, JUAN, "POST /api/v1/users/register", data=CURL)
    report.check("a number is not given twice", back["id"] != made["id"])
    token = ui.expect("README, curl: login with ñ as it is", 200, TOKENS, "POST /api/v1/token", form="username=juan&password=Mi_Contraseña_123")["access_token"]
    ui.expect("README, curl: me", 200, JUAN, "GET /api/v1/users/me", token=token)
    # The example with requests registers the same person once more, and goes on with whoever is there.
    ui.expect("README, requests: register", 400, DETAIL, "POST /api/v1/users/register", data=json.dumps(json.loads(CURL)))
    token = ui.expect("README, requests: login", 200, TOKENS, "POST /api/v1/token", form="username=juan&password=Mi_Contrase%C3%B1a_123")["access_token"]
    ui.expect("README, requests: me", 200, JUAN, "GET /api/v1/users/me", token=token)

    extended = {"username": "extra", "email": "extra@example.com", "password": "x", "city_id": 7, "xp_total": 120, "disabled": True, "is_admin": True, "id": 1}
    ui.expect("extended fields", 201, {"id": NUMBER, "username": "extra", "email": "extra@example.com", "full_name": None, "disabled": False}, "POST /users/", data=extended)
    ui.expect("extended fields make nobody an administrator", 403, DETAIL, "GET /users/", token=ui.send("POST /token", form="username=extra&password=x").json()["access_token"])
    ui.expect("a name that is taken", 400, DETAIL, "POST /users/", data={**flow, "email": "other@example.com"})
    ui.expect("an address that is taken", 400, DETAIL, "POST /users/", data={**flow, "username": "other"})
    ui.expect("nothing given", 422, fields("email", "username", "password"), "POST /users/", data={})
    ui.expect("nothing given", 422, fields("username", "password"), "POST /token", form="a=b")
    ui.expect("no number", 422, ANY, "GET /users/?skip=a", token=root)
    for page in ("skip=-1", "limit=0", "limit=-1", "limit=1000000000", "skip=1000000000"):
        ui.expect("a page that is none", 422, ANY, f"GET /users/?{page}", token=root)
    one = ui.expect("a page", 200, [ANY], "GET /users/?skip=1&limit=1", token=root)
    report.check("a page: the second", one and one[0] == everybody[1], one)
    ui.expect("nobody there", 404, DETAIL, "GET /users/nobody", token=root)
    same = [ui.send("POST /token", form=f"username={name}&password=wrong") for name in ("juan", "nobody")]
    report.check("wrong password and unknown person look alike", same[0].status == same[1].status == 401 and same[0].body == same[1].body, same)
    ui.expect("no token", 401, {"detail": "Not authenticated"}, "GET /users/me")
    ui.expect("a made-up token", 401, DETAIL, "POST /refresh-token", token="abc.def.ghi")
    client = op.client(first_party=True, grant_type=["password", "refresh_token"], scope="openid account")
    foreign = op.token(client, grant_type="password", username="juan", password="Mi_Contraseña_123").json()["access_token"]
    ui.expect("another client's token renews nothing", 401, DETAIL, "POST /refresh-token", token=foreign)
    stray = op.client(first_party=True, grant_type=["password"], scope="openid")
    stray = op.token(stray, grant_type="password", username="root", password=PASSWORD).json()["access_token"]
    ui.expect("another client's token administers nobody", 403, DETAIL, "DELETE /users/juan", token=stray)
    op.cli("user", "disable", "juan")
    ui.expect("a disabled person", (400, 401, 403), DETAIL, "POST /token", form="username=juan&password=Mi_Contraseña_123")
    ui.expect("a disabled person's token", 401, DETAIL, "GET /users/me", token=token)
    ui.expect("a disabled person's token", 401, DETAIL, "POST /refresh-token", token=token)
    token = ui.send("POST /token", form="username=usuario&password=contraseña").json()["access_token"]
    who = ui.send("GET /users/me", token=token).json()
    return {"access_token": token, "external_id": who["id"]}
