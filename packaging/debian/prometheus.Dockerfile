# Prometheus from Debian's package, with the paths of the official image.
ARG BASE=debian:trixie-slim@sha256:3a39a0592364683e6bab97937b72cad5a8fa6dcbbee90edb3bb48c7f8e94f258
FROM ${BASE}
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install --yes --no-install-recommends prometheus; \
    install --directory --owner prometheus --group prometheus /prometheus; \
    rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log
USER prometheus
VOLUME /prometheus
ENTRYPOINT ["prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
