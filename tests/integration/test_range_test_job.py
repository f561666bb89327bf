"""The range test of `--recipe=auto`: nothing of it stays, and kills change nothing."""

import signal

import numpy as np
import pytest

from tests import jobs

# Twenty steps of the test are 4 % of these; the jobs are killed long before.
FLAGS = {"max_steps": 500, "train_steps_per_eval": 4, "train_batch_size": 4}
AUTO = {"recipe": "auto", "initial_learning_rate": None, **FLAGS}
TESTED = "recipe | --initial_learning_rate="


def kill_after_step_8(data_dir, job_dir, **flags):
    code, log = jobs.interrupt(
        data_dir, job_dir, after="eval  | step 8", number=signal.SIGKILL, **flags
    )
    assert code == -signal.SIGKILL, log
    return log


def assert_same_weights(job_dir, expected_dir):
    found, expected = (jobs.read_weights(one, 4) for one in (job_dir, expected_dir))
    for name in expected.keys() & found.keys():
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    return found.keys() ^ expected.keys()


@pytest.fixture(scope="module")
def uninterrupted(data_dir, tmp_path_factory):
    job_dir = tmp_path_factory.mktemp("uninterrupted")
    log = kill_after_step_8(data_dir, job_dir, **AUTO)
    assert "| range test: " in log
    return job_dir


def test_a_job_that_is_killed_in_it_or_after_it_keeps_its_rate(
    data_dir, uninterrupted, tmp_path
):
    code, _ = jobs.interrupt(
        data_dir, tmp_path, after="| range test: ", number=signal.SIGKILL, **AUTO
    )
    assert code == -signal.SIGKILL
    kill_after_step_8(data_dir, tmp_path, **AUTO)
    assert not assert_same_weights(tmp_path, uninterrupted)


def test_with_its_flags_pasted_the_job_is_the_same(data_dir, uninterrupted, tmp_path):
    found = jobs.read_weights(uninterrupted, 4)
    rate = found["schedule/initial_learning_rate"]
    kill_after_step_8(
        data_dir,
        tmp_path,
        **FLAGS,
        initial_learning_rate=f"{rate:.2g}",
        warmup_steps=50,
    )
    assert assert_same_weights(tmp_path, uninterrupted) == {
        "schedule/initial_learning_rate"
    }
