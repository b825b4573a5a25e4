"""DS: what costs much by design is bounded, and the rest goes on beside it."""

import concurrent.futures

from ad import call, problem, somebody as api_person
from bf import fresh_address
from lab import *


def _resident(op) -> int:
    """MiB of memory of the process."""
    with open(f"/proc/{op.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024


def DS_01(lab):
    """hundreds of sign-ins at once with long passwords: bounded memory, the rest refused for a moment, everything else answered"""
    op, app = lab.op, lab.client("password")
    email = lab.person()
    headers = {"Authorization": basic(app["client_id"], app["client_secret"])}
    for _ in range(3):
        op.token(app, grant_type="password", username=email, password=PASSWORD)
    before, statuses, others, stop = _resident(op), [], [], threading.Event()

    def sign_in(n):
        form = {"grant_type": "password", "username": email if n % 2 else f"n{n}@example.org", "password": ("x" * 120) + f"{n:08}"}
        answer = fetch("POST", op.at(TOKEN), form=form, headers=headers, connect=op.port, timeout=60)
        return answer

    def look():
        while not stop.is_set():
            for path in (rig.JWKS, "/sign-in", rig.DISCOVERY):
                began = time.monotonic()
                must(op.get(path).status == 200, f"{path} beside the load")
                others.append(time.monotonic() - began)
            time.sleep(0.02)

    total = max(200, min(500, GUESSES * 2))
    with WATCH.faults_wanted(), WATCH.slow_wanted(), concurrent.futures.ThreadPoolExecutor(total) as pool:
        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        highest, waiting = before, {pool.submit(sign_in, n) for n in range(total)}
        while waiting:
            done, waiting = concurrent.futures.wait(waiting, timeout=0.1)
            highest = max(highest, _resident(op))
            statuses += [one.result() for one in done]
        stop.set()
        watcher.join()
    seen = {status: sum(answer.status == status for answer in statuses) for status in {answer.status for answer in statuses}}
    must(set(seen) <= {400, 429, 503}, "judged, or refused for a moment", seen)
    for answer in statuses:
        if answer.status in (429, 503):
            must(int(answer.header("retry-after") or 0) >= 1, "Retry-After", answer)
    must(seen.get(503, 0) >= total // 4, "what there is no room for is refused before it is hashed", seen)
    # 19 MiB for each hash: two hundred of them at once would be four gigabytes.
    must(highest - before < 400, f"memory grew from {before} to {highest} MiB")
    others.sort()
    must(others and others[len(others) // 2] < 0.5, "other answers beside the load", [len(others), others[len(others) // 2], others[-1]])
    must(op.token(app, grant_type="password", username=email, password=PASSWORD).status == 200, "afterwards it signs in as before")


def DS_02(lab):
    """authorization requests that nobody finishes lie in the short-lived store alone, and a browser with a hundred of them still signs in"""
    op, third = lab.op, lab.client("third")
    count = lambda: [int(lab.sql(f"SELECT count(*) FROM {table}")[0][0]) for table in ("sessions", "grants", "consents", "users", "attempts")]
    before = count()
    total = max(300, GUESSES * 4)
    for n in range(total):
        answer = Browser(op).request("GET", lab.request(third))
        must(answer.status in (302, 303), "an authorization request", answer)
    must(count() == before, "the database keeps flows", (before, count()))
    if lab.store == "postgres":
        ttls = [lab.redis("TTL", key) for key in lab.redis("KEYS", "*flow*")]
        must(len(ttls) >= total and all(0 < ttl <= 3700 for ttl in ttls), "each flow ends by itself", [len(ttls), min(ttls, default=0), max(ttls, default=0)])
    browser, email = Browser(op), lab.person()
    pages = [sign_in_page(browser.get(lab.request(third, state=f"tab-{n}"))) for n in range(100)]
    header = browser.cookie_header("/")
    must(len(browser.cookies) <= 8 and len(header) < 4096, "cookies pile up", [len(browser.cookies), len(header)])
    for n in (0, 50, 99):
        page = browser.sign_in(pages[n], email, PASSWORD)
        callback = browser.callback(page) or browser.callback(browser.submit(consent_page(page), "consent-allow"))
        must(callback and callback.params.get("state") == f"tab-{n}" and "code" in callback.params, f"tab {n}", callback and callback.params)
    # Whoever only begins them fills no store: 600 at once from one address, and then five a second.
    with Portero(lab.store, env={"PORTERO_LIMITS": "on", "PORTERO_TRUSTED_PROXIES": "127.0.0.1"}) as op:
        app = lab.client("third", op)
        url = op.authorize_url(app, scope="openid", nonce="n" * 1000, state="s" * 7000, code_challenge=rig.pkce()[1], code_challenge_method="S256")
        ask = lambda address: fetch("GET", url, headers={"X-Forwarded-For": address}, connect=op.port)
        crowd, seen = fresh_address(), []
        for _ in range(2000):
            seen.append(ask(crowd))
            if seen[-1].status != 303:
                break
        last = seen[-1]
        must(600 <= len(seen) < 2000 and last.status == 429 and last.page.has("error-code") and int(last.header("retry-after") or 0) >= 1, "a page, and Retry-After", [len(seen), last])
        must(ask(fresh_address()).status == 303, "somebody elsewhere")


def DS_06(lab):
    """odd pages of lists are refused, or small, and quick"""
    _, owner = api_person(lab, "owner")
    for path in ("/v1/users", "/v1/clients", "/v1/organizations", "/v1/audit"):
        for limit in ("0", "-1", "1000000000", "999999999999999999999", "1.5", "x", "", "0x10", "+5", " 5", "201"):
            began = time.monotonic()
            answer = call(lab, "GET", f"{path}?limit={urllib.parse.quote(limit)}", owner)
            if answer.status != 200 or limit.strip(" +") != "5":  # a five with a sign, or a space, is five
                problem(answer, 400, "invalid_request")
            must(time.monotonic() - began < 1, f"{path}?limit={limit} takes long")
        for cursor in ("x", "", "../", "MA", "e30", "A" * 4000, "%00", rig.b64url(b"users:usr_zzzz' OR 1=1--"), rig.b64url(b"audit:999999999999999999999999"), rig.b64url(b"audit:-1")):
            answer = call(lab, "GET", f"{path}?cursor={urllib.parse.quote(cursor)}", owner)
            must(answer.status in (200, 400), f"{path} with the cursor {cursor[:20]!r}", answer)
        for word in ("", "%%%%", "____", "%" * 200, "\\" * 200, "a" * 5000):
            began = time.monotonic()
            answer = call(lab, "GET", f"{path}?{'act' if path == '/v1/audit' else 'q'}={urllib.parse.quote(word)}&limit=5", owner)
            must(answer.status in (200, 400) and time.monotonic() - began < 1, f"{path} for {word[:8]!r}", answer)
            if answer.status == 200:
                must(len(answer.json()["items"]) <= 5, "no more than asked for")
        both = call(lab, "GET", f"{path}?limit=5&limit=6", owner)
        must(both.status == 400, "a parameter twice", both)


def DS_08(lab):
    """hostile input does not write lines of its own into the log, nor fill it"""
    op = lab.instance("closed")
    start = len(op.log())
    nasty = "\x1b[2J\x1b[31mERROR forged=1\x1b[0m"
    total = 300
    for n in range(total):
        value = f"{nasty}{'A' * 3000}{n}"
        op.get("/nothing/" + urllib.parse.quote(f"{value}\r\nlevel=ERROR event=forged user=admin"), headers={"User-Agent": "curl " + "B" * 3000, "X-Request-Id": "C" * 3000, "Referer": "D" * 3000})
        if n % 50 == 0:
            raw(op.port, b"A" * 3000 + b" / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if n % 10 == 0:
            op.post(TOKEN, {"grant_type": "password", "client_id": value, "username": value, "password": "x"})
            call(lab, "POST", "/v1/registration/request-reset", body={"identifier": f"x\r\nevent=forged{n}"}, op=op)
    time.sleep(0.3)
    said_ = op.log()[start:]
    lines = said_.split("\n")
    must(said_.count("\n") > 10, "the log says something", len(lines))
    must("\x1b" not in said_ and "\r" not in said_, "control characters reach the log", next((line[:200] for line in lines if "\x1b" in line or "\r" in line), ""))
    must(not any(line.startswith("level=ERROR event=forged") or re.match(r"^\S*\s*(ERROR|level=ERROR) event=forged", line) for line in lines), "a line that the client wrote")
    must(max(map(len, lines)) < 2000, "the longest line", max(lines, key=len)[:300])
    must(len(said_) < (total + 100) * 1500, "the log grows by what strangers send", len(said_))
