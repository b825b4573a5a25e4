"""The fourth seed: register, login, create and validate a token that is good once; then its limits, which need an instance with limits on."""

import concurrent.futures

from old import DETAIL, JWT, NUMBER, TEXT, FrontEnd, TOKEN, fields

NAME = "fastapi-one-time"
PERSON = {"nombre": "Ana Ñ.", "correo": "ana@example.com", "password": "contraseña"}
LOGIN = {"correo": "ana@example.com", "password": "contraseña"}
TOKENS = {"access_token": JWT, "token_type": "bearer"}


def cases(op, report):
    ui = FrontEnd(op, report)
    ui.must_not("the comparison", 201, {"id": TEXT, "nombre": TEXT, "correo": TEXT}, "POST /auth/register", data={**PERSON, "correo": "control@example.com"})
    made = ui.expect("README: register", 201, {"id": NUMBER, "nombre": "Ana Ñ.", "correo": "ana@example.com"}, "POST /auth/register", data=PERSON)
    tokens = ui.expect("README: login", 200, TOKENS, "POST /auth/login", data=LOGIN)
    access = tokens["access_token"]
    once = ui.expect("README: create", 200, {"token": TOKEN}, "POST /token/create", token=access)["token"]
    ui.expect("without a JWT it is not spent", 401, {"detail": "Not authenticated"}, "POST /token/validate", data={"token": once})
    ui.expect("README: validate", 200, {"message": TEXT}, "POST /token/validate", data={"token": once}, token=access)
    ui.expect("spent", 401, DETAIL, "POST /token/validate", data={"token": once}, token=access)
    ui.expect("unknown", 401, DETAIL, "POST /token/validate", data={"token": "unknown"}, token=access)
    ui.expect("nothing to validate", 422, fields("token"), "POST /token/validate", data={}, token=access)
    ui.expect("nobody creates one without a JWT", 401, {"detail": "Not authenticated"}, "POST /token/create")

    ui.expect("the same name again", 201, {"id": NUMBER, "nombre": "Ana Ñ.", "correo": "eva@example.com"}, "POST /auth/register", data={**PERSON, "correo": "eva@example.com"})
    eva = ui.expect("another person", 200, TOKENS, "POST /auth/login", data={**LOGIN, "correo": "eva@example.com"})["access_token"]
    handed = ui.expect("create for another", 200, {"token": TOKEN}, "POST /token/create", token=access)["token"]
    ui.expect("any signed-in person may validate", 200, {"message": TEXT}, "POST /token/validate", data={"token": handed}, token=eva)

    for n in range(3):
        raced = ui.send("POST /token/create", token=access).json()["token"]
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            statuses = list(pool.map(lambda _: ui.send("POST /token/validate", data={"token": raced}, token=access).status, range(32)))
        report.check(f"one of 32 at once is the first ({n})", sorted(statuses) == [200] + [401] * 31, statuses)

    ui.expect("somebody is there already", 400, DETAIL, "POST /auth/register", data=PERSON)
    ui.expect("nothing given", 422, fields("correo", "nombre", "password"), "POST /auth/register", data={})
    same = [ui.send("POST /auth/login", data={"correo": address, "password": "x"}) for address in ("ana@example.com", "nobody@example.com")]
    report.check("wrong password and unknown person look alike", same[0].status == same[1].status == 401 and same[0].body == same[1].body, same)
    ui.expect("a made-up token", 401, DETAIL, "POST /token/create", token="abc.def.ghi")
    return {"access_token": access, "external_id": made["id"]}


def with_limits(op, report):
    """Ten at once from one address, then one every six seconds; twenty validations."""
    ui = FrontEnd(op, report)
    ui.send("POST /auth/register", data=PERSON)
    access = ui.send("POST /auth/login", data=LOGIN).json()["access_token"]

    def until_refused(name, most, request, of_each=lambda n: {}, **sent):
        answers = [ui.send(request, **sent, **of_each(n)) for n in range(most + 3)]
        let_through = [got.status for got in answers].index(429) if any(got.status == 429 for got in answers) else None
        last = answers[-1]
        holds = let_through is not None and most <= let_through + 1 <= most + 2 and last.status == 429 and set(last.json()) == {"detail"}
        report.check(f"{name}: {most} in a minute", holds, f"{let_through} of {[got.status for got in answers]}")
        report.check(f"{name}: says when", (last.header("retry-after") or "").isdigit(), last.headers)

    until_refused("create", 10, "POST /token/create", token=access)
    until_refused("validate", 20, "POST /token/validate", data={"token": "unknown"}, token=access)
    until_refused("login", 10, "POST /auth/login", data=LOGIN)
    # Each with an address of its own: mails to one address have a limit of theirs.
    until_refused("register", 10, "POST /auth/register", of_each=lambda n: {"data": {**PERSON, "correo": f"n{n}@example.com"}})
