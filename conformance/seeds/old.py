"""What the replays share: a front end of an old service, and the comparison of an answer with what a README documents.

A documented body is compared member by member. Values that differ from run to run are written as what they must be: a type (`str`, `int`), a
check (`JWT`, `UUID`), or `ANY`. Nothing may be missing and nothing may be there beside it.
"""

import email
import email.policy
import json
import re
import time

from rig import fetch

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Check:
    """A value that must hold something."""

    def __init__(self, name, holds):
        self.name, self.holds = name, holds

    def __repr__(self):
        return self.name


ANY = Check("ANY", lambda value: True)
JWT = Check("JWT", lambda value: isinstance(value, str) and re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", value))
TOKEN = Check("TOKEN", lambda value: isinstance(value, str) and len(value) >= 20)
UUID = Check("UUID", lambda value: isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value))
NUMBER = Check("NUMBER", lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0)
TEXT = Check("TEXT", lambda value: isinstance(value, str) and value)


def differs(got, wanted, at="body"):
    """Where `got` is not as documented; None where it is."""
    if isinstance(wanted, Check):
        return None if wanted.holds(got) else f"{at} is {got!r}, not {wanted!r}"
    if isinstance(wanted, dict):
        if not isinstance(got, dict):
            return f"{at} is {got!r}, not an object"
        if set(got) != set(wanted):
            return f"{at} has {sorted(got)}, not {sorted(wanted)}"
        return next((said for name in wanted if (said := differs(got[name], wanted[name], f"{at}.{name}"))), None)
    if isinstance(wanted, list):
        if not isinstance(got, list) or len(got) != len(wanted):
            return f"{at} is {got!r}, not {len(wanted)} items"
        return next((said for n, one in enumerate(wanted) if (said := differs(got[n], one, f"{at}[{n}]"))), None)
    return None if type(got) is type(wanted) and got == wanted else f"{at} is {got!r}, not {wanted!r}"


class FrontEnd:
    """Sends what an old front end sends, and says whether the answer is the documented one."""

    def __init__(self, op, report, prefix=""):
        self.op, self.report, self.prefix = op, report, prefix
        self.origin = op.issuer.split("://")[0] + "://" + op.issuer.split("://")[1].split("/")[0]

    def send(self, request, data=None, token=None, headers=None, form=None):
        method, path = request.split(" ", 1)
        sent = dict(headers or {})
        body = None
        if form is not None:
            body, sent = form.encode() if isinstance(form, str) else form, {**FORM, **sent}
        elif data is not None:
            body, sent = data.encode() if isinstance(data, str) else json.dumps(data).encode(), {**JSON, **sent}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return fetch(method, f"{self.origin}{self.prefix}{path}", body=body, headers=sent, connect=self.op.port)

    def expect(self, name, status, body, request, **sent):
        """One case: the answer to `request` has this status (or one of these) and this body. The body, or None."""
        got = self.send(request, **sent)
        statuses = status if isinstance(status, tuple) else (status,)
        try:
            answered = json.loads(got.body) if got.body else None
        except ValueError:
            answered = got.text
        wrong = None if got.status in statuses else f"status {got.status}, not {status}: {got.text[:300]}"
        wrong = wrong or (None if body is ANY else differs(answered, body))
        if got.status == 401 and not got.header("www-authenticate"):
            wrong = wrong or "401 without WWW-Authenticate"
        self.report.check(f"{name}: {request}", wrong is None, wrong or "")
        return answered if got.status < 400 else None

    def must_not(self, name, wrong_status, wrong_body, request, **sent):
        """A negative control of the comparison itself: the same answer, documented in another way, is not accepted."""
        got = self.send(request, **sent)
        accepted = got.status == wrong_status and differs(json.loads(got.body), wrong_body) is None
        self.report.check(f"{name}: {request} is told apart", not accepted)


def mailed(op, address, seconds=15.0):
    """The token of the last link that was mailed to this address. Development writes mails into a folder."""
    folder, end = op.home / "data" / "outbox", time.monotonic() + seconds
    while time.monotonic() < end:
        for path in sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime, reverse=True) if folder.is_dir() else []:
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if address in str(mail["to"]):
                text = mail.get_body(("plain",)).get_content()
                if found := re.search(r"[?&#]token=([\w-]+)", text):
                    return found[1]
        time.sleep(0.1)
    raise AssertionError(f"no link was mailed to {address}")


def fields(*names):
    """FastAPI's answer where these members of the body are missing."""
    return {"detail": [{"type": "missing", "loc": ["body", name], "msg": "Field required"} for name in names]}


DETAIL = {"detail": TEXT}
MSG = {"msg": TEXT}
