# Makes the cluster at the first start, then becomes the server. The password goes from the secret's file to initdb: neither
# a command line nor the environment has it.
set -eu
data=/var/lib/postgresql/data
chown postgres:postgres /var/lib/postgresql
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$data.new"
    as_postgres initdb --pgdata "$data.new" --username "$POSTGRES_USER" --pwfile "$POSTGRES_PASSWORD_FILE" \
        --auth-local trust --auth-host scram-sha-256 --encoding UTF8 --locale C.UTF-8
    echo "host all all all scram-sha-256" >> "$data.new/pg_hba.conf"
    echo "create database \"$POSTGRES_DB\";" | as_postgres postgres --single -D "$data.new" postgres > /dev/null
    rm -rf "$data"
    mv "$data.new" "$data"
fi
exec setpriv --reuid postgres --regid postgres --init-groups \
    postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
