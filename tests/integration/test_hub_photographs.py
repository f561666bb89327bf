"""A real backbone with ImageNet weights, as a SavedModel, on real photographs."""

import json
import os
import pathlib

import numpy as np
import pytest

from tests import feature_vectors, jobs, lite0_weights
from trainer import task
from trainer.models import factory, pretrained
from trainer.serving.predictor import Predictor
from trainer.training import head_fit, training_curve

SHARED_DATA = pathlib.Path(os.environ.get("SHARED_DATA", "../shared/data"))
SIDE = 128
MODEL_TYPE = "efficientnet-lite0"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    images_dir = SHARED_DATA / "ci_clothing"
    if not images_dir.is_dir():
        pytest.skip(f"SHARED_DATA={SHARED_DATA} has no photographs in ci_clothing/")
    output_dir = tmp_path_factory.mktemp("photographs")
    argv = [f"--images_dir={images_dir}", f"--output_dir={output_dir}"]
    assert task.main(["convert", *argv]) == 0
    return output_dir


@pytest.fixture(scope="module")
def network():
    path = lite0_weights.find()
    weights = pretrained.read_weights(path, MODEL_TYPE)
    model = factory.build_model(
        MODEL_TYPE,
        weights.variant,
        num_classes=1000,
        image_size=SIDE,
        precision="float32",
        seed=0,
    )
    pretrained.load_weights(model, weights.tensors, path)
    return model


def train(data_dir, job_dir, **flags):
    """Two epochs by the recipe; the accuracy."""
    command = jobs.command(
        data_dir,
        job_dir,
        **{
            "num_classes": 5,
            "image_size": SIDE,
            "train_batch_size": 20,
            "max_steps": 20,
            "train_steps_per_eval": 20,
            **flags,
        },
    )
    argv = [one for one in command[3:] if "learning_rate" not in one]
    assert task.main(argv) == 0
    metrics = json.loads((job_dir / "metrics.json").read_text())
    return metrics["best"]["top_1_accuracy"]


def read_first_loss(job_dir):
    point = training_curve.read_curve(str(job_dir / "training.jsonl")).points[0]
    assert point.num_steps == 1
    return point.loss


@pytest.mark.slow
def test_it_trains_as_the_network_that_it_is_made_of(
    data_dir, network, tmp_path, monkeypatch
):
    stem = network.get_layer("stem_conv").kernel.numpy()
    backbone = feature_vectors.write_network(tmp_path / "vector", network)
    # Else rounding decides where the classifier's fit stops (docs/adr/0021).
    monkeypatch.setattr(head_fit, "LEARNING_RATE", 0.003)
    hub = train(data_dir, tmp_path / "hub", model_type="hub", hub_handle=backbone)
    ours = train(
        data_dir,
        tmp_path / "ours",
        model_type=MODEL_TYPE,
        pretrained_checkpoint_path=lite0_weights.find(),
    )
    # Rounding is all that they differ in, which 20 steps make more of.
    first_losses = [read_first_loss(tmp_path / name) for name in ("hub", "ours")]
    assert first_losses[0] == pytest.approx(first_losses[1], rel=1e-3)
    assert min(hub, ours) > 0.8
    assert abs(hub - ours) <= 2 / 60
    # All is trained, also what is furthest from the loss.
    found = jobs.read_weights(tmp_path / "hub", 20)["backbone/stem_conv/kernel"]
    assert 1e-5 < np.abs(found - stem).max() < 0.1
    photographs = sorted((SHARED_DATA / "ci_clothing/val/shoes").iterdir())
    answers = Predictor(str(tmp_path / "hub/model")).predict(
        [path.read_bytes() for path in photographs]
    )
    labels = (tmp_path / "hub/model/labels.txt").read_text().split()
    hits = [labels[one.class_index] == "shoes" for one in answers]
    assert sum(hits) > len(hits) / 2
