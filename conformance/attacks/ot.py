"""OT: one-time tokens while Redis is killed and comes back: thirty-two consumers on two replicas, one winner at most."""

import random
import shutil
import tempfile

from lab import *

CONSUMERS = 2 * WORKERS
#: How long a restarted Redis and the connections to it may need until every consumer has an answer that is none of "later".
RECOVERY = 20.0
PURPOSE = "join"


class OwnRedis:
    """A Redis that may be killed. `keeps`: it writes every command down before it answers; otherwise a restart forgets everything."""

    def __init__(self, keeps: bool):
        if not shutil.which("redis-server"):
            raise Skipped("no redis-server on this machine")
        self.port, self.keeps = rig.free_port(), keeps
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portero-redis-"))
        self.process = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        durable = ["--appendonly", "yes", "--appendfsync", "always"] if self.keeps else ["--appendonly", "no"]
        words = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder), "--save", "", *durable]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait(self):
        end = time.monotonic() + RECOVERY
        while time.monotonic() < end:
            with contextlib.suppress(OSError, rig.RigError, IndexError, ValueError):
                if rig.redis_command(self.url, "PING") == "PONG":
                    return
            time.sleep(0.01)
        raise rig.RigError("redis did not come back")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def remove(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def pair(lab, keeps: bool):
    """Two replicas on a Redis of their own, an app that makes tokens and one that consumes them."""
    if lab.store == "embedded":
        raise Skipped("there is no Redis to restart")
    redis = OwnRedis(keeps)
    try:
        redis.wait()
        with Portero(lab.store, env={"PORTERO_REDIS_URL": redis.url}) as one, Portero(share=one) as two:
            clients = [lab.new_client(op=one, grant_type=["client_credentials"]) for _ in range(2)]
            tokens = []
            for client in clients:
                answer = one.token(client, grant_type="client_credentials")
                must(answer.status == 200, "a machine's token", answer)
                tokens.append(answer.json()["access_token"])
            yield redis, [one, two], clients[1]["client_id"], *tokens
    finally:
        redis.remove()


def made(op, maker: str, audience: str) -> str:
    """A token that lives long enough for every restart; asked for again while Redis is still on its way."""
    end = time.monotonic() + RECOVERY
    while True:
        answer = post_json(op, "/v1/one-time-tokens", {"purpose": PURPOSE, "audience": [audience], "ttl": 120, "data": {"n": 1}}, {"Authorization": f"Bearer {maker}"})
        if answer.status == 201:
            WATCH.issued.add(answer.json()["token"])
            return answer.json()["token"]
        must(answer.status == 503 and time.monotonic() < end, "a one-time token", answer)
        time.sleep(0.05)


def consume(at, consumer: str, token: str) -> Shot:
    shot = Shot(at, "POST", "/v1/one-time-tokens/consume")
    body = json.dumps({"token": token, "purpose": PURPOSE}).encode()
    head = f"POST {urllib.parse.urlsplit(shot.url).path} HTTP/1.1\r\nHost: {urllib.parse.urlsplit(shot.url).netloc}\r\nAuthorization: Bearer {consumer}\r\n"
    shot.raw = (head + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
    return shot


def judged(answers) -> tuple[int, int, int]:
    """How many had it, were told that it is nothing to them, and were told to come later. There is no fourth answer."""
    counts = {200: 0, 404: 0, 503: 0}
    for answer in answers:
        must(answer.status in counts, "200, 404 or 503 is due", answer)
        if answer.status == 404:
            must(answer.json()["code"] == "one_time_token_invalid", "a token that is not good", answer)
        counts[answer.status] += 1
    return counts[200], counts[404], counts[503]


def rounds(lab, keeps: bool):
    """Each round: Redis is killed somewhere in the volley and comes back; whoever was told "later" asks again until all are answered."""
    chance = random.Random(20)
    seen = {"killed before": 0, "won at once": 0, "won later": 0, "lost": 0, "told later": 0}
    with pair(lab, keeps) as (redis, at, audience, maker, consumer), WATCH.faults_wanted(), WATCH.slow_wanted():
        for turn in range(max(6, ROUNDS)):
            token = made(at[turn % 2], maker, audience)
            before, away = chance.uniform(-0.005, 0.03), chance.choice([0.0, 0.05, 0.4])

            def restart():
                time.sleep(max(0.0, before))
                redis.kill()
                time.sleep(away)
                redis.start()

            shots = [consume(at[i % 2], consumer, token) for i in range(CONSUMERS)]
            if before < 0:
                redis.kill()
                seen["killed before"] += 1
                killer = threading.Thread(target=redis.start)
            else:
                killer = threading.Thread(target=restart)
            killer.start()
            won, lost, later = judged(lab.volley.fire(shots))
            killer.join()
            seen["won at once"] += won
            seen["told later"] += later
            must(won <= 1, f"{won} consumers had one token", turn)
            if keeps:
                must(won or not lost, "a live token was called invalid before anybody had it", (turn, won, lost, later))
            redis.wait()
            end = time.monotonic() + RECOVERY
            while later:
                must(time.monotonic() < end, "consumers are still told to come later", (turn, later))
                more, gone, later = judged(lab.volley.fire(shots[:later]))
                won, lost = won + more, lost + gone
                seen["won later"] += more
                time.sleep(0.02)
            must(won == 1 if keeps else won <= 1, f"{won} consumers had one token, {lost} were refused", turn)
            seen["lost"] += 1 - won
            # Everybody once more, and whoever meets a replica that is still on its way back to Redis until it is there.
            again, _, later = judged(lab.volley.fire(shots))
            while later:
                must(time.monotonic() < end, "consumers are still told to come later", (turn, later))
                time.sleep(0.02)
                more, _, later = judged(lab.volley.fire(shots[:later]))
                again += more
            must(again <= 1 - won, f"{again} more had it after the restart", turn)
            seen["lost"] -= again
        must(seen["told later"], "no volley met a Redis that was away", seen)
        if os.environ.get("ATTACK_VERBOSE"):
            print(f"      {seen}")


def OT_01(lab):
    """thirty-two consumers on two replicas while a Redis that keeps what it is told is killed: exactly one, and a fault is never "invalid\""""
    rounds(lab, keeps=True)


def OT_02(lab):
    """the same with a Redis that forgets: one at most"""
    rounds(lab, keeps=False)


def OT_03(lab):
    """a one-time token is for whom and what it was made, until it ends, and a stranger's try leaves it as it is"""
    from ad import call, problem, somebody as api_person, token_of

    machine = lambda: lab.new_client(grant_type=["client_credentials"])
    maker, friend, stranger = machine(), machine(), machine()
    bearer = {one["client_id"]: lab.op.token(one, grant_type="client_credentials").json()["access_token"] for one in (maker, friend, stranger)}
    mine, theirs, others = (bearer[one["client_id"]] for one in (maker, friend, stranger))
    mark = secrets.token_hex(12)

    def made(**members):
        body = {"purpose": PURPOSE, "audience": [friend["client_id"]], "ttl": 60, "subject": "somebody", "data": {"mark": mark}, **members}
        answer = call(lab, "POST", "/v1/one-time-tokens", mine, body)
        must(answer.status == 201, "a one-time token", answer)
        WATCH.issued.add(answer.json()["token"])
        return answer.json()

    def use(token, by, purpose=PURPOSE, op=None):
        return call(lab, "POST", "/v1/one-time-tokens/consume", by, {"token": token, "purpose": purpose}, op=op)

    one, two = made(), made()
    name, value = one["token"].split(".")
    tries = {
        "somebody outside the audience": (one["token"], others, PURPOSE), "its maker, who is not in the audience": (one["token"], mine, PURPOSE),
        "another purpose": (one["token"], theirs, "leave"), "the purpose in capitals": (one["token"], theirs, PURPOSE.upper()), "no purpose": (one["token"], theirs, ""),
        "another value": (f"{name}.{wrong(value)}", theirs, PURPOSE), "the value of another token": (f"{name}.{two['token'].split('.')[1]}", theirs, PURPOSE), "no value": (f"{name}.", theirs, PURPOSE), "the id alone": (name, theirs, PURPOSE),
    }  # fmt: skip
    for at in lab.replicas():
        for why, (token, by, purpose) in tries.items():
            problem(use(token, by, purpose, at), 404, "one_time_token_invalid")
        for by in (others, theirs):
            problem(call(lab, "DELETE", f"/v1/one-time-tokens/{one['id']}", by, op=at), 404, "not_found")
            must(not call(lab, "GET", "/v1/one-time-tokens", by, op=at).json()["items"], "somebody else's tokens are listed")
    for client in (maker, friend, stranger):
        must(lab.audited("one_time_token.consume", client["client_id"]), "a try that was refused has no row", client["client_id"])
    written = lab.sql(f"SELECT subject FROM audit WHERE act = 'one_time_token.create' AND result = 'done' AND client_id = '{maker['client_id']}'")
    must({row[0] for row in written} == {f"one_time_token:{token['id']}" for token in (one, two)}, "what was made has no row", written)
    must({entry["id"] for entry in call(lab, "GET", "/v1/one-time-tokens", mine).json()["items"]} == {one["id"], two["id"]}, "the maker sees its own")
    # Nothing at rest says what it is, or opens it.
    if lab.store == "embedded":
        held = b"".join(path.read_bytes() for path in (lab.op.home / "data").iterdir() if path.is_file())
    else:
        held = "".join(str(lab.redis("GET", key)) for key in lab.redis("KEYS", "*") if lab.redis("TYPE", key) == "string").encode()
        held += subprocess.run(["pg_dump", "-d", lab.op.environment["PORTERO_DATABASE_URL"], "--data-only"], capture_output=True, timeout=60).stdout
    must(len(held) > 1000 and value.encode() not in held and mark.encode() not in held, "the store holds a token that works, or what it stands for")
    # All of that left it as it was.
    answer = use(one["token"], theirs)
    must(answer.status == 200 and answer.json() == {"subject": "somebody", "audience": [friend["client_id"]], "data": {"mark": mark}}, "whom it is for", answer)
    problem(use(one["token"], theirs), 404, "one_time_token_invalid")
    # Its maker ends it; and so does time.
    must(call(lab, "DELETE", f"/v1/one-time-tokens/{two['id']}", mine).status == 204, "revoked")
    problem(use(two["token"], theirs), 404, "one_time_token_invalid")
    short = made(ttl=1)
    time.sleep(2.1)
    problem(use(short["token"], theirs), 404, "one_time_token_invalid")
    # A person's token speaks of that person alone, and only where the app has the scope for their account.
    email, person = api_person(lab)
    refused = call(lab, "POST", "/v1/one-time-tokens", person, {"purpose": PURPOSE, "subject": "usr_of_somebody_else"})
    problem(refused, 400, "invalid_request")
    must(refused.json()["errors"][0]["pointer"] == "/subject", "the member", refused)
    narrow = token_of(lab, email, scope="openid")["access_token"]
    for method, path, body in (("GET", "", None), ("POST", "", {"purpose": PURPOSE}), ("POST", "/consume", {"token": short["token"], "purpose": PURPOSE}), ("DELETE", f"/{short['id']}", None)):
        problem(call(lab, method, "/v1/one-time-tokens" + path, narrow, body), 403, "insufficient_scope")
