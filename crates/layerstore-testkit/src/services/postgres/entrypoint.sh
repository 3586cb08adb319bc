#!/busybox sh
# The first process of an image that `cargo xtask images` builds. It does what the official image does, as far as tests see:
# POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, a server that sets up the folder and says on stdout that it is
# ready, and then the one to be used, which says so on stderr.
set -e
umask 077
data=/data/postgres
bin=$(echo /usr/lib/postgresql/*/bin)
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

[ "$1" = postgres ] && shift
if [ ! -s "$data/PG_VERSION" ]; then
  echo "$POSTGRES_PASSWORD" >/data/password
  "$bin/initdb" -D "$data" -U "$user" --pwfile=/data/password --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync >/dev/null
  /busybox rm /data/password
  echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
  if [ "$database" != postgres ]; then
    echo "CREATE DATABASE \"$database\"" | "$bin/postgres" --single -D "$data" postgres >/dev/null
  fi
  "$bin/pg_ctl" -D "$data" -w -o "-c listen_addresses= -c unix_socket_directories=/data" start 2>&1
  "$bin/pg_ctl" -D "$data" -w -m fast stop
fi
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/data "$@"
