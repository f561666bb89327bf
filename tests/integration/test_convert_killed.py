"""A conversion that is killed at any moment leaves nothing that a job would read."""

import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

NUM_IMAGES = 60
SECS_TO_START = 60


@pytest.fixture
def images(tmp_path):
    """60 pictures of noise, large enough that converting them takes a second."""
    root = tmp_path / "images"
    generator = np.random.default_rng(0)
    for number in range(NUM_IMAGES):
        folder = root / ("train", "validation")[number % 3 == 0] / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (400, 400, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def start(images, output, *flags):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "trainer.task", "convert"),
            *(f"--images_dir={images}", f"--output_dir={output}", *flags),
        ],
        stderr=subprocess.DEVNULL,
    )


def convert(images, output, *flags):
    assert start(images, output, *flags).wait(timeout=120) == 0


def snapshot(output):
    return {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()}


def kill_in_the_middle(process, output, sent=signal.SIGKILL):
    """Kills it once it has written records, and before they are all there."""
    deadline = time.monotonic() + SECS_TO_START
    while time.monotonic() < deadline:
        staged = output.glob(".staging-*/*.records")
        if any(path.stat().st_size > 0 for path in staged):
            process.send_signal(sent)
            return process.wait(timeout=60)
        time.sleep(0.005)
    process.kill()
    raise AssertionError("nothing was staged")


@pytest.mark.parametrize("earlier_flags", [None, ["--shard_mb=1"]], ids=["new", "over"])
def test_rerun_after_a_kill_gives_what_one_run_gives(images, tmp_path, earlier_flags):
    expected, output = tmp_path / "expected", tmp_path / "out"
    convert(images, expected, "--shard_mb=2")
    if earlier_flags is not None:
        convert(images, output, *earlier_flags)
    before = snapshot(output) if output.exists() else {}
    process = start(images, output, "--shard_mb=2")
    assert kill_in_the_middle(process, output) == -signal.SIGKILL
    # Readers see the earlier files, whole, or none.
    assert snapshot(output) == before
    convert(images, output, "--shard_mb=2")
    assert snapshot(output) == snapshot(expected)
    assert not list(pathlib.Path(output).glob(".staging-*"))


def test_ctrl_c_leaves_nothing(images, tmp_path):
    output = tmp_path / "out"
    process = start(images, output)
    assert kill_in_the_middle(process, output, signal.SIGINT) == 130
    assert list(output.iterdir()) == []
