# The images that the service itself runs in; those that wheels are built in are builders/Dockerfile's.
#
#   base ─┬ build ─────────────────┐ /opt/wheelyard, /opt/devpi
#         └ plain ─┬ api ─ devpi ◄─┤ each is given what it runs; nothing is compiled in them
#                  └ worker ◄──────┘
#
# It keeps to what the classic builder, BuildKit and Podman understand. Every project is installed at the version and hash
# of the lock files, in a virtual environment on the distribution's Python, whose security updates come with the base.

ARG BASE=debian:trixie-slim@sha256:3a39a0592364683e6bab97937b72cad5a8fa6dcbbee90edb3bb48c7f8e94f258

FROM ${BASE} AS base
COPY packaging/ca/ /usr/local/share/ca-certificates/wheelyard/
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get upgrade --yes; \
    apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv; \
    update-ca-certificates; \
    rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log /var/cache/debconf/*-old


FROM base AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /src
COPY requirements.lock devpi.lock ./
RUN set -eu; \
    python3 -m venv /opt/uv; \
    sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.lock; \
    /opt/uv/bin/pip --disable-pip-version-check --cert "$SSL_CERT_FILE" \
        install --no-deps --only-binary :all: --require-hashes -r uv.lock; \
    /opt/uv/bin/uv venv --python /usr/bin/python3 /opt/devpi; \
    /opt/uv/bin/uv pip install --python /opt/devpi/bin/python --no-build --require-hashes -r devpi.lock
COPY pyproject.toml zensical.toml README.md CHANGELOG.md LICENSE ./
COPY docs/ docs/
COPY examples/README.md examples/
COPY tools/build_guide.py tools/
COPY builders/ builders/
COPY recipes/ recipes/
COPY service/ service/
RUN set -eu; \
    /opt/uv/bin/uv venv --python /usr/bin/python3 /opt/guide; \
    /opt/uv/bin/uv pip install --python /opt/guide/bin/python --constraint requirements.lock hatchling zensical; \
    /opt/guide/bin/python tools/build_guide.py; \
    /opt/uv/bin/uv venv --python /usr/bin/python3 /opt/wheelyard; \
    /opt/uv/bin/uv pip install --python /opt/wheelyard/bin/python \
        --constraint requirements.lock --build-constraint requirements.lock '.[service]'


# --- plain: what all of them need; git is for recipes that are kept in git repositories ---------------------------
FROM base AS plain
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install --yes --no-install-recommends git; \
    rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log /var/cache/debconf/*-old; \
    groupadd --gid 10001 wheelyard; \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/wheelyard --shell /usr/sbin/nologin wheelyard; \
    install --directory --owner wheelyard --group wheelyard --mode 0711 /var/lib/wheelyard; \
    install --directory --owner wheelyard --group wheelyard --mode 0700 /var/backups/wheelyard /var/lib/wheelyard-engine
ENV PATH=/opt/wheelyard/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    PYTHONUNBUFFERED=1 \
    WHEELYARD_STATE_DIR=/var/lib/wheelyard \
    WHEELYARD_LOG_FORMAT=json
ENTRYPOINT ["wheelyard"]


# --- worker: what talks to a container engine, here or over SSH, and bootstraps bases -----------------------------
FROM plain AS worker
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install --yes --no-install-recommends docker-cli mmdebstrap openssh-client; \
    rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log /var/cache/debconf/*-old
COPY --from=build /opt/wheelyard/ /opt/wheelyard/
USER 10001:10001
CMD ["worker"]


# --- api: 'wheelyard serve', and every other command --------------------------------------------------------------
FROM plain AS api
COPY --from=build /opt/wheelyard/ /opt/wheelyard/
USER 10001:10001
CMD ["serve"]


# --- devpi: 'wheelyard devpi' on the environment that it would else make by itself ---------------------------------
FROM api AS devpi
COPY --from=build /opt/devpi/ /opt/devpi/
ENV WHEELYARD_DEVPI_PYTHON=/opt/devpi/bin/python
CMD ["devpi"]
