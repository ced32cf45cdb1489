#!/bin/bash
# Start PostgreSQL, after filling an empty data folder; the variables are the official image's.
set -euo pipefail

main() {
    if [ "${1:-postgres}" != postgres ] && [ "${1:0:1}" != - ]; then exec "$@"; fi
    [ "${1:-}" = postgres ] && shift
    if [ "$(id -u)" -eq 0 ]; then become_postgres "$@"; fi
    [ -s "$PGDATA/PG_VERSION" ] || create_cluster
    exec postgres "$@"
}

become_postgres() {
    mkdir --parents "$PGDATA"
    chmod 0700 "$PGDATA"
    find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres: {} +
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" postgres "$@"
}

# The cluster is made in a folder of its own and PG_VERSION moves last: whoever stops this
# half-way finds an empty data folder, not half a cluster.
create_cluster() {
    local user password new=$PGDATA/.new
    user=$(value_of POSTGRES_USER postgres)
    password=$(value_of POSTGRES_PASSWORD "")
    if [ -z "$password" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        echo 'POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE is not set: no cluster is made' >&2
        exit 1
    fi
    [ ! -e "$new" ] || find "$PGDATA" -mindepth 1 -delete
    read -ra more <<<"${POSTGRES_INITDB_ARGS:-}"
    initdb --pgdata "$new" --username "$user" --pwfile <(printf '%s\n' "$password") \
        --auth-local trust --auth-host scram-sha-256 --encoding UTF8 "${more[@]}"
    printf 'host all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$new/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$new/postgresql.conf"
    create_database "$new" "$user" "$(value_of POSTGRES_DB "$user")"
    find "$new" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t "$PGDATA" {} +
    mv "$new/PG_VERSION" "$PGDATA"
    rmdir "$new"
}

# Nobody can connect over TCP meanwhile: an answer on the port means that all is there.
create_database() {
    [ "$3" != postgres ] || return 0
    pg_ctl --pgdata "$1" --options "-c listen_addresses=''" --wait --silent start
    psql --no-psqlrc --quiet --username "$2" --dbname postgres --set ON_ERROR_STOP=1 \
        --set database="$3" <<<'CREATE DATABASE :"database";'
    pg_ctl --pgdata "$1" --mode fast --wait --silent stop
}

# Print $NAME, or what the file $NAME_FILE holds, or the default.
value_of() {
    local file=${1}_FILE
    if [ -n "${!file:-}" ]; then cat "${!file}"; else printf '%s' "${!1:-$2}"; fi
}

main "$@"
