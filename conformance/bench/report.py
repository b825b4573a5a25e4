"""From figures to verdicts, a table, and RESULTS.md. No measuring here."""

from __future__ import annotations

import time

import cases

COLD_START_MS, IDLE_MIB = 40, 20
#: a core shared with others by more than this makes throughput say little
SHARED = 0.05
#: how far the core's speed may change during a load that counts
UNSTEADY = 0.05


def judge(found: dict):
    """Adds to each case what its own cryptography costs, what is beyond it in bare answers, and whether that is as expected."""
    limit = found["limit"] = best(found["limits"], [once["pace"] for once in rounds(found)])
    for figures in found["stores"].values():
        for case in cases.CASES:
            figure = figures["cases"].get(case.name)
            if not figure or "error" in figure:
                continue
            for once in figure["rounds"]:
                once["cpu_us_at_best"] = once["cpu_us"] * slowness(once["pace"], limit)
            figure |= middle(figure["rounds"], "cpu_us_at_best")
            figure["cpu_us"] = figure.pop("cpu_us_at_best")
            figure["own_us"] = sum(times * 1e6 / limit[name] for name, times in case.own.items())
            figure["beyond_us"] = figure["cpu_us"] - figure["own_us"]
            figure["beyond_bare"] = figure["beyond_us"] / limit["bare_us"]
            figure["of_limit"] = 1e6 / figure["cpu_us"] / limit[case.limit]
            figure["own_share"] = figure["own_us"] / figure["cpu_us"]
            figure["limit"] = case.limit
            if case.at_most is not None:
                figure["expected"], figure["holds"] = f"≤ {case.at_most:g} bare", figure["beyond_bare"] <= case.at_most
            elif case.at_least is not None:
                figure["expected"], figure["holds"] = f"≥ {case.at_least:g} of its own", figure["own_share"] >= case.at_least
        if start := figures.get("start"):
            start["cold_start_holds"], start["idle_holds"] = start["cold_start_ms"] <= COLD_START_MS, start["idle_mib"] <= IDLE_MIB


def rounds(found: dict):
    return (once for figures in found["stores"].values() for figure in figures["cases"].values() for once in figure.get("rounds", ()))


def best(measured: list[dict], paces: list[dict]) -> dict:
    """The best of what was measured several times in the run, and how far apart it was: whatever disturbs a measurement only slows it."""
    rates = {name: [m["crypto"][name] for m in measured] for name in measured[0]["crypto"]}
    rates["openssl_rsa2048_sign"] = [m["openssl_rsa2048"]["sign"] for m in measured]
    rates["openssl_rsa2048_verify"] = [m["openssl_rsa2048"]["verify"] for m in measured]
    for pace in [*paces, *(m["bare"]["pace"] for m in measured)]:
        rates[pace["of"]] += pace["rates"]
    limit = {name: max(values) for name, values in rates.items()}
    for m in measured:
        m["bare"]["cpu_us_at_best"] = m["bare"]["cpu_us"] * slowness(m["bare"]["pace"], limit)
    rates["bare"] = [1e6 / m["bare"]["cpu_us_at_best"] for m in measured]
    limit["bare_us"] = middle([m["bare"] for m in measured], "cpu_us_at_best")["cpu_us_at_best"]
    limit["bare"] = 1e6 / limit["bare_us"]
    limit["bare_per_second"] = max(m["bare"]["per_second"] for m in measured)
    limit["spread"] = {name: (max(values) - min(values)) / limit[name] for name, values in rates.items()}
    return limit


def slowness(pace: dict, limit: dict) -> float:
    """The speed of the core around a measurement, as a part of its best in the run."""
    return min(1.0, sum(pace["rates"]) / len(pace["rates"]) / limit[pace["of"]])


def middle(rounds: list[dict], name: str) -> dict:
    """The round whose value is the median, the lower one of two; of those in which the core kept its speed, if there are any."""
    steady = [once for once in rounds if min(once["pace"]["rates"]) > (1 - UNSTEADY) * max(once["pace"]["rates"])] or rounds
    return sorted(steady, key=lambda once: once[name])[(len(steady) - 1) // 2]


LIMITS = (
    ("openssl_rsa2048_sign", "RSA-2048 signatures, `openssl speed`"),
    ("rs256_sign", "RS256 signatures, josekit, signer kept"),
    ("rs256_verify", "RS256 verifications, josekit, verifier kept"),
    ("es256_sign", "ES256 signatures, josekit"),
    ("es256_verify", "ES256 verifications, josekit"),
    ("eddsa_sign", "EdDSA signatures, josekit"),
    ("argon2id", "Argon2id hashes, m=19456 t=2 p=1, memory kept"),
    ("bare", "bare axum answers, form to JSON, usual layers"),
)
SHORT = {"openssl_rsa2048_sign": "OpenSSL signatures", "es256_sign": "ES256 signatures", "argon2id": "hashes", "bare": "bare answers"}
TITLES = {"embedded": "SQLite and the process", "postgres": "Postgres and Redis"}


def table(found: dict) -> str:
    limit = found["limit"]
    lines = ["| limit, on the server's core | per CPU second | µs each | spread in the run |", "|---|--:|--:|--:|"]
    for name, title in LIMITS:
        lines.append(f"| {title} | {limit[name]:,.0f} | {1e6 / limit[name]:,.1f} | {limit['spread'][name]:.0%} |")
    for store, figures in found["stores"].items():
        lines += ["", f"**{TITLES[store]}**", ""]
        if figures["cases"]:
            lines += ["| | per second | p50 / p99 ms | CPU µs each | its own cryptography µs | beyond it, bare answers | expected | of the limit |", "|---|--:|--:|--:|--:|--:|--:|--:|"]
            lines += [row(case, figures["cases"][case.name]) for case in cases.CASES if case.name in figures["cases"]]
        if start := figures.get("start"):
            lines += ["", "| start and memory | | expected |", "|---|--:|--:|"]
            lines.append(f"| exec to the first discovery answer, second start (median of {len(start['cold_start_all_ms'])}) | {start['cold_start_ms']:.0f} ms | {verdict(start['cold_start_holds'])} {COLD_START_MS} ms |")
            lines.append(f"| resident, idle, before the first sign-in | {start['idle_mib']:.1f} MiB | {verdict(start['idle_holds'])} {IDLE_MIB} MiB |")
            lines.append(f"| resident after the first sign-in | {start['after_sign_in_mib']:.1f} MiB | |")
            last = [figure["resident_mib"] for figure in figures["cases"].values() if figure.get("resident_mib")]
            if last:
                lines.append(f"| resident after all the load | {last[-1]:.1f} MiB | |")
    if notes := shared(found):
        lines += ["", *notes]
    return "\n".join(lines)


def verdict(holds) -> str:
    return "✓ ≤" if holds else "✗ ≤"


def row(case: cases.Case, figure: dict) -> str:
    if "error" in figure:
        return f"| {case.title} | failed | | | | | | |"
    each = f"{figure['per_second']:,.0f}" if figure["per_second"] >= 100 else f"{figure['per_second']:.1f}"
    # Where an operation is several requests, wrk's latency is that of a request and says nothing of the operation.
    latency = f"{figure['p50_ms']:.1f} / {figure['p99_ms']:.1f}" if figure["requests_each"] < 1.5 else ""
    expected = f"{'✓' if figure['holds'] else '✗'} {figure['expected']}" if "holds" in figure else ""
    if case.at_least is not None:
        expected = f"{expected}: {figure['own_share']:.3f}"
    own = f"{figure['own_us']:,.0f}" if case.own else "–"
    return f"| {case.title} | {each} | {latency} | {figure['cpu_us']:,.1f} | {own} | {figure['beyond_bare']:.1f} | {expected} | {figure['of_limit']:.2f} of {SHORT[case.limit]} |"


def shared(found: dict) -> list[str]:
    """Says where the machine was not ours alone."""
    notes = []
    for store, figures in found["stores"].items():
        for case in cases.CASES:
            figure = figures["cases"].get(case.name, {})
            if figure.get("others_share", 0) > SHARED:
                notes.append(f"- {TITLES[store]}, {case.title}: other processes had {figure['others_share']:.0%} of the server's core; its throughput would be higher alone.")
            elif figure and "error" not in figure and figure["server_share"] < 0.9:
                notes.append(f"- {TITLES[store]}, {case.title}: the server used {figure['server_share']:.0%} of its core; the load's core was the limit.")
    return notes


def page(found: dict, table: str) -> str:
    m = found["machine"]
    features = f" with {', '.join(m['features'])}" if m["features"] else ""
    kind = "virtual machine" if m["virtual"] else "machine"
    return f"""# What a token costs

Written by `conformance/bench/run` on {time.strftime('%Y-%m-%d')}: a {kind} of {m['cores']} cores, {m['architecture']}{features}, Linux {m['kernel']}, OpenSSL {m['openssl']}, rustc {m['rustc']}, wrk {m['wrk']}; {found['seconds'] / 60:.1f} minutes.

The server has one core, wrk with Postgres and Redis another one; {cases.CHAINS} requests at once. *CPU µs each* is the server's own processor time, user and system, for one
operation, by `/proc`; it hardly depends on who else uses the machine, so it is what the expectations are about, and *of the limit* compares it with the limit's
processor time. *Beyond it* is what remains when the operation's own cryptography (josekit's signatures and verifications, the Argon2id hash) is taken off, in units of
a bare answer, an axum server that reads a form and writes JSON of a token's size under a deadline, a random request id and hardening headers, without a log
line, a metric or a store. Limits are measured before, between and after the loads, and the best counts: what disturbs a measurement only slows it. Each load runs four
times between two short measurements of the core's speed (signatures, or hashes for sign-ins), its processor time is brought to the core's best speed in the run, and the median counts, of
those in which that speed did not change by more than 5 %. The sign-in by the password grant is measured against one hash and its two signatures.

The server is in development mode with limits off, since a minute of sign-ins from one address is what they are there to stop; it logs one line a
request into a file. Postgres runs without fsync; what is measured is Portero's side of it.

{table}

What holds the rest back, as far as it was looked into by hand, is in [COSTS.md](COSTS.md).
"""
