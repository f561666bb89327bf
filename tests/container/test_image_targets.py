"""The targets that may not be runnable here: that what they pin is to be had."""

import functools
import urllib.error
from concurrent import futures

import pytest

from tests import lock_files

pytestmark = pytest.mark.container

# Has no wheel.
FROM_SOURCE = {"cloudml-hypertune"}
NUM_REQUESTS = 8


@pytest.mark.parametrize(
    ("target", "machine"),
    [("cpu", "x86_64"), ("cpu", "aarch64"), ("gpu", "x86_64"), ("tpu", "x86_64")],
)
def test_the_index_has_a_wheel_of_each_pin(target, machine):
    pins = lock_files.pins(target, machine=machine)
    look_up = functools.partial(lock_files.wheel_bytes, machine=machine)
    try:
        with futures.ThreadPoolExecutor(NUM_REQUESTS) as pool:
            found = list(pool.map(look_up, pins.keys(), pins.values()))
    except urllib.error.URLError as error:
        pytest.skip(f"the package index is out of reach: {error.reason}")
    sizes = dict(zip(pins, found, strict=True))
    assert {name for name, size in sizes.items() if size is None} == FROM_SOURCE
    print(f"{target}, {machine}: {sum(filter(None, sizes.values())) / 1e6:.0f} MB")
