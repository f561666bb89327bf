import os

import pytest
import tensorflow as tf

from trainer.training import profiling


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 4), (3, 4), (4, 7), (6, 7), (7, 20), (12, 20)]
)
def test_calls_end_where_the_profile_starts_and_ends(step, expected):
    assert profiling.Profiler((5, 7), "").next_stop(step, 20) == expected


def test_without_a_profile_calls_end_as_ever(tmp_path):
    profiler = profiling.Profiler(None, str(tmp_path))
    assert profiler.next_stop(3, 20) == 20
    profiler.update(3)
    profiler.close()
    assert not os.listdir(tmp_path)


def profiles(log_dir):
    return list(log_dir.rglob("plugins/profile/*/*.xplane.pb"))


def test_the_steps_are_on_disk_once_they_are_done(tmp_path):
    profiler = profiling.Profiler((2, 3), str(tmp_path))
    for step in range(5):
        profiler.update(step)
        tf.linalg.matmul(tf.ones([8, 8]), tf.ones([8, 8]))
        assert len(profiles(tmp_path)) == (step >= 3)
    [path] = profiles(tmp_path)
    assert b"MatMul" in path.read_bytes()
    assert os.listdir(tmp_path) == ["plugins"]


def test_a_job_that_ends_early_writes_what_there_is(tmp_path):
    profiler = profiling.Profiler((2, 100), str(tmp_path))
    profiler.update(2)
    profiler.close()
    assert len(profiles(tmp_path)) == 1


def test_steps_that_an_earlier_run_took_are_not_profiled(tmp_path):
    profiler = profiling.Profiler((2, 3), str(tmp_path))
    profiler.update(3)
    profiler.close()
    assert not profiles(tmp_path)
