# The application on wheels from your index: installed into the virtual environment of the runtime image, by that
# image's own Python. Nothing is compiled, and no system package is needed: the wheels carry their libraries.
#
# The layers are ordered from rare to frequent changes: images, lock file, application. A separate stage installs, so
# that neither uv nor the index's address (or a password in it) is in the final image.
# Classic builder, BuildKit and Podman build it.

ARG BUILDER=example/builder:3.13
ARG RUNTIME=example/runtime:3.13


FROM ${BUILDER} AS builder


FROM ${RUNTIME} AS environment
USER root
COPY --from=builder /opt/wheelyard/tools/bin/uv /usr/local/bin/uv
COPY wheels.lock /tmp/wheels.lock
ARG UV_DEFAULT_INDEX
RUN uv pip sync --python /opt/venv --only-binary :all: --require-hashes --compile-bytecode --link-mode copy \
        --no-cache /tmp/wheels.lock && \
    rm -f /opt/venv/.lock


FROM ${RUNTIME}
COPY --from=environment --chown=0:0 /opt/venv /opt/venv
EXPOSE 8080
CMD ["python", "/opt/noticeboard/noticeboard.py"]
COPY --chown=0:0 noticeboard.py notices.yaml /opt/noticeboard/
