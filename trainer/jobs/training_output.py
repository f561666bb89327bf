"""Trials in the form of the service's trainingOutput, and back.

This is the study's file as well: it holds all that is known of a trial.

Source: the discovery document ml.v1, revision 20230121,
GoogleCloudMlV1__TrainingOutput and __HyperparameterOutput. int64 are texts there.
"""

import datetime
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from trainer import storage
from trainer.jobs import trial
from trainer.jobs.parameters import ParameterSpec
from trainer.jobs.spec import HyperparameterSpec
from trainer.training import layout

# The study's file in the job-dir.
TRIALS = "trials.json"


def rank(trials: Iterable[trial.Trial], *, maximizes: bool) -> list[trial.Trial]:
    """The best first, as in the service's output; those without a result last."""

    def order(one: trial.Trial) -> tuple[bool, float, int]:
        has_result = one.state == trial.SUCCEEDED and one.objective is not None
        objective = one.objective if has_result and one.objective is not None else 0.0
        return (not has_result, -objective if maximizes else objective, one.trial_id)

    return sorted(trials, key=order)


def format_output(
    spec: HyperparameterSpec, trials: Sequence[trial.Trial], job_dir: str
) -> str:
    """The text of trials.json."""
    ranked = rank(trials, maximizes=spec.maximizes)
    ended = sum(one.state == trial.SUCCEEDED for one in trials)
    content = {
        "completedTrialCount": str(ended),
        "trials": [_describe(spec.params, one, job_dir) for one in ranked],
        "isHyperparameterTuningJob": True,
        "isBuiltInAlgorithmJob": True,
        "hyperparameterMetricTag": spec.hyperparameter_metric_tag,
    }
    return json.dumps(content, indent=2) + "\n"


def parse_output(params: Sequence[ParameterSpec], text: str) -> list[trial.Trial]:
    """The trials of a text of `format_output`, in order of their ids.

    Raises:
        ValueError: If it is none, or has other parameters or values.
    """
    try:
        found = [_parse(params, one) for one in json.loads(text)["trials"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return sorted(found, key=lambda one: one.trial_id)


def _describe(
    params: Sequence[ParameterSpec], one: trial.Trial, job_dir: str
) -> dict[str, Any]:
    metrics = [
        {"trainingStep": str(step), "objectiveValue": value}
        for step, value in one.measurements.items()
    ]
    described: dict[str, Any] = {
        "trialId": str(one.trial_id),
        "hyperparameters": {
            param.parameter_name: param.format(one.values[param.parameter_name])
            for param in params
        },
        "state": one.state,
        "isTrialStoppedEarly": one.is_stopped_early,
        "startTime": _format_time(one.start_time),
        "allMetrics": metrics,
    }
    if metrics and one.state != trial.RUNNING:
        described["finalMetric"] = metrics[-1]
    if one.end_time:
        described["endTime"] = _format_time(one.end_time)
    if one.runtime_version:
        described["builtInAlgorithmOutput"] = describe_model(
            model_dir(job_dir, one), one.runtime_version
        )
    return described


def describe_model(model_dir: str, runtime_version: str) -> dict[str, str]:
    """The API's builtInAlgorithmOutput of one model."""
    return {
        "framework": "TENSORFLOW",
        "runtimeVersion": runtime_version,
        "pythonVersion": ".".join(platform.python_version_tuple()[:2]),
        "modelPath": storage.absolute(model_dir),
    }


def _parse(params: Sequence[ParameterSpec], found: Mapping[str, Any]) -> trial.Trial:
    texts = found["hyperparameters"]
    if texts.keys() != {param.parameter_name for param in params}:
        raise ValueError(f"trial {found['trialId']} has {', '.join(texts)}")
    return trial.Trial(
        trial_id=int(found["trialId"]),
        values={
            param.parameter_name: param.parse(texts[param.parameter_name])
            for param in params
        },
        measurements={
            int(one["trainingStep"]): float(one["objectiveValue"])
            for one in found["allMetrics"]
        },
        state=found["state"],
        is_stopped_early=found["isTrialStoppedEarly"],
        start_time=_parse_time(found["startTime"]),
        end_time=_parse_time(found["endTime"]) if "endTime" in found else None,
        runtime_version=found.get("builtInAlgorithmOutput", {}).get(
            "runtimeVersion", ""
        ),
    )


def model_dir(job_dir: str, one: trial.Trial) -> str:
    """Where the trial's best SavedModel is."""
    return layout.JobLayout(job_dir, str(one.trial_id)).model_dirs[0]


def read_runtime_version(job_dir: str, one: trial.Trial) -> str:
    """The TensorFlow that wrote the trial's model; empty if there is no model."""
    return read_version(model_dir(job_dir, one))


def read_version(model_dir: str) -> str:
    """The TensorFlow that wrote a model; empty if there is no model."""
    text = storage.read_text(os.path.join(model_dir, layout.DEPLOYMENT_CONFIG))
    described = yaml.safe_load(text) if text else None
    return str(described.get("runtimeVersion", "")) if described else ""


def _format_time(time: datetime.datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _parse_time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)
