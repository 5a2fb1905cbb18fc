# The application from sources: a virtual environment that is compiled in the builder image and copied into the runtime
# image. It needs no index of yours, but every host that builds it compiles, and the file must name the system libraries:
# headers in the first stage, the libraries themselves in the last.
#
# The layers are ordered from rare to frequent changes: images, system packages, lock file, application.
# Classic builder, BuildKit and Podman build it.

ARG BUILDER=example/builder:3.13
ARG RUNTIME=example/runtime:3.13


FROM ${BUILDER} AS environment
USER root
RUN apt-get update && \
    apt-get install --yes libyaml-dev && \
    rm -rf /var/lib/apt/lists/* && \
    install --directory --owner 1000 --group 1000 /opt/venv
# Build scripts of projects run now, so no longer as root.
USER 1000:1000
COPY requirements.lock /tmp/requirements.lock
ARG PYTHON=3.13
ARG UV_DEFAULT_INDEX
RUN uv venv --no-cache --python /opt/python/${PYTHON}/bin/python /opt/venv && \
    uv pip sync --python /opt/venv --no-binary markupsafe --no-binary pyyaml --require-hashes --compile-bytecode \
        --link-mode copy --no-cache /tmp/requirements.lock && \
    rm -f /opt/venv/.lock


FROM ${RUNTIME}
USER root
RUN apt-get update && \
    apt-get install --yes libyaml-0-2 && \
    rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old
USER 1000:1000
COPY --from=environment --chown=0:0 /opt/venv /opt/venv
EXPOSE 8080
CMD ["python", "/opt/noticeboard/noticeboard.py"]
COPY --chown=0:0 noticeboard.py notices.yaml /opt/noticeboard/
