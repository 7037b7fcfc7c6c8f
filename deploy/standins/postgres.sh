# What docker-compose.yml uses of the official image's entrypoint: POSTGRES_PASSWORD_FILE and POSTGRES_INITDB_ARGS.
set -eu
as_postgres="setpriv --reuid=postgres --regid=postgres --init-groups"
chown postgres:postgres "$PGDATA"
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password="$(mktemp)"
  cat "$POSTGRES_PASSWORD_FILE" > "$password"
  chown postgres "$password"
  # The arguments are words of their own.
  # shellcheck disable=SC2086
  $as_postgres initdb --username=postgres --pwfile="$password" ${POSTGRES_INITDB_ARGS:-}
  rm "$password"
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
fi
install -d -o postgres -g postgres -m 2775 /var/run/postgresql
exec $as_postgres "$@"
