# nginx from Debian's package, before the API of the compose file. It runs without root.
ARG BASE=debian:trixie-slim@sha256:3a39a0592364683e6bab97937b72cad5a8fa6dcbbee90edb3bb48c7f8e94f258
FROM ${BASE}
COPY wheelyard.conf /etc/nginx/conf.d/wheelyard.conf
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install --yes --no-install-recommends nginx-light; \
    sed -i -e 's/127\.0\.0\.1:8123/api:8123/' -e 's/listen 80;/listen 8080;/' /etc/nginx/conf.d/wheelyard.conf; \
    rm -rf /etc/nginx/sites-enabled /var/lib/apt/lists/* /var/log/apt /var/log/*.log; \
    sed -i -e '/^user /d' -e 's|^pid .*|pid /tmp/nginx.pid;|' -e '/sites-enabled/d' \
        -e 's|^\s*access_log .*|access_log /dev/stdout;|' -e 's|^\s*error_log .*|error_log /dev/stderr;|' \
        /etc/nginx/nginx.conf; \
    install --directory --owner www-data /var/lib/nginx
USER www-data
ENTRYPOINT ["nginx", "-g", "daemon off;"]
