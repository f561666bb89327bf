"""Jobs that are stopped and run again end with the weights of one that was not."""

import json
import random
import signal
import time

import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

from tests import jobs
from trainer.training import training_curve

FLAGS = {"max_steps": 60, "train_steps_per_eval": 20, "checkpoint_secs": 1}


def read_evaluations(job_dir):
    evaluations = json.loads((job_dir / "metrics.json").read_text())["evaluations"]
    return [{**one, "secs": None} for one in evaluations]


def read_model(job_dir):
    """Constants of the exported graph: the weights among them."""
    content = (job_dir / "model" / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    # TensorFlow numbers functions by all that a process has traced, so not all bytes.
    return {
        node.name: node.attr["value"].tensor.SerializeToString(deterministic=True)
        for node in graph.node
        if node.op == "Const"
    }


@pytest.fixture(scope="module")
def data_dir(data_dir, tmp_path_factory):
    return jobs.copy_with_cut_off_picture(
        data_dir, tmp_path_factory.mktemp("resume-data")
    )


@pytest.fixture(scope="module")
def uninterrupted(data_dir, tmp_path_factory):
    job_dir = tmp_path_factory.mktemp("uninterrupted")
    log = jobs.run_ok(data_dir, job_dir, **FLAGS)
    # Found in the middle of training, which a resumed job must find alike.
    start, _, rest = log.partition("job   |")
    assert "does not decode" not in start
    assert "train-00002-of-00002.tfrecord, record 0 (byte 12) holds a picture" in rest
    return job_dir


def assert_curve_is_whole(job_dir):
    """No step is in it twice, and none is missing but by the batch that failed."""
    points = training_curve.read_curve(str(job_dir / "training.jsonl")).points
    starts = [point.step - point.num_steps for point in points]
    ends = [point.step for point in points]
    assert ends[-1] == FLAGS["max_steps"]
    gaps = np.array(starts) - [0, *ends[:-1]]
    assert gaps.min() >= 0
    assert np.count_nonzero(gaps) <= 1


def assert_same(job_dir, uninterrupted):
    found, expected = (jobs.read_weights(one, 60) for one in (job_dir, uninterrupted))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert read_evaluations(job_dir) == read_evaluations(uninterrupted)
    assert read_model(job_dir) == read_model(uninterrupted)
    assert_curve_is_whole(job_dir)


def test_sigterm_saves_and_the_same_command_resumes(data_dir, uninterrupted, tmp_path):
    code, log = jobs.interrupt(data_dir, tmp_path, after="eval  | step 20", **FLAGS)
    assert code == 143
    assert "Ended by SIGTERM; the same command resumes." in log
    log = jobs.run_ok(data_dir, tmp_path, **FLAGS)
    assert "resume | step" in log
    assert_same(tmp_path, uninterrupted)


def test_ctrl_c_ends_with_130(data_dir, tmp_path):
    code, _ = jobs.interrupt(
        data_dir, tmp_path, after="job   |", number=signal.SIGINT, **FLAGS
    )
    assert code == 130


@pytest.mark.parametrize("after", ["job   |", "eval  | step 20", "model | step 40"])
def test_kill_9_loses_nothing(data_dir, uninterrupted, tmp_path, after):
    code, _ = jobs.interrupt(
        data_dir, tmp_path, after=after, number=signal.SIGKILL, **FLAGS
    )
    assert code == -signal.SIGKILL
    jobs.run_ok(data_dir, tmp_path, **FLAGS)
    assert_same(tmp_path, uninterrupted)
    assert not list(tmp_path.rglob(".staging-*"))


@pytest.mark.slow
def test_kill_9_at_20_random_moments_loses_nothing(data_dir, uninterrupted, tmp_path):
    started_at = time.monotonic()
    jobs.run_ok(data_dir, tmp_path / "timed", **FLAGS)
    secs = time.monotonic() - started_at
    moments = random.Random(0)
    num_kills, number = 0, 0
    while num_kills < 20:
        job_dir = tmp_path / str(number)
        # A moment after its end never comes: such a job is done, and the next begins.
        while jobs.kill_after(
            data_dir, job_dir, secs=moments.uniform(1, secs), **FLAGS
        ):
            num_kills += 1
        assert_same(job_dir, uninterrupted)
        number += 1
