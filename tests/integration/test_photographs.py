"""Real photographs, from their folders to a model that tells them apart."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests import jobs

SHARED_DATA = pathlib.Path(os.environ.get("SHARED_DATA", "../shared/data"))


def convert(name, output_dir):
    images_dir = SHARED_DATA / name
    if not images_dir.is_dir():
        pytest.skip(f"SHARED_DATA={SHARED_DATA} has no photographs in {name}/")
    subprocess.run(
        [
            *(sys.executable, "-m", "trainer.task", "convert"),
            *(f"--images_dir={images_dir}", f"--output_dir={output_dir}"),
        ],
        check=True,
        capture_output=True,
    )
    return (output_dir / "labels.txt").read_text().splitlines()


def test_a_handful_of_photographs_is_learned_by_heart(tmp_path):
    names = convert("ci_clothing", tmp_path)
    # The training photographs themselves: what the optimizer can do, in seconds.
    jobs.run_ok(
        tmp_path,
        tmp_path / "job",
        validation_data_path=f"{tmp_path}/train-*.tfrecord",
        num_classes=len(names),
        image_size=64,
        train_batch_size=16,
        max_steps=120,
        train_steps_per_eval=60,
        initial_learning_rate=0.001,
        optimizer_type="adam",
    )
    best = json.loads((tmp_path / "job" / "metrics.json").read_text())["best"]
    assert best["top_1_accuracy"] > 2 / len(names)
    assert (tmp_path / "job" / "model" / "labels.txt").read_text().split() == names


@pytest.mark.slow
def test_clothing_passes_65_percent_from_scratch(tmp_path):
    names = convert("clothing", tmp_path)
    flags = {
        "num_classes": len(names),
        "image_size": 96,
        "train_batch_size": 64,
        "max_steps": 1900,
        "train_steps_per_eval": 95,
        "initial_learning_rate": 0.1,
        "warmup_steps": 100,
        "precision": "auto",
    }
    subprocess.run(
        jobs.command(tmp_path, tmp_path / "job", **flags), check=True, timeout=3600
    )
    test_split = f"{tmp_path}/test-*.tfrecord"
    log = jobs.run_ok(
        tmp_path, tmp_path / "job", **flags, validation_data_path=test_split
    )
    accuracy = float(log.partition("done  | top_1_accuracy ")[2].split()[0])
    assert accuracy >= 0.65
