"""Jobs that train a SavedModel of TensorFlow Hub's signature."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests import feature_vectors, jobs, pictures
from trainer import task
from trainer.serving.predictor import Predictor

KERNEL = "backbone/conv/kernel"
MEAN = "backbone/bn/moving_mean"
FLAGS = {
    "model_type": "hub",
    "max_steps": 40,
    "train_steps_per_eval": 20,
    "checkpoint_secs": 1,
    "optimizer_type": "adam",
}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return feature_vectors.write(tmp_path_factory.mktemp("hub") / "vector")


@pytest.fixture(autouse=True)
def logged(caplog):
    caplog.set_level("INFO")


def run(data_dir, job_dir, handle, *, without=(), **flags):
    """Runs a job in this process; the exit code."""
    command = jobs.command(data_dir, job_dir, hub_handle=handle, **{**FLAGS, **flags})
    return task.main(
        [one for one in command[3:] if one[2:].partition("=")[0] not in without]
    )


@pytest.fixture(scope="module")
def trained(data_dir, backbone, tmp_path_factory):
    job_dir = tmp_path_factory.mktemp("trained")
    log = jobs.run_ok(data_dir, job_dir, hub_handle=backbone[0], report="true", **FLAGS)
    return job_dir, log


def test_all_weights_are_trained_and_statistics_move(backbone, trained):
    job_dir, log = trained
    assert "8 features, 3 of 5 variables can be trained" in log
    assert "answers on" in log
    found = jobs.read_weights(job_dir, 40)
    assert np.abs(found[KERNEL] - backbone[1].kernel.numpy()).max() > 1e-3
    assert np.abs(found[MEAN]).max() > 1e-3
    assert f"{KERNEL}/Adam" in found
    assert not any("head" in name for name in found)
    metrics = json.loads((job_dir / "metrics.json").read_text())
    assert metrics["evaluations"][-1]["top_1_accuracy"] == 1.0
    assert metrics["resolved"]["precision"] == "float32"


def test_the_exported_model_predicts(trained):
    model_dir = trained[0] / "model"
    # It needs none of the SavedModel's files.
    assert list((model_dir / "variables").iterdir()) == []
    encoded = [pictures.encode(pictures.draw_class(one, 3)) for one in range(3)]
    found = Predictor(str(model_dir)).predict(encoded)
    # Labels are from 1, as pictures.write_classes has them.
    assert [one.class_index for one in found] == [0, 1, 2]


def test_a_job_that_was_ended_ends_with_the_same_bits(
    data_dir, backbone, trained, tmp_path
):
    code, _ = jobs.interrupt(
        data_dir, tmp_path, after="eval  | step 20", hub_handle=backbone[0], **FLAGS
    )
    assert code == 143
    log = jobs.run_ok(data_dir, tmp_path, hub_handle=backbone[0], **FLAGS)
    assert "resume | step" in log
    found, expected = (jobs.read_weights(one, 40) for one in (tmp_path, trained[0]))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_frozen_backbone_stays_as_it_was(data_dir, backbone, tmp_path):
    assert run(data_dir, tmp_path, backbone[0], freeze_backbone="true") == 0
    found = jobs.read_weights(tmp_path, 40)
    np.testing.assert_array_equal(found[KERNEL], backbone[1].kernel.numpy())
    np.testing.assert_array_equal(found[MEAN], np.zeros(8))
    assert f"{KERNEL}/Adam" not in found
    assert np.abs(found["predictions/kernel/Adam"]).max() > 0


def test_the_recipe_takes_it_for_pretrained(data_dir, backbone, tmp_path, caplog):
    without = ("initial_learning_rate", "optimizer_type")
    assert run(data_dir, tmp_path, backbone[0], max_steps=8, without=without) == 0
    assert "recipe | --fine_tune=gradual" in caplog.text
    assert "head  | fitted to the features of 36 images" in caplog.text
    # Averages are scored, by a second network with variables of its own.
    found = jobs.read_weights(tmp_path, 8)
    assert f"{KERNEL}/ExponentialMovingAverage" in found
    np.testing.assert_array_equal(found[MEAN], np.zeros(8))
    assert np.abs(found[KERNEL] - backbone[1].kernel.numpy()).max() > 1e-5


def test_another_content_is_not_mixed_in(data_dir, trained, tmp_path, caplog):
    other, _ = feature_vectors.write(tmp_path / "vector", seed=1)
    assert run(data_dir, trained[0], other) == 1
    assert f"--hub_handle={other} holds another SavedModel than the one" in caplog.text


def test_another_share_of_trained_weights_is_not_mixed_in(
    data_dir, backbone, trained, caplog
):
    assert run(data_dir, trained[0], backbone[0], freeze_backbone="true") == 1
    assert "a job with --freeze_backbone=False, this one has True" in caplog.text


def test_a_fixed_size_is_the_jobs(data_dir, tmp_path, caplog):
    handle, _ = feature_vectors.write(tmp_path / "vector", side=40)
    assert run(data_dir, tmp_path / "job", handle) == 1
    assert (
        f"--image_size=32 does not go with --hub_handle={handle}, which takes 40 pixels"
    ) in caplog.text
    job_dir = tmp_path / "job"
    assert run(data_dir, job_dir, handle, max_steps=2, without=["image_size"]) == 0
    metrics = json.loads((job_dir / "metrics.json").read_text())
    assert metrics["resolved"]["image_size"] == 40


def test_one_that_reads_files_is_refused_before_it_is_loaded(
    data_dir, tmp_path, caplog
):
    def read(inputs, weight):
        size = tf.strings.length(tf.io.read_file("/etc/hostname"))
        return tf.reduce_mean(inputs, [1, 2]) * weight + tf.cast(size, tf.float32)

    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    handle = feature_vectors.write_function(tmp_path / "vector", read, spec)
    assert run(data_dir, tmp_path / "job", handle) == 1
    assert f"--hub_handle={handle} does more than compute: it has ReadFile" in (
        caplog.text
    )


def test_an_address_without_a_network_is_one_sentence(data_dir, tmp_path, caplog):
    address = "https://nowhere.invalid/google/vector/1"
    assert run(data_dir, tmp_path, address) == 1
    assert f"--hub_handle={address} can't be downloaded (" in caplog.text
    assert "give its folder." in caplog.text
    assert "Traceback" not in caplog.text
