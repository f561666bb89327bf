"""The other files of this folder with 100,000 inputs and more, in limited memory."""

import os
import pathlib
import re
import resource
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
NUM_INPUTS = 100_000
EXAMPLES_A_TEST = 6_250
TIMEOUT_SECS = 5400
# TensorFlow's own libraries and threads take 4 GB of addresses. A picture of the most
# pixels that are decoded takes half a GB, and as much for what is cut out of it.
MEMORY_BYTES = 9 << 30


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


@pytest.mark.slow
def test_no_input_of_many_ends_otherwise_than_documented():
    arguments = ["-q", "--show-capture=no", "-p", "no:cacheprovider", str(HERE)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=HERE.parent.parent,
        env={**os.environ, "FUZZ_EXAMPLES": str(EXAMPLES_A_TEST)},
        preexec_fn=limit_memory,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    num_fuzzed = sum(
        path.read_text().count("@hypothesis.given")
        for path in HERE.glob("test_fuzz_*.py")
        if path.name != pathlib.Path(__file__).name
    )
    assert num_fuzzed * EXAMPLES_A_TEST >= NUM_INPUTS
    assert re.search(r"\d+ passed", done.stdout)
