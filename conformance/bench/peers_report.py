"""From the figures of `peers` to PEERS.md. No measuring here."""

from __future__ import annotations

import time

import report

LOADS = {
    "client_credentials": "client credentials: one RS256 JWT",
    "refresh": "refresh: an access and an ID token, both RS256, and the next refresh token",
    "introspection": "introspection of an active token",
    "jwks": "the key set",
}
SHORT = {"client_credentials": "client credentials", "refresh": "refresh", "introspection": "introspection", "jwks": "the key set"}
SIGNED = ("client_credentials", "refresh")
PORTERO = ("embedded", "postgres")


def judge(found: dict):
    """Brings processor time to the core's best speed in the run, and takes the middle round."""
    paces = [once["pace"] for figures in found["servers"].values() for load in figures["loads"].values() for once in load["rounds"]]
    best = {"rs256_sign": max((rate for pace in paces for rate in pace["rates"]), default=1.0)}
    found["sign"] = max(once["sign"] for once in found["limits"])
    found["sign_spread"] = 1 - min(once["sign"] for once in found["limits"]) / found["sign"]
    for figures in found["servers"].values():
        for load in figures["loads"].values():
            for once in load["rounds"]:
                slowness = report.slowness(once["pace"], best)
                once["cpu_us_at_best"] = once["cpu_us"] * slowness
                once["stores_cpu_us_at_best"] = once["stores_cpu_us"] * slowness
            load |= report.middle(load["rounds"], "cpu_us_at_best")
            load["core_had"] = report.slowness(load["pace"], best) * (1 - load["others_share"])
            load["of_limit"] = 1e6 / load["cpu_us_at_best"] / found["sign"]


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def sizes(figures: dict) -> str:
    return " + ".join(f"{mib:,.1f} ({what})" if len(figures["sizes"]) > 1 else f"{mib:,.1f}" for what, mib in figures["sizes"])


def tables(found: dict) -> list[str]:
    lines = []
    for load, title in LOADS.items():
        lines += ["", f"**{title[0].upper()}{title[1:]}**", ""]
        lines += ["| | CPU µs each | of its stores, CPU µs | of the signature limit | per second | p50 / p99 ms | of the core's best |", "|---|--:|--:|--:|--:|--:|--:|"]
        for figures in found["servers"].values():
            if once := figures["loads"].get(load):
                stores = number(once["stores_cpu_us_at_best"]) if once["stores_cpu_us"] else "–"
                latency = f"{once['p50_ms']:.1f} / {once['p99_ms']:.1f}"
                limit = f"{once['of_limit']:.2f}" if load in SIGNED else ""
                lines.append(f"| {figures['title']} | {number(once['cpu_us_at_best'])} | {stores} | {limit} | {number(once['per_second'])} | {latency} | {once['core_had']:.0%} |")
    lines += ["", "**Start, memory, disk**", "", "| | version | exec to the first discovery answer, ms | resident when idle, MiB | after all loads, MiB | on disk, MiB |", "|---|---|--:|--:|--:|--:|"]
    for figures in found["servers"].values():
        if "start_ms" in figures and "loaded_mib" in figures:
            lines.append(f"| {figures['title']} | {figures['version']} | {figures['start_ms']:,.0f} | {figures['idle_mib']:,.0f} | {figures['loaded_mib']:,.0f} | {sizes(figures)} |")
    return lines


def ahead(found: dict) -> list[str]:
    """Each measure in a sentence: Portero on each store against the best of the others, whoever wins."""
    lines = []
    measures = [(f"{SHORT[load]}, CPU µs each", lambda figures, load=load: figures["loads"].get(load, {}).get("cpu_us_at_best")) for load in LOADS]
    # A server that answers faster than wrk asks shows the p99 of wrk: that of introspection and the key set says nothing.
    measures += [(f"{SHORT[load]}, p99 ms as it was", lambda figures, load=load: figures["loads"].get(load, {}).get("p99_ms")) for load in SIGNED]
    measures += [("start, ms", lambda figures: figures.get("start_ms")), ("resident when idle, MiB", lambda figures: figures.get("idle_mib")), ("resident after all loads, MiB", lambda figures: figures.get("loaded_mib"))]
    measures += [("on disk with its runtime, MiB", lambda figures: sum(mib for _, mib in figures["sizes"]) if "start_ms" in figures else None)]
    for title, value in measures:
        others = {name: value(figures) for name, figures in found["servers"].items() if name not in PORTERO and value(figures)}
        ours = {name: value(figures) for name, figures in found["servers"].items() if name in PORTERO and value(figures)}
        if not others or not ours:
            continue
        rival = min(others, key=others.get)
        said = [f"{number(mine)} on {report.TITLES[name]} ({verdict(mine, others[rival])})" for name, mine in ours.items()]
        lines.append(f"- {title}: {' and '.join(said)}; the best of the others is {found['servers'][rival]['title']} with {number(others[rival])}.")
    return lines


def disturbed(found: dict) -> list[str]:
    """Says where the rate is not the server's own."""
    notes = []
    for figures in found["servers"].values():
        for load, once in figures["loads"].items():
            if once["others_share"] > report.SHARED:
                notes.append(f"- {figures['title']}, {SHORT[load]}: other processes had {once['others_share']:.0%} of the server's core.")
            elif once["server_share"] < 0.9:
                notes.append(f"- {figures['title']}, {SHORT[load]}: the server used {once['server_share']:.0%} of its core; the load's core was the limit.")
    return notes


def verdict(mine: float, other: float) -> str:
    if max(mine, other) < 1.05 * min(mine, other):
        return "as good"
    return f"better, by {other / mine:.1f}" if mine < other else f"**worse**, by {mine / other:.1f}"


#: rows and transactions by Postgres' own statistics, over fifty operations one after the other
UNEQUAL = """## What was not equal

- **State for a token by client credentials.** Portero and oidc-provider keep nothing for such a JWT and ask no store; Keycloak has one transaction in Postgres that writes nothing; Ory Hydra
  writes a row, in three transactions. Its documentation advises opaque tokens, its default; JWTs are what all four can do.
- **What proves a client.** Hydra hashes client secrets with 25,000 iterations of PBKDF2 by default, which suits secrets that people choose; that is more than half of what a token by client
  credentials costs there. The line *client secrets hashed once* is the same server with one iteration. Portero makes the secrets itself, at random, and keeps a keyed digest; Keycloak and
  oidc-provider keep and compare them as they are.
- **Stores.** oidc-provider is a library, and runs here on a `Map` in its own process: it pays for no store, holds in its memory what others have in Postgres, loses it at its end, and runs as one replica. (Its own adapter for development
  keeps 1,000 things and walks through a grant's whole history at each refresh; the one of the benchmark does neither.) Keycloak and Hydra have the same Postgres as Portero. Keycloak holds
  sessions in memory beside it (`--cache=local`, one replica), with persistent sessions on, its default. Postgres runs without fsync for all; SQLite syncs as Portero ships it.
- **What a refresh does.** All rotate: Keycloak with `revokeRefreshToken`, oidc-provider with `rotateRefreshToken`, the others by default. Portero changes one row in one transaction; Keycloak
  changes one; Hydra writes, changes or deletes four, in four transactions. Keycloak's refresh token is a JWT with an HMAC of its own. Portero gives a repeated refresh, whose answer was lost,
  the same answer again for 30 seconds; the others were measured as they come, without anything of the kind.
- **Introspection.** Portero and Keycloak: JWTs, by an authenticated client that the audience names. Hydra: JWTs, on its address for administration, where nobody authenticates. oidc-provider:
  opaque tokens, since it introspects no JWT; so it reads a map and verifies no signature.
- **The token's content** differs: Keycloak puts roles, names and addresses into each, some 1,200 characters instead of at most 800. Keycloak and Hydra have two keys in their key sets.
- **Logs.** Portero and Hydra write a line for each request into a file, as they do by default; Keycloak and oidc-provider write none.
- **Settings.** Portero: production mode, limits on. Keycloak: `start --optimized` after `build --db=postgres --cache=local`, heap as `kc.sh` sets it (at most 512 MiB), a realm's own discovery
  as first answer. Hydra: no `--dev`, behind a proxy that would speak https, up to 64 connections to Postgres (with its default, two for each core, 16 requests at once wait for each other until
  they time out), RSA-2048 keys imported, since its own would be of 4,096 bits; Keycloak's and Portero's own are of 2,048. oidc-provider: `NODE_ENV=production`.
- **One core** is hard on the JVM, which compiles and collects beside its work: with a second core Keycloak would start faster and be warm sooner.
- **Hydra's program** was built without its optional tags, and without symbols.
- **Latency** is that of a server kept busy by 16 requests at once, so it follows from the rate; it says most where something stops the whole process, as collectors of garbage do.
"""


def page(found: dict) -> str:
    m = found["machine"]
    features = f" with {', '.join(m['features'])}" if m["features"] else ""
    kind = "virtual machine" if m["virtual"] else "machine"
    dropped = [f"- Not measured: {name} ({why})" for name, why in found["dropped"].items()]
    dropped += [f"- Failed: {figures['title']} ({figures['error']})" for figures in found["servers"].values() if "error" in figures]
    notes = dropped + disturbed(found)
    return "\n".join(
        [
            "# The same load on other servers",
            "",
            f"Written by `conformance/bench/peers` on {time.strftime('%Y-%m-%d')}: a {kind} of {m['cores']} cores, {m['architecture']}{features}, Linux {m['kernel']}, OpenSSL {m['openssl']}, wrk {m['wrk']}; {found['seconds'] / 60:.1f} minutes.",
            "",
            "Each server has one core, with all its processes; wrk, Postgres and Redis have another one; 16 requests at once. *CPU µs each* is the processor time of the server's processes for one",
            "operation, *of its stores* that of Postgres and Redis. Before a load each server is warmed up with the same load, 20 seconds where code is compiled while it runs (oidc-provider; Keycloak,",
            "45 before the first load), else 3; then it runs three times, and the median counts, brought to the core's best speed in the run as in [RESULTS.md](RESULTS.md). The first token of each server was proved against its",
            "key set: RS256, RSA-2048; answers other than the right one end the measurement. Starts are second starts, the median of five.",
            "",
            f"The limit: OpenSSL makes {found['sign']:,.0f} RSA-2048 signatures in a second of this core's time ({1e6 / found['sign']:,.0f} µs each). *Of the signature limit* is operations in a CPU second of the server as a part",
            "of that: at most 1 for client credentials and 0.5 for a refresh, which signs twice.",
            "",
            f"*Per second* and the latencies are as they were. The core was not equally fast all the time (those signatures differed by {found['sign_spread']:.0%} within the run) nor always the server's alone: *of the core's best* is what",
            "a server had of it, so rates are comparable where that is; starts are as they were, too. Processor time is what to compare.",
            *tables(found),
            *(["", *notes] if notes else []),
            "",
            "## Who is ahead",
            "",
            *ahead(found),
            "",
            UNEQUAL,
        ]
    ).rstrip() + "\n"
