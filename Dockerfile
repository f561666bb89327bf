# The base is an argument so that a mirror, or a pinned digest, can stand in.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
COPY requirements/runtime.txt /tmp/runtime.txt
# pip's configuration and certificates come as optional build secrets: in no layer.
RUN --mount=type=secret,id=pip_conf,target=/run/secrets/pip_conf \
    --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    python -m venv /opt/venv && \
    PIP_CONFIG_FILE=/run/secrets/pip_conf /opt/venv/bin/python -m pip install \
    --no-cache-dir --require-hashes --requirement /tmp/runtime.txt

FROM ${BASE_IMAGE}
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONPATH=/app
COPY --from=build /opt/venv /opt/venv
COPY trainer /app/trainer
RUN groupadd --gid 10001 trainer && \
    useradd --uid 10001 --gid 10001 --no-create-home trainer
WORKDIR /data
USER 10001:10001
ENTRYPOINT ["python", "-m", "trainer.task"]
