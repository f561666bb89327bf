"""What goes beyond the documented flags is resumed as exactly as the rest."""

import json
import signal

import numpy as np
import pytest

from tests import jobs

FLAGS = {
    "max_steps": 24,
    # More than enough, so that the plan is to take all steps.
    "max_minutes": 30,
    "warmup_steps": 6,
    "train_steps_per_eval": 6,
    "checkpoint_secs": 1,
    "fine_tune": "gradual",
    "layer_lr_decay": 0.9,
    "moving_average_decay": 0.9,
    "gradient_clip_norm": 1.0,
    "class_weights": "effective",
    "augmentation": "randaugment",
    "mixup_alpha": 0.2,
    "cutmix_alpha": 1.0,
    "random_erasing": 0.5,
}


@pytest.fixture(scope="module")
def uninterrupted(data_dir, tmp_path_factory):
    job_dir = tmp_path_factory.mktemp("uninterrupted")
    log = jobs.run_ok(data_dir, job_dir, **FLAGS)
    assert "head  | fitted to the features of 36 images" in log
    return job_dir


def assert_same_weights(job_dir, expected_dir, step):
    found, expected = (jobs.read_weights(one, step) for one in (job_dir, expected_dir))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_kill_9_loses_nothing(data_dir, uninterrupted, tmp_path):
    # The uninterrupted job has no cache.
    flags = {**FLAGS, "cache_decoded": 0.1}
    code, _ = jobs.interrupt(
        data_dir, tmp_path, after="eval  | step 12", number=signal.SIGKILL, **flags
    )
    assert code == -signal.SIGKILL
    log = jobs.run_ok(data_dir, tmp_path, **flags)
    assert "36 of 36 training pictures stay decoded, in " in log
    assert_same_weights(tmp_path, uninterrupted, FLAGS["max_steps"])


@pytest.mark.slow
def test_a_job_that_gets_no_better_ends_and_stays_ended(data_dir, tmp_path):
    flags = {
        **FLAGS,
        "max_minutes": 0,
        "max_steps": 400,
        "train_steps_per_eval": 2,
        "early_stopping_evals": 2,
        # Learns nothing, so that nothing gets better.
        "initial_learning_rate": 1e-9,
    }
    log = jobs.run_ok(data_dir, tmp_path, **flags)
    assert "end   | at step 6 of 400: 2 evaluations in a row had no better" in log
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert "--early_stopping_evals=2" in content["ended_early"]
    log = jobs.run_ok(data_dir, tmp_path, **flags)
    assert "train |" not in log
    assert len(json.loads((tmp_path / "metrics.json").read_text())["evaluations"]) == 3
