# What building and testing need on a Debian or Ubuntu machine: finds it, or installs what is missing. Sourced, not run.
# shellcheck shell=bash

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
stop() {
    say "$*"
    exit 1
}

missing=()
# lacks PACKAGE COMMAND…: notes the package when the command, which looks for it, fails.
lacks() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

compiles_c() { echo '#include <stdlib.h>' | "${CC:-cc}" -x c -fsyntax-only -; }
has_openssl() { [ -n "${OPENSSL_DIR:-}${OPENSSL_INCLUDE_DIR:-}" ] || pkg-config --exists 'openssl >= 1.1.1'; }
makes_venvs() { python3 -c 'import ensurepip, venv'; }
has_roots() { [ -s "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" ]; }
has_openidc() { [ -e /usr/lib/apache2/modules/mod_auth_openidc.so ]; }

has_chromium() {
    local name
    for name in "${CHROMIUM:-chromium}" chromium-browser google-chrome-stable google-chrome; do
        command -v "$name" && return
    done
    return 1
}
# Ubuntu has Chromium as a snap, under a name of its own. Where no snap can run, CHROMIUM names a browser installed by other means.
chromium_package() {
    # shellcheck source=/dev/null
    case "$(. /etc/os-release 2>/dev/null && echo "${ID:-}")" in
    ubuntu) echo chromium-browser ;;
    *) echo chromium ;;
    esac
}

# The folder of Postgres' own programs: Debian keeps them out of PATH.
postgres_bin() {
    local found
    for found in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) "$(dirname "$(command -v postgres || echo /)")"; do
        if [ -x "$found/postgres" ] && [ -x "$found/initdb" ]; then
            echo "$found"
            return
        fi
    done
    return 1
}

need_rust() {
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
    command -v cargo >/dev/null || stop "no Rust toolchain (cargo) found: https://rustup.rs installs one"
}

need_to_build() {
    lacks ca-certificates has_roots
    lacks gcc compiles_c
    lacks libc6-dev compiles_c
    lacks pkg-config command -v pkg-config
    lacks libssl-dev has_openssl
}

need_to_check() {
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return
    command -v rustup >/dev/null || stop "cargo fmt and cargo clippy are missing: install the toolchain's rustfmt and clippy"
    say "adds rustfmt and clippy to the Rust toolchain"
    rustup component add rustfmt clippy
}

need_stores() {
    lacks python3 command -v python3
    lacks postgresql postgres_bin
    lacks postgresql-client command -v psql
    lacks redis-server command -v redis-server
}

# Node 18, as Debian 12 and Ubuntu 24.04 have it, is enough: the packages of conformance/ ask for no more, but for Redocly, whose declared 20.19 npm only warns of.
need_other_peoples_clients() {
    lacks nodejs command -v node
    lacks npm command -v npm
    lacks python3-venv makes_venvs
    lacks apache2-bin command -v /usr/sbin/apache2
    lacks openssl command -v openssl
    lacks libapache2-mod-auth-openidc has_openidc
    lacks "$(chromium_package)" has_chromium
}

install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    local wanted as_root=()
    wanted=$(printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ')
    wanted=${wanted% }
    command -v apt-get >/dev/null || stop "missing here: $wanted (names of Debian's packages). This is no Debian or Ubuntu: install the same by its own means, then start again"
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            as_root=(sudo)
        else
            stop "missing here: $wanted. It may not install them (neither root nor sudo): let somebody who may run 'apt-get install $wanted', then start again"
        fi
    fi
    say "installs with apt-get: $wanted"
    case " $wanted " in
    *' postgresql '* | *' redis-server '*)
        say "the packages of Postgres and Redis start a service of the system, on 5432 and 6379, where it starts services; nothing here uses it, and 'systemctl disable --now postgresql redis-server' ends it"
        ;;
    esac
    "${as_root[@]}" apt-get update -qq || say "apt-get update failed; goes on with the lists that are here"
    # shellcheck disable=SC2086
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted </dev/null >&2 ||
        stop "apt-get could not install: $wanted"
    missing=()
}
