"""The machine under the benchmark: its cores, what a process used of them, and the load that wrk makes.

Owns: which core is the server's and which the load's, processor time and memory out of /proc, one run of wrk, `openssl speed`, and
the program `bench-limits`. Knows nothing of OAuth.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A measurement that would say nothing: the load or the server went wrong."""


# --- cores --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cores:
    """One core for the server, another one for everything else."""

    server: int
    load: int

    @classmethod
    def choose(cls) -> "Cores":
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise BenchError("needs two cores: one for the server and one for the load")
        return cls(allowed[0], allowed[1])

    @contextlib.contextmanager
    def for_server(self):
        """What is started inside runs on the server's core; affinity is inherited."""
        os.sched_setaffinity(0, {self.server})
        try:
            yield
        finally:
            os.sched_setaffinity(0, {self.load})

    def stay_on_load(self):
        os.sched_setaffinity(0, {self.load})


def _stat(pid: int) -> list[str]:
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(int(folder.name))[1]), []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, of those that descend from it, and of those of both that ended."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            total += sum(map(int, _stat(one)[11:15]))
    return total / TICKS


def resident_mib(pid: int) -> float:
    """Of a process and all that descend from it."""
    kib = 0
    for one in family(pid):
        found = re.search(r"^VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{one}/status").read_text(), re.M)
        kib += int(found[1]) if found else 0
    return kib / 1024


def core_busy_seconds(core: int) -> float:
    """What processes had of one core: user, nice and system time."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system = line.split()[1:4]
            return (int(user) + int(nice) + int(system)) / TICKS
    raise BenchError(f"no core {core} in /proc/stat")


def words() -> dict:
    """The machine in words that name no machine."""
    flags = set()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("flags", "Features")):
            flags = set(line.partition(":")[2].split())
            break
    notable = [name for flag, name in (("avx2", "AVX2"), ("avx512f", "AVX-512"), ("avx512ifma", "AVX-512 IFMA"), ("sha_ni", "SHA extensions"), ("aes", "AES"), ("asimd", "NEON"), ("sha2", "SHA-2")) if flag in flags]
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "features": notable,
        "virtual": "hypervisor" in flags,
        "kernel": ".".join(platform.release().split(".")[:2]),
        "openssl": _first_line("openssl", "version").split("(")[0].removeprefix("OpenSSL").split()[0],
        "wrk": (re.search(r"wrk (?:debian/)?([\d.]+)", _first_line("wrk", "--version")) or [None, "?"])[1],
        "rustc": _first_line("rustc", "--version").split()[1] if shutil.which("rustc") else None,
    }


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    return ((done.stdout or done.stderr).splitlines() or [""])[0]


# --- load ---------------------------------------------------------------------------------------------------------


@dataclass
class Load:
    """What one run of wrk saw, and what it cost the server."""

    requests: int
    seconds: float
    answer_bytes: float
    good: int
    p50_ms: float
    p99_ms: float
    cpu_seconds: float
    #: share of the server's core that the server had, and that other processes had
    server_share: float
    others_share: float
    #: what the processes of its stores used meanwhile
    stores_cpu_seconds: float


def wrk(url: str, script: str, lines: list[list[str]], seconds: float, pid: int, cores: Cores, threads: int, connections: int, stores: tuple[int, ...] = ()) -> Load:
    """Runs a script of lua/ and measures the process `pid`, and those of its stores, meanwhile. An answer that is not the expected one is an error."""
    with tempfile.TemporaryDirectory(prefix="portero-bench-") as folder:
        data, out = pathlib.Path(folder, "lines"), pathlib.Path(folder, "counts.json")
        data.write_text("".join("\t".join(line) + "\n" for line in lines))
        environment = {**os.environ, "BENCH_LUA": str(HERE / "lua"), "BENCH_LINES": str(data), "BENCH_OUT": str(out)}
        command = ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--timeout", "20s", "-s", str(HERE / "lua" / f"{script}.lua"), url]
        of_stores_before = sum(map(cpu_seconds, stores))
        before, busy_before, began = cpu_seconds(pid), core_busy_seconds(cores.server), time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds + 60)
        used, busy, took = cpu_seconds(pid) - before, core_busy_seconds(cores.server) - busy_before, time.monotonic() - began
        of_stores = sum(map(cpu_seconds, stores)) - of_stores_before
        if done.returncode or not out.exists():
            raise BenchError(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
        counts = json.loads(out.read_text())
    if trouble := {name: counts[name] for name in ("bad", "status_errors", "socket_errors", "timeouts") if counts[name]}:
        raise BenchError(f"not every answer was right: {trouble}; the first: {counts['sample']}" if counts["sample"] else f"not every answer was right: {trouble}")
    if not counts["requests"]:
        raise BenchError("no answer at all")
    return Load(
        requests=counts["requests"],
        seconds=counts["seconds"],
        answer_bytes=counts["bytes"] / counts["requests"],
        good=counts["good"],
        p50_ms=counts["p50_ms"],
        p99_ms=counts["p99_ms"],
        cpu_seconds=used,
        server_share=used / took,
        others_share=max(0.0, (busy - used) / took),
        stores_cpu_seconds=of_stores,
    )


# --- limits -------------------------------------------------------------------------------------------------------


def openssl_rsa(cores: Cores, seconds=2) -> dict:
    """RSA-2048 signatures and verifications a second of OpenSSL's own program, by its own processor time."""
    with cores.for_server():
        done = subprocess.run(["openssl", "speed", "-mr", "-seconds", str(seconds), "rsa2048"], capture_output=True, text=True, timeout=60)
    found = re.search(r"^\+F2:\d+:2048:([\d.]+):([\d.]+)$", done.stdout, re.M)
    if not found:
        raise BenchError(f"openssl speed: {done.stderr.strip()[-300:]}")
    sign, verify = float(found[1]), float(found[2])
    # Older releases print seconds for one operation, newer ones operations a second.
    return {"sign": sign if sign > 1 else 1 / sign, "verify": verify if verify > 1 else 1 / verify}


CRYPTOGRAPHY = ("argon2id", "rs256_sign", "rs256_verify", "es256_sign", "es256_verify", "eddsa_sign", "eddsa_verify")


def cryptography(program: pathlib.Path, cores: Cores, seconds: float, names=CRYPTOGRAPHY) -> dict:
    """Operations per second of processor time, with the crates and the settings of the server."""
    with cores.for_server():
        done = subprocess.run([program, "measure", str(seconds), *names], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise BenchError(f"bench-limits: {done.stderr.strip()}")
    return json.loads(done.stdout)


@contextlib.contextmanager
def pace(program: pathlib.Path, cores: Cores, name="rs256_sign"):
    """How fast the server's core is around what is done inside: operations per second before and after. On a shared machine it changes."""

    def now() -> float:
        return cryptography(program, cores, 0.25, [name])[name]

    found = {"of": name, "rates": [now()]}
    yield found
    found["rates"].append(now())


def bare_answer(program: pathlib.Path, cores: Cores, seconds: float) -> dict:
    """What a form answered with JSON costs a server of axum under the usual layers and nothing else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with cores.for_server():
        server = subprocess.Popen([program, "serve", str(port)])
    try:
        _wait(port)
        line = ["POST", "/", "grant_type=client_credentials&client_id=bench&client_secret=correct-horse-battery-staple&scope=reports%3Aread", "Content-Type: application/x-www-form-urlencoded"]
        with pace(program, cores) as found:
            load = wrk(f"http://127.0.0.1:{port}", "requests", [line], seconds, server.pid, cores, threads=1, connections=16)
    finally:
        server.terminate()
        server.wait()
    return {"per_second": load.requests / load.seconds, "cpu_us": load.cpu_seconds / load.requests * 1e6, "pace": found, "others_share": load.others_share}


def _wait(port: int):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise BenchError("bench-limits does not listen")


def first_answer(port: int, path: str, began: float, within=20.0) -> float:
    """Seconds from `began` until `path` is answered with 200 for the first time."""
    while (now := time.monotonic()) < began + within:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=within)
            try:
                connection.request("GET", path)
                status = connection.getresponse().status
            finally:
                connection.close()
            if status == 200:
                return time.monotonic() - began
        except OSError:
            pass
        # Often enough not to matter, seldom enough to leave the other core alone.
        time.sleep(max(0.0, 0.0005 - (time.monotonic() - now)))
    raise BenchError(f"no answer within {within} s")
