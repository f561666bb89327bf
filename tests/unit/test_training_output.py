import dataclasses
import json

import pytest

from tests import tuning
from trainer.jobs import spec, training_output, trial

PARAMS = (
    tuning.double(),
    tuning.integer(8, 64),
    tuning.discrete(0.5, 2),
    tuning.categorical("adam", "momentum"),
)
VALUES = {
    "initial_learning_rate": 0.1,
    "train_batch_size": 16,
    "weight_decay": 2.0,
    "optimizer_type": "adam",
}


def write_model(job_dir, number):
    directory = job_dir / "model" / f"trial_{number}"
    directory.mkdir(parents=True)
    (directory / "deployment_config.yaml").write_text("runtimeVersion: '2.10'\n")


def test_a_trial_has_the_form_of_the_service(tmp_path):
    write_model(tmp_path, 3)
    one = tuning.ended(3, VALUES, 0.5, 0.25)
    one.runtime_version = training_output.read_runtime_version(str(tmp_path), one)
    text = training_output.format_output(tuning.tuned(*PARAMS), [one], str(tmp_path))
    output = json.loads(text)
    (found,) = output.pop("trials")
    assert output == {
        "completedTrialCount": "1",
        "isHyperparameterTuningJob": True,
        "isBuiltInAlgorithmJob": True,
        "hyperparameterMetricTag": "top_1_accuracy",
    }
    assert found.pop("startTime").endswith("Z")
    assert found.pop("endTime").endswith("Z")
    assert found["builtInAlgorithmOutput"].pop("pythonVersion").startswith("3.")
    last = {"trainingStep": "20", "objectiveValue": 0.25}
    assert found == {
        "trialId": "3",
        "hyperparameters": {
            "initial_learning_rate": "0.1",
            "train_batch_size": "16",
            "weight_decay": "2",
            "optimizer_type": "adam",
        },
        "state": "SUCCEEDED",
        "isTrialStoppedEarly": False,
        "allMetrics": [{"trainingStep": "10", "objectiveValue": 0.5}, last],
        "finalMetric": last,
        "builtInAlgorithmOutput": {
            "framework": "TENSORFLOW",
            "runtimeVersion": "2.10",
            "modelPath": f"{tmp_path}/model/trial_3",
        },
    }


def test_what_was_written_is_read_again(tmp_path):
    running = trial.Trial(1, VALUES)
    failed = trial.Trial(2, VALUES)
    failed.end(trial.FAILED)
    early = tuning.ended(3, VALUES, 0.5, early=True)
    early.runtime_version = "2.21"
    trials = [running, failed, early]
    text = training_output.format_output(tuning.tuned(*PARAMS), trials, str(tmp_path))
    found = training_output.parse_output(PARAMS, text)
    assert [dataclasses.asdict(one) for one in found] == [
        dataclasses.asdict(one) for one in trials
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("initial_learning_rate", "other"),
        ('"0.1"', '"7"'),
        ('"trials"', '"tests"'),
        ('"state"', '"mood"'),
        ("{", "["),
    ],
)
def test_other_texts_are_refused(tmp_path, old, new):
    one = tuning.ended(1, VALUES, 0.5)
    text = training_output.format_output(tuning.tuned(*PARAMS), [one], str(tmp_path))
    with pytest.raises(ValueError, match=r"\w"):
        training_output.parse_output(PARAMS, text.replace(old, new))


@pytest.mark.parametrize(
    ("goal", "expected"), [(spec.MAXIMIZE, [2, 1, 3, 4]), (spec.MINIMIZE, [1, 2, 3, 4])]
)
def test_the_best_comes_first_and_those_without_a_result_last(goal, expected):
    failed = tuning.ended(3, {}, 0.9)
    failed.state = trial.FAILED
    trials = [
        trial.Trial(4, {}),
        failed,
        tuning.ended(1, {}, 0.9, 0.2),
        tuning.ended(2, {}, 0.3),
    ]
    ranked = training_output.rank(trials, maximizes=tuning.tuned(goal=goal).maximizes)
    assert [one.trial_id for one in ranked] == expected


def test_a_trial_without_a_model_has_no_version(tmp_path):
    one = trial.Trial(1, VALUES)
    assert training_output.read_runtime_version(str(tmp_path), one) == ""
