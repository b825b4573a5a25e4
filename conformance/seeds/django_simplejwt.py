"""The third seed: register, token pair, refresh, me, with the README's own bodies; the same as forms."""

from old import ANY, JWT, NUMBER, TEXT, TOKEN, FrontEnd

NAME = "django-simplejwt"
CREDENTIALS = """{
  "email": "user@example.com",
  "password": "TestPass123!"
}"""
PERSON = {"id": NUMBER, "email": "user@example.com"}
PAIR = {"refresh": TOKEN, "access": JWT}
REQUIRED = ["This field is required."]


def cases(op, report):
    ui = FrontEnd(op, report)
    ui.must_not("the comparison", 201, {"id": TEXT, "email": TEXT}, "POST /api/register/", data=CREDENTIALS.replace("user@", "control@"))
    made = ui.expect("README: register", 201, PERSON, "POST /api/register/", data=CREDENTIALS)
    pair = ui.expect("README: login", 200, PAIR, "POST /api/token/", data=CREDENTIALS)
    first = ui.expect("README: refresh", 200, {"access": JWT}, "POST /api/token/refresh/", data={"refresh": pair["refresh"]})
    ui.expect("the refresh token lives on", 200, {"access": JWT}, "POST /api/token/refresh/", data={"refresh": pair["refresh"]})
    me = ui.expect("README: me", 200, PERSON, "GET /api/me/", token=first["access"])
    report.check("the id is the same number", me and made and me["id"] == made["id"], f"{made} {me}")
    other = ui.expect("the next person has another number", 201, {"id": NUMBER, "email": "b@example.com"}, "POST /api/register/", data={"email": "b@example.com", "password": "x"})
    report.check("the next person has another number: higher", other["id"] > made["id"])

    ui.expect("a form does as well", 200, PAIR, "POST /api/token/", form="email=user%40example.com&password=TestPass123%21")
    boundary = "--x\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n"
    parts = boundary.format("email", "user@example.com") + boundary.format("password", "TestPass123!") + "--x--\r\n"
    ui.expect("a form in parts does as well", 200, PAIR, "POST /api/token/", form=parts, headers={"Content-Type": "multipart/form-data; boundary=x"})
    trimmed = {"email": "  trim@example.com ", "password": "  con espacios  "}
    ui.expect("what is read is trimmed", 201, {"id": NUMBER, "email": "trim@example.com"}, "POST /api/register/", data=trimmed)
    for password in ("con espacios", "  con espacios  "):
        ui.expect("what is read is trimmed", 200, PAIR, "POST /api/token/", data={"email": "trim@example.com", "password": password})

    ui.expect("somebody is there already", 400, {"email": [TEXT]}, "POST /api/register/", data=CREDENTIALS)
    ui.expect("nothing at all", 400, {"email": REQUIRED, "password": REQUIRED}, "POST /api/register/", data={})
    ui.expect("nothing at all", 400, {"email": REQUIRED, "password": REQUIRED}, "POST /api/token/", data={})
    ui.expect("no address", 400, {"email": ["Enter a valid email address."]}, "POST /api/register/", data={"email": "x", "password": "secret"})
    ui.expect("blank", 400, {"password": ["This field may not be blank."]}, "POST /api/token/", data={"email": "x", "password": "  "})
    ui.expect("no JSON", 400, {"detail": TEXT}, "POST /api/token/", data="{")
    ui.expect("no refresh token", 400, {"refresh": REQUIRED}, "POST /api/token/refresh/", data={})
    same = [ui.send("POST /api/token/", data={"email": address, "password": "wrong"}) for address in ("user@example.com", "nobody@example.com")]
    wrong = b'{"detail":"No active account found with the given credentials"}'
    report.check("wrong password and unknown person look alike", all(got.status == 401 and got.body == wrong for got in same), same)
    dead = {"detail": "Token is invalid or expired", "code": "token_not_valid"}
    ui.expect("an access token refreshes nothing", 401, dead, "POST /api/token/refresh/", data={"refresh": pair["access"]})
    ui.expect("a made-up refresh token", 401, dead, "POST /api/token/refresh/", data={"refresh": "abc"})
    invalid = {"detail": TEXT, "code": "token_not_valid", "messages": [{"token_class": "AccessToken", "token_type": "access", "message": TEXT}]}
    ui.expect("a refresh token is no access token", 401, invalid, "GET /api/me/", token=pair["refresh"])
    ui.expect("a made-up token", 401, invalid, "GET /api/me/", token="abc.def.ghi")
    ui.expect("no token", 401, {"detail": "Authentication credentials were not provided."}, "GET /api/me/")
    ui.expect("a request without an answer's body", 200, ANY, "HEAD /api/me/", token=first["access"])
    ui.expect("wrong method", 405, {"detail": 'Method "GET" not allowed.'}, "GET /api/token/")
    ui.expect("paths end in a slash", 404, ANY, "GET /api/me", token=first["access"])
    return {"access_token": first["access"], "external_id": made["id"]}
