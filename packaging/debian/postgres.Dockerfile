# PostgreSQL from Debian's packages, with those of the official image's settings that docker-compose.yml uses.
ARG BASE=debian:trixie-slim@sha256:3a39a0592364683e6bab97937b72cad5a8fa6dcbbee90edb3bb48c7f8e94f258
FROM ${BASE}
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    mkdir -p /etc/postgresql-common; \
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf; \
    apt-get update; \
    apt-get install --yes --no-install-recommends postgresql; \
    ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/; \
    install --directory --owner postgres --group postgres --mode 0700 /var/lib/postgresql/data; \
    chown postgres:postgres /var/lib/postgresql; \
    rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log
COPY postgres-entrypoint.sh /usr/local/bin/
ENTRYPOINT ["/bin/sh", "/usr/local/bin/postgres-entrypoint.sh"]
STOPSIGNAL SIGINT
VOLUME /var/lib/postgresql
