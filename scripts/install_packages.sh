#!/bin/sh
# install_packages LOCK: what LOCK pins, into /opt/venv, without what no job needs.
# For the Dockerfile. The lock is complete, so pip looks for nothing beside it.
set -eu
python -m pip --python /opt/venv/bin/python install \
  --require-hashes --no-deps --only-binary :all: --no-binary cloudml-hypertune --requirement "$1"
packages=$(echo /opt/venv/lib/python3*/site-packages)
# Headers to build TensorFlow extensions with; there is no compiler in the image.
rm -rf "$packages/tensorflow/include"
# Nothing but tests of the packages themselves.
find "$packages" -type d -name tests -prune -exec rm -rf {} +
find "$packages/apache_beam" -name '*_test.py' -delete
