"""ML: mails on their way to a server that is away, busy, or says no; each is said once, whichever replica says it."""

import email as mime
import email.policy
import socketserver

from ad import call
from lab import *

SECRET = "seven purple lanterns drift"


class Sink:
    """A mail server on a port of its own, which may be away. Keeps what it took: to whom, and the message."""

    def __init__(self):
        self.port, self.taken, self.asked = rig.free_port(), [], []
        #: what it says to a recipient, once for each word of the list
        self.moods: dict[str, list[bytes]] = {}
        self.server = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?tls=off"

    def __enter__(self):
        sink = self

        class Conversation(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(b"220 sink\r\n")
                to = None
                while line := self.rfile.readline():
                    word = line[:4].upper()
                    if word == b"RCPT":
                        to = re.search(rb"<([^>]*)>", line)[1].decode()
                        sink.asked.append(to)
                        moods = sink.moods.get(to)
                        self.wfile.write(moods.pop(0) if moods else b"250 ok\r\n")
                    elif word == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        body = b""
                        while not body.endswith(b"\r\n.\r\n"):
                            body += self.rfile.readline()
                        sink.taken.append((to, body))
                        self.wfile.write(b"250 taken\r\n")
                    elif word == b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    else:
                        self.wfile.write(b"250 ok\r\n")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self.server = Server(("127.0.0.1", self.port), Conversation)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def to(self, address: str) -> list[bytes]:
        return [body for to, body in self.taken if to == address]


def new_address() -> str:
    return f"m{secrets.token_hex(6)}@example.org"


def ML_01(lab):
    """what could not be said is said later, once; what is refused for good is not said again; and nothing that waits can be read"""
    sink = Sink()
    WATCH.typed.add(SECRET)
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(Portero(lab.store, env={"PORTERO_SMTP_URL": sink.url, "PORTERO_SIGN_UP": "open"}))
        at = [one] if lab.store == "embedded" else [one, stack.enter_context(Portero(share=one))]
        people = [new_address() for _ in range(12)]
        busy, never = new_address(), new_address()
        sink.moods = {busy: [b"451 later\r\n"], never: [b"550 nobody of that name\r\n"] * 9}
        for n, address in enumerate((*people, busy, never)):
            answer = call(lab, "POST", "/v1/registration", body={"email": address, "password": SECRET}, op=at[n % len(at)])
            must(answer.status == 202, "a sign-up while the mail server is away", answer)
        until = time.monotonic() + 10
        while int(lab.sql("SELECT count(*) FROM outbox WHERE tries > 0 AND reason IS NOT NULL", one)[0][0]) < 14:
            must(time.monotonic() < until, "each mail is tried", lab.sql("SELECT id, tries, reason FROM outbox", one)[:3])
            yield 0.2
        waiting = repr(lab.sql("SELECT * FROM outbox", one))
        must(int(lab.sql("SELECT count(*) FROM outbox WHERE sent_at IS NULL AND dead_at IS NULL", one)[0][0]) == 14, "they wait")
        with sink:
            # Tried again after ten seconds; the busy one ten, or thirty, later.
            until = time.monotonic() + 75
            while not (sink.to(busy) and all(sink.to(address) for address in people)):
                must(time.monotonic() < until, "what waits is sent when the server is back", [len(sink.taken), lab.sql("SELECT tries, reason FROM outbox WHERE sent_at IS NULL", one)[:3]])
                yield 1
            # And while everything is well: two replicas, many mails at once.
            more = [new_address() for _ in range(24)]
            body = lambda address: json.dumps({"email": address, "password": SECRET}).encode()
            shots = []
            for n, address in enumerate(more):
                shot = Shot(at[n % len(at)], "POST", "/v1/registration", {})
                head = f"POST /v1/registration HTTP/1.1\r\nHost: {urllib.parse.urlsplit(one.issuer).netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body(address))}\r\n\r\n"
                shot.raw = head.encode() + body(address)
                shots.append(shot)
            with WATCH.slow_wanted():
                must(all(answer.status == 202 for answer in lab.volley.fire(shots[:16]) + lab.volley.fire(shots[16:])), "sign-ups at once")
            until = time.monotonic() + 20
            while not all(sink.to(address) for address in more):
                must(time.monotonic() < until, "mails at once")
                yield 0.5
            # Whatever would say it a second time has the time to.
            yield 12
            said = {address: len(sink.to(address)) for address in (*people, busy, *more)}
            must(set(said.values()) == {1}, "each mail is said once", {address: count for address, count in said.items() if count != 1})
            must(sink.asked.count(busy) == 2 and sink.asked.count(never) == 1 and not sink.to(never), "a busy server is asked again, one that says never is not", (sink.asked.count(busy), sink.asked.count(never)))
            rows = lab.sql("SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL", one), lab.sql("SELECT to_address FROM outbox WHERE dead_at IS NOT NULL", one)
            must(int(rows[0][0][0]) == 37 and rows[1] == [[never]], "what became of them", rows)
        # What lay in the outbox was of no use to whoever reads the database; what was sent is not kept.
        for address in people:
            text = mime.message_from_bytes(sink.to(address)[0], policy=email.policy.default).get_body(("plain",)).get_content()
            token, code = re.search(r"[?&]token=([A-Za-z0-9_-]+)", text), re.search(r": (\d{6})\s", text)
            must(token and code, "a link and a code", text)
            WATCH.issued.add(token[1])
            must(token[1] not in waiting and text[:40] not in waiting, "the outbox holds a link that works")
        must(not [row for row in lab.sql("SELECT sealed FROM outbox", one) if row[0]], "a mail that is over is kept")
