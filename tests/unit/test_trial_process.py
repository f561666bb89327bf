import json
import os
import sys

import pytest

from tests import tuning
from trainer import config, environment
from trainer.jobs import container, trial, trial_process

VALUES = {"initial_learning_rate": 0.01}


def test_a_trial_has_the_surroundings_of_the_service(tmp_path):
    plan = tuning.plan(tmp_path / "flowers", max_trials=3)
    found = trial_process.build_variables(plan, trial.Trial(2, VALUES), "/metrics/2")
    cluster = json.loads(found["TF_CONFIG"])
    assert found["CLUSTER_SPEC"] == found["TF_CONFIG"]
    assert {name: found[name] for name in found if name.startswith("CLOUD_ML")} == {
        "CLOUD_ML_JOB_ID": "flowers",
        "CLOUD_ML_TRIAL_ID": "2",
        "CLOUD_ML_HP_METRIC_FILE": "/metrics/2",
        "CLOUD_ML_HP_METRIC_TAG": "top_1_accuracy",
    }
    assert cluster["task"] == {"type": "master", "index": 0, "trial": "2"}
    assert cluster["environment"] == "cloud"
    tuned = cluster["job"]["hyperparameters"]
    assert tuned["maxTrials"] == 3
    (param,) = tuned["params"]
    assert param["parameterName"] == "initial_learning_rate"
    assert (param["minValue"], param["scaleType"]) == (0.001, "UNIT_LOG_SCALE")


def test_the_trainer_finds_its_trial_there(tmp_path, monkeypatch):
    one = trial.Trial(7, VALUES)
    found = trial_process.build_variables(tuning.plan(tmp_path), one, "")
    for name in ("CLOUD_ML_TRIAL_ID", "TF_CONFIG", "CLUSTER_SPEC"):
        for other in ("CLOUD_ML_TRIAL_ID", "TF_CONFIG", "CLUSTER_SPEC"):
            monkeypatch.delenv(other, raising=False)
        monkeypatch.setenv(name, found[name])
        assert environment.trial_id() == "7"


def test_a_process_has_the_tuned_flags_last(tmp_path):
    plan = tuning.plan(tmp_path, flags=("--initial_learning_rate=0.128",))
    found = trial_process.build_command(plan, trial.Trial(1, VALUES), "/work", {})
    assert found == [
        *(sys.executable, "-m", "trainer.task", f"--job-dir={tmp_path}"),
        *("--initial_learning_rate=0.128", "--initial_learning_rate=0.01"),
    ]


def test_a_container_sees_the_same_paths(tmp_path):
    plan = tuning.plan(tmp_path / "job", image="image:1", parallel=2)
    one = trial.Trial(1, VALUES)
    found = trial_process.build_command(plan, one, "/work", {"A": "1"})
    here = os.getcwd()
    place = found.index("image:1")
    assert found[:3] == ["docker", "run", "--rm"]
    assert found[place + 1 :] == [
        f"--job-dir={tmp_path}/job",
        "--initial_learning_rate=0.01",
    ]
    options = found[3:place]
    assert {one for one in options if one.startswith("--volume")} == {
        f"--volume={folder}:{folder}"
        for folder in (here, f"{here}/data", "/work", f"{tmp_path}/job")
    }
    assert f"--workdir={here}" in options
    assert "--env=A=1" in options
    assert any(one.startswith("--env=OMP_NUM_THREADS=") for one in options)


@pytest.mark.parametrize(
    ("handle", "folders"),
    [
        ("/models/vector", {"/models"}),
        ("https://tfhub.dev/google/vector/1", set()),
        ("gs://bucket/vector", set()),
    ],
)
def test_a_container_sees_a_saved_model_that_is_local(handle, folders):
    plain, job = (config.TrainConfig(hub_handle=one) for one in ("", handle))
    found = {*container.find_folders(job)} - {*container.find_folders(plain)}
    assert found == folders


@pytest.mark.parametrize("parallel", [1, 2, 1000])
def test_trials_side_by_side_share_the_cores(tmp_path, parallel):
    plan = tuning.plan(tmp_path, image="image", parallel=parallel)
    found = trial_process.build_command(plan, trial.Trial(1, VALUES), "/work", {})
    threads = [one for one in found if "NUM_THREADS" in one or "OP_THREADS" in one]
    if parallel == 1:
        assert threads == []
    else:
        share = max(1, environment.num_cores() // parallel)
        assert len(threads) == 3
        assert all(one.endswith(f"={share}") for one in threads)
