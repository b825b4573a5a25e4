"""What the measuring scripts share: the machine made ready, and one load between two looks at the core's speed.

`run` measures Portero against limits, `peers` against other servers. Knows cases.Work and machine.py; nothing of a page.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import cases
import machine
import rig

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
READY = "PORTERO_BENCH_READY"


def say(text: str):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def target() -> pathlib.Path:
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release"


def limits_program() -> pathlib.Path:
    return pathlib.Path(os.environ.get("BENCH_LIMITS") or target() / "examples" / "bench-limits")


def prepare(script: pathlib.Path, no_build: bool, stores: bool) -> machine.Cores:
    """Tools, a release build, Postgres and Redis on the load's core; comes back in a process that runs beside them."""
    if os.environ.get(READY):
        server, load = map(int, os.environ[READY].split(","))
        return machine.Cores(server, load)
    # The same way, and in the same words, as the other scripts install what is missing.
    needs = "lacks wrk command -v wrk; lacks openssl command -v openssl; lacks python3 command -v python3; install_missing"
    subprocess.run(["bash", "-c", f'set -euo pipefail; . "$1/scripts/lib/needs.sh"; {needs}', "bench", str(ROOT)], check=True)
    if not no_build:
        say("cargo build --release")
        subprocess.run(["cargo", "build", "--release", "--locked", "--bin", "portero", "--example", "bench-limits"], cwd=ROOT, check=True)
    os.environ.setdefault("PORTERO_BIN", str(target() / "portero"))
    cores = machine.Cores.choose()
    os.environ[READY] = f"{cores.server},{cores.load}"
    cores.stay_on_load()
    command = [sys.executable, str(script), *sys.argv[1:]]
    if stores:
        command.insert(0, str(ROOT / "scripts" / "with-stores"))
    os.execv(command[0], command)


def started(op: rig.Portero, cores: machine.Cores) -> rig.Portero:
    with cores.for_server():
        op.start()
    return op


def load(url: str, work: cases.Work, seconds: float, pid: int, cores: machine.Cores, program: pathlib.Path, reference="rs256_sign", stores: tuple[int, ...] = ()) -> dict:
    """One round: what an operation costs, with the core's speed before and after."""
    with machine.pace(program, cores, reference) as pace:
        seen = machine.wrk(url, work.script, work.lines, seconds, pid, cores, work.threads, work.connections, stores)
    done = seen.good if work.script != "requests" else seen.requests
    if not done:
        raise machine.BenchError("not one whole operation")
    if work.answer_bytes and abs(seen.answer_bytes / work.answer_bytes - 1) > 0.2:
        raise machine.BenchError(f"answers of {seen.answer_bytes:.0f} bytes instead of {work.answer_bytes}: not the answer that was asked for")
    return {
        "per_second": done / seen.seconds,
        "operations": done,
        "requests_each": seen.requests / done,
        "cpu_us": seen.cpu_seconds / done * 1e6,
        "stores_cpu_us": seen.stores_cpu_seconds / done * 1e6,
        "pace": pace,
        "p50_ms": seen.p50_ms,
        "p99_ms": seen.p99_ms,
        "server_share": seen.server_share,
        "others_share": seen.others_share,
    }
