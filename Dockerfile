# Targets: cpu (the default), gpu, tpu. See docs/adr/0023-image.md.
# The base is an argument so that a mirror, or a pinned digest, can stand in.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS packages
# pip's configuration and certificates come as optional build secrets: in no layer.
ENV PIP_CONFIG_FILE=/run/secrets/pip_conf PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv --without-pip /opt/venv
# For the kernels of the input. Where no Debian is reached, `--build-arg=CXX=` leaves
# them out: input takes twice the time.
ARG CXX=g++
ENV CXX=${CXX}
# hadolint ignore=DL3008
RUN if [ -n "$CXX" ]; then \
      apt-get update && apt-get install --yes --no-install-recommends "$CXX" && \
      rm -rf /var/lib/apt/lists/*; \
    fi
COPY scripts/install_packages.sh /usr/local/bin/install_packages
COPY scripts/build_kernels.py /build/scripts/

FROM packages AS packages-cpu
COPY requirements/cpu.txt /tmp/packages.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip_conf,target=/run/secrets/pip_conf \
    --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    install_packages /tmp/packages.txt
COPY trainer/data/kernels /build/trainer/data/kernels
RUN /opt/venv/bin/python /build/scripts/build_kernels.py \
      --include_dir=/opt/include --output_dir=/opt/kernels

FROM packages AS packages-gpu
COPY requirements/gpu.txt /tmp/packages.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip_conf,target=/run/secrets/pip_conf \
    --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    install_packages /tmp/packages.txt
COPY trainer/data/kernels /build/trainer/data/kernels
RUN /opt/venv/bin/python /build/scripts/build_kernels.py \
      --include_dir=/opt/include --output_dir=/opt/kernels

FROM packages AS packages-tpu
COPY requirements/tpu.txt /tmp/packages.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip_conf,target=/run/secrets/pip_conf \
    --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    install_packages /tmp/packages.txt
COPY trainer/data/kernels /build/trainer/data/kernels
RUN /opt/venv/bin/python /build/scripts/build_kernels.py \
      --include_dir=/opt/include --output_dir=/opt/kernels

FROM ${BASE_IMAGE} AS code
COPY trainer /app/trainer
RUN python -m compileall -q --invalidation-mode unchecked-hash /app

FROM ${BASE_IMAGE} AS surroundings
RUN groupadd --gid 10001 trainer && \
    useradd --uid 10001 --gid 10001 --no-create-home trainer
# HOME is where any user may write, on a read-only root a tmpfs.
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app HOME=/tmp \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# `make image` adds the version and the commit, which so spoil no layer.
LABEL org.opencontainers.image.title="Image classification trainer" \
      org.opencontainers.image.description="Takes the place of AI Platform's built-in image classification algorithm"
WORKDIR /data
USER 10001:10001
# The trainer is process 1 and gets it itself: it saves a checkpoint and exits 143.
STOPSIGNAL SIGTERM
# Without a health check: a job's health is its exit code, and who runs `serve` asks its
# health route, whose port and path are flags.
ENTRYPOINT ["python", "-m", "trainer.task"]

FROM surroundings AS gpu
# For NVIDIA's container runtime where no --gpus says it.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=packages-gpu /opt/venv /opt/venv
COPY --from=code /app /app
COPY --from=packages-gpu /opt/kernels /app/trainer/data/kernels

FROM surroundings AS tpu
COPY --from=packages-tpu /opt/venv /opt/venv
COPY --from=code /app /app
COPY --from=packages-tpu /opt/kernels /app/trainer/data/kernels

FROM surroundings AS cpu
COPY --from=packages-cpu /opt/venv /opt/venv
COPY --from=code /app /app
COPY --from=packages-cpu /opt/kernels /app/trainer/data/kernels
