#!/bin/sh
# install_packages LOCK: what LOCK pins, into /opt/venv, without what no job needs;
# TensorFlow's headers into /opt/include.
# For the Dockerfile.
set -eu

install() {
  # The lock is complete, so pip looks for nothing beside it.
  python -m pip --python /opt/venv/bin/python install --require-hashes --no-deps "$@"
}

# One package is no wheel: it comes last, built by the setuptools that the lock pins.
awk '/^[^ ]/ { is_source = /^cloudml-hypertune==/ } !is_source' "$1" >/tmp/wheels.txt
awk '/^[^ ]/ { is_source = /^cloudml-hypertune==/ } is_source' "$1" >/tmp/source.txt
install --only-binary :all: --requirement /tmp/wheels.txt
install --no-build-isolation --requirement /tmp/source.txt

packages=$(echo /opt/venv/lib/python3*/site-packages)
# Headers, for the kernels that are compiled next; there is no compiler in the image.
mv "$packages/tensorflow/include" /opt/include
# Nothing but tests of the packages themselves.
find "$packages" -type d -name tests -prune -exec rm -rf {} +
find "$packages/apache_beam" -name '*_test.py' -delete
