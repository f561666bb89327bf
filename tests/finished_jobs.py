"""The folder of a job that is done, without the time that training takes."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from tests import pictures
from trainer import config, storage
from trainer.data import fetched_split
from trainer.data.index_cache import IndexCache
from trainer.serving.scores import Scores
from trainer.training import training_curve
from trainer.training.layout import JobLayout
from trainer.training.progress import TrainingWindow

EVALUATIONS = [
    {
        "step": step,
        "top_1_accuracy": accuracy,
        "top_5_accuracy": 1.0,
        "loss": 1.5 - accuracy,
        "num_images": 7,
        "secs": 2.0,
    }
    for step, accuracy in ((10, 0.5), (20, 6 / 7))
]
RESOLVED = {
    "image_size": 32,
    "label_offset": 1,
    "precision": "float32",
    "device": "the CPU with 2 cores",
}


def write(directory, model_dir):
    """Data, and a job on it whose model takes one blue picture for a green one.

    Returns:
        The layout of the job.
    """
    data_dir, job_dir = directory / "data", directory / "job"
    data_dir.mkdir()
    job_dir.mkdir()
    pictures.write_classes(data_dir / "train-0", num_images=10, num_classes=3)
    records = [
        pictures.example(pictures.encode(pictures.draw_class(colour, 3, seed=9)), label)
        for colour, label in ((0, 1), (1, 2), (2, 3), (0, 1), (1, 2), (2, 3), (1, 3))
    ]
    records.insert(2, pictures.example(b"no picture", 1))
    pictures.write_records(data_dir / "validation-0", records)
    shutil.copytree(model_dir, job_dir / "model")
    layout = JobLayout(str(job_dir))
    _write_metrics(layout, data_dir)
    _write_curve(layout)
    _write_index(layout, data_dir)
    return layout


def _write_metrics(layout, data_dir):
    job = config.TrainConfig(
        training_data_path=f"{data_dir}/train-*",
        validation_data_path=f"{data_dir}/validation-*",
        job_dir=layout.job_dir,
        num_classes=3,
        max_steps=20,
        model_type="resnet-18",
        image_size=32,
    )
    bad = {"path": "validation-0", "record": 2, "offset": 9, "reason": "is <bad> & odd"}
    content = {
        "flags": dataclasses.asdict(job),
        "resolved": RESOLVED,
        "best": EVALUATIONS[-1],
        "evaluations": EVALUATIONS,
        "bad_records": {"training": [], "validation": [bad]},
    }
    storage.write_text(layout.metrics_path, json.dumps(content))


def _write_curve(layout):
    curve = training_curve.TrainingCurve()
    for step in range(2, 21, 2):
        curve.add(
            TrainingWindow(
                step=step,
                num_steps=2,
                loss=2 / step,
                accuracy=step / 20,
                learning_rate=0.1,
                secs=4.0,
                wait_secs=1.0,
                images_per_second=16.0,
                steps_per_second=0.5,
            )
        )
    curve.save(layout.curve_path)


def _write_index(layout, data_dir):
    known = IndexCache(layout.index_path)
    for name in ("train-0", "validation-0"):
        fetched_split.read_split(
            storage.find_files(f"{data_dir}/{name}", "x"),
            flag="x",
            max_bad_records=lambda _: 1,
            known=known,
            copies=None,
        )
    known.save()


def change(layout, **values):
    """Replaces parts of metrics.json."""
    content = json.loads(storage.read_text(layout.metrics_path))
    storage.write_text(layout.metrics_path, json.dumps({**content, **values}))


def change_flags(layout, **flags):
    """Replaces flags in metrics.json."""
    content = json.loads(storage.read_text(layout.metrics_path))
    change(layout, flags={**content["flags"], **flags})


@pytest.fixture
def finished_job(tmp_path, colour_model_dir):
    """The layout of a job that is done; see `write`."""
    return write(tmp_path, colour_model_dir)


def build_scores(num_classes, num_images=200, *, seed=0):
    """Scores of answers that are often right."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, num_classes, num_images)
    logits = random.normal(size=[num_images, num_classes])
    logits[np.arange(num_images), labels] += 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores = Scores(num_classes)
    scores.add(labels, probabilities.argmax(axis=1), probabilities)
    return scores
