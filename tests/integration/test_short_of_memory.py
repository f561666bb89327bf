"""Jobs whose first step does not fit, and what they come to when they are resumed."""

import json
import signal

import numpy as np
import pytest

from tests import jobs

SHORT = {"module": "tests.short_of_memory"}
LINE = "memory | a step did not fit; each batch is computed in 2 parts now"


@pytest.fixture(scope="module")
def uninterrupted(data_dir, tmp_path_factory):
    job_dir = tmp_path_factory.mktemp("uninterrupted")
    assert LINE in jobs.run_ok(data_dir, job_dir, **SHORT)
    content = json.loads((job_dir / "metrics.json").read_text())
    assert content["resolved"]["micro_batches"] == 2
    return job_dir


def assert_same_weights(job_dir, expected_dir):
    found, expected = (jobs.read_weights(one, 8) for one in (job_dir, expected_dir))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_it_is_the_job_that_had_the_number_from_the_start(
    data_dir, uninterrupted, tmp_path
):
    log = jobs.run_ok(data_dir, tmp_path, micro_batches=2)
    assert "memory |" not in log
    assert_same_weights(tmp_path, uninterrupted)


def test_killed_it_goes_on_in_as_many_parts_also_with_more_memory(
    data_dir, uninterrupted, tmp_path
):
    code, _ = jobs.interrupt(
        data_dir, tmp_path, after="eval  | step 4", number=signal.SIGKILL, **SHORT
    )
    assert code == -signal.SIGKILL
    log = jobs.run_ok(data_dir, tmp_path)
    assert "memory |" not in log
    assert_same_weights(tmp_path, uninterrupted)


def test_a_number_that_is_too_low_ends_the_job_with_1(data_dir, tmp_path):
    done = jobs.run(data_dir, tmp_path, micro_batches=1, **SHORT)
    assert done.returncode == 1
    assert "Out of memory in the first step with --micro_batches=1; raise it" in (
        done.stderr
    )


def test_parts_that_are_not_equal_are_refused(data_dir, tmp_path):
    done = jobs.run(data_dir, tmp_path, micro_batches=3)
    assert done.returncode == 1
    assert "--micro_batches=3 does not cut --train_batch_size=8 in equal" in done.stderr
