# A private Postgres and a private Redis on free loopback ports, in a folder of their own. Sourced after needs.sh, not run.
# shellcheck shell=bash
#
#   stores_start      sets and exports PORTERO_TEST_POSTGRES_URL and PORTERO_TEST_REDIS_URL
#   stores_stop       ends both and removes their folder; safe to call at any time
#
# Nothing here survives a crash of the machine, and nothing needs to: durability is off.

stores_dir='' postgres_pid='' redis_pid=''

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

stores_start() {
    stores_dir=$(mktemp -d "${TMPDIR:-/tmp}/portero-stores.XXXXXX")
    start_postgres
    start_redis
}

stores_stop() {
    local pid
    for pid in $postgres_pid $redis_pid; do
        # Postgres: a fast shutdown, which ends open connections. Redis takes it as any other request to end.
        kill -INT "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
    done
    postgres_pid='' redis_pid=''
    [ -z "$stores_dir" ] || rm -rf "$stores_dir"
    stores_dir=''
}

start_postgres() {
    local bin port data=$stores_dir/postgres log=$stores_dir/postgres.log as_postgres=()
    bin=$(postgres_bin) || stop "Postgres is missing"
    mkdir "$data"
    if [ "$(id -u)" = 0 ]; then
        # Postgres refuses to run as root; Debian's package makes this account.
        id -u postgres >/dev/null 2>&1 || stop "Postgres does not run as root, and there is no account 'postgres' to run it as"
        chmod 755 "$stores_dir"
        chown postgres "$data"
        as_postgres=(setpriv --reuid=postgres --regid="$(id -g postgres)" --clear-groups)
    fi
    (cd "$data" && "${as_postgres[@]}" "$bin/initdb" -D "$data" -U portero -A trust -E UTF8 --locale=C --no-sync) >"$log" 2>&1 ||
        stop "initdb failed: $(tail -n 5 "$log")"
    port=$(free_port)
    (cd "$data" && exec "${as_postgres[@]}" "$bin/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300) >>"$log" 2>&1 </dev/null &
    postgres_pid=$!
    PORTERO_TEST_POSTGRES_URL=postgres://portero@127.0.0.1:$port/postgres
    export PORTERO_TEST_POSTGRES_URL
    answers "Postgres" "$log" "$postgres_pid" psql -X -q -d "$PORTERO_TEST_POSTGRES_URL" -c 'SELECT 1'
}

start_redis() {
    local port log=$stores_dir/redis.log
    port=$(free_port)
    redis-server --bind 127.0.0.1 --port "$port" --save '' --appendonly no --databases 1024 --dir "$stores_dir" >"$log" 2>&1 </dev/null &
    redis_pid=$!
    PORTERO_TEST_REDIS_URL=redis://127.0.0.1:$port
    export PORTERO_TEST_REDIS_URL
    answers "Redis" "$log" "$redis_pid" redis_pings "$port"
}

redis_pings() {
    local answer
    exec 9<>"/dev/tcp/127.0.0.1/$1" || return
    printf 'PING\r\n' >&9
    read -r -t 2 answer <&9
    exec 9>&-
    [ "${answer%$'\r'}" = +PONG ]
}

# answers NAME LOG PID COMMAND…: waits until the command succeeds while the process lives.
answers() {
    local name=$1 log=$2 pid=$3
    shift 3
    for _ in $(seq 150); do
        ("$@") >/dev/null 2>&1 && return
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.2
    done
    stop "$name does not start: $(tail -n 5 "$log")"
}
