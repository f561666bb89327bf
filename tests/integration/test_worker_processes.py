"""Jobs of several processes: one model, whoever computes it."""

import json
import os
import signal
import time

import numpy as np
import pytest

from tests import clusters, jobs

# With the cache, which decodes pictures as a whole, the cut-off one fails at once.
FLAGS = {"max_steps": 6, "train_steps_per_eval": 3, "cache_decoded": 0.1}
# Most of it is the heartbeats' patience; a dropped connection is noticed at once.
GONE_SECS = 60


@pytest.fixture(scope="module")
def data_dir(data_dir, tmp_path_factory):
    return jobs.copy_with_cut_off_picture(data_dir, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def alone(data_dir, tmp_path_factory):
    job_dir = tmp_path_factory.mktemp("alone") / "job"
    jobs.run_ok(data_dir, job_dir, **FLAGS)
    return job_dir


def read_best(job_dir):
    return json.loads((job_dir / "metrics.json").read_text())["evaluations"]


def assert_same_model(job_dir, alone):
    expected, found = (
        jobs.read_weights(one, FLAGS["max_steps"]) for one in (alone, job_dir)
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(
            found[name], value, rtol=1e-3, atol=1e-3, err_msg=name
        )
    for one, other in zip(read_best(job_dir), read_best(alone), strict=True):
        assert one["num_images"] == other["num_images"]
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)


def wait_for(process, log, text):
    deadline = time.monotonic() + clusters.TIMEOUT_SECS
    while text not in clusters.read_log(log):
        assert process.poll() is None, clusters.read_log(log)
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_two_processes_lose_one_resume_and_end_with_the_model_of_one(
    data_dir, alone, tmp_path
):
    # As on machines of their own: the second has no checkpoints to read.
    job_dirs = [tmp_path / "chief", tmp_path / "worker"]
    slow = {**FLAGS, "max_steps": 100_000, "decay_steps": 6}
    with clusters.start(data_dir, job_dirs, **slow) as processes:
        chief, worker = processes
        wait_for(*chief, "model | step 3 exported")
        worker[0].send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        assert chief[0].wait(GONE_SECS) == 1
        assert time.monotonic() - killed_at < GONE_SECS
        assert "Another of the 2 processes of this job is gone" in clusters.read_log(
            chief[1]
        )
    killed_log = clusters.read_log(chief[1]) + clusters.read_log(worker[1])
    for name in os.listdir(tmp_path / "chief" / "checkpoints"):
        if not name.startswith("model.ckpt-3."):
            os.remove(tmp_path / "chief" / "checkpoints" / name)
    with clusters.start(data_dir, job_dirs, **FLAGS) as processes:
        codes, logs = clusters.finish(processes)
    assert codes == [0, 0], logs
    assert all("resume | step 3 from" in log for log in logs)
    # The cut-off picture was met, and ended neither.
    skipped = f"{data_dir}/train-00002-of-00002.tfrecord, record 0 (byte 12) holds a"
    assert any(skipped in log for log in [killed_log, *logs])
    assert not (tmp_path / "worker").exists()
    assert_same_model(tmp_path / "chief", alone)


@pytest.mark.slow
def test_two_processes_start_from_the_chiefs_weights_and_average_them(
    data_dir, alone, tmp_path
):
    job_dirs = [tmp_path / "chief", tmp_path / "worker"]
    flags = {
        **FLAGS,
        "pretrained_checkpoint_path": alone / "checkpoints",
        "fine_tune": "gradual",
        "moving_average_decay": 0.9,
        "class_weights": "balanced",
        "gradient_clip_norm": 1.0,
        "layer_lr_decay": 0.8,
    }
    jobs.run_ok(data_dir, tmp_path / "tuned", **flags)
    with clusters.start(data_dir, job_dirs, **flags) as processes:
        codes, logs = clusters.finish(processes)
    assert codes == [0, 0], logs
    assert ["head  | fitted" in log for log in logs] == [True, False]
    assert_same_model(tmp_path / "chief", tmp_path / "tuned")


def test_several_processes_refuse_what_takes_one(data_dir, tmp_path):
    job_dirs = [tmp_path / "chief", tmp_path / "worker"]
    with clusters.start(data_dir, job_dirs, mixup_alpha=0.2) as processes:
        codes, logs = clusters.finish(processes)
    assert codes == [1, 1], logs
    assert all("--mixup_alpha=0.2 changes a batch as a whole" in log for log in logs)
