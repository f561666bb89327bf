"""All trials of a tuning, on disk: what a tuner that was killed goes on from.

study.json says what is tuned, and is written once; trials.json has the trials, and is
replaced whole at each change, on every kind of storage.
"""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from trainer import errors, storage
from trainer.jobs import search, training_output, trial
from trainer.jobs.plan import Plan
from trainer.jobs.reader import spell
from trainer.jobs.spec import HyperparameterSpec
from trainer.jobs.training_output import TRIALS

STUDY = "study.json"
# Flags that change nothing in a trial's result.
_FREE = {"job_dir", "cache_dir", "cache_gb", "cache_decoded"}


class Study:
    """The trials of one tuning, and which point comes next."""

    def __init__(self, plan: Plan) -> None:
        """Goes on with what is in the job-dir, or starts anew.

        Raises:
            ConfigError: If the job-dir holds another study or trials without one, or
                the job of resumePreviousJobId does not fit.
            StorageError: If a file can't be read or written.
        """
        self.spec = plan.hyperparameters
        self._job_dir = plan.job_dir
        self._earlier = _read_earlier(plan)
        found = _read_study(plan.job_dir)
        if found is None:
            _check_is_new(plan.job_dir)
            self.trials: list[trial.Trial] = []
            content = json.dumps(_describe(plan), indent=2) + "\n"
            storage.write_text(os.path.join(plan.job_dir, STUDY), content)
            self.save()
        else:
            _check_same(plan, found)
            self.trials = _read_trials(plan.job_dir, self.spec)
            self._try_failed_again()

    @property
    def best(self) -> trial.Trial | None:
        """The trial with the best last measurement."""
        ranked = training_output.rank(self.trials, maximizes=self.spec.maximizes)
        succeeded = [one for one in ranked if one.state == trial.SUCCEEDED]
        return succeeded[0] if succeeded else None

    def start_next(self) -> trial.Trial | None:
        """Adds a trial with the next point; None if there is to be no other."""
        number = len(self.trials) + 1
        if number > self.spec.max_trials:
            return None
        known = [*self._earlier, *self.trials]
        values = search.suggest(self.spec, known, number=len(known) + 1)
        if values is None:
            return None
        one = trial.Trial(number, values)
        self.trials.append(one)
        self.save()
        return one

    def end(self, one: trial.Trial, state: str, *, stopped_early: bool = False) -> None:
        """Notes how a trial ended, and its model."""
        one.end(state, stopped_early=stopped_early)
        if state == trial.SUCCEEDED:
            one.runtime_version = training_output.read_runtime_version(
                self._job_dir, one
            )
        self.save()

    def save(self) -> None:
        """Replaces trials.json."""
        storage.write_text(
            os.path.join(self._job_dir, TRIALS),
            training_output.format_output(self.spec, self.trials, self._job_dir),
        )

    def _try_failed_again(self) -> None:
        """Where none succeeded, the owner has mended something meanwhile."""
        if self.best is None:
            for one in self.trials:
                one.state, one.end_time = trial.RUNNING, None


def _describe(plan: Plan) -> dict[str, Any]:
    """What has to stay the same for trials to be comparable, by name."""
    tuned = {param.parameter_name for param in plan.hyperparameters.params}
    flags = dataclasses.asdict(plan.train)
    return {
        **{
            f"--{name}": value
            for name, value in flags.items()
            if name not in tuned | _FREE
        },
        **_describe_search(plan.hyperparameters),
    }


def _describe_search(spec: HyperparameterSpec) -> dict[str, Any]:
    names = ("parameter_name", "type", "min_value", "max_value", "scale_type")
    values = ("categorical_values", "discrete_values")
    return {
        "goal": spec.goal,
        "hyperparameterMetricTag": spec.hyperparameter_metric_tag,
        "params": [
            {spell(name): getattr(param, name) for name in names}
            | {spell(name): list(getattr(param, name)) for name in values}
            for param in spec.params
        ],
    }


def _read_study(job_dir: str) -> Mapping[str, Any] | None:
    path = os.path.join(job_dir, STUDY)
    text = storage.read_text(path)
    try:
        return None if text is None else dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise errors.ConfigError(
            f"{path} is not what tune writes ({error}); give another --job-dir."
        ) from error


def _read_trials(job_dir: str, spec: HyperparameterSpec) -> list[trial.Trial]:
    path = os.path.join(job_dir, TRIALS)
    text = storage.read_text(path)
    try:
        return training_output.parse_output(spec.params, text) if text else []
    except ValueError as error:
        raise errors.ConfigError(
            f"{path} is not what tune writes for these params ({error}); give another "
            "--job-dir."
        ) from error


def _check_is_new(job_dir: str) -> None:
    """A trial would go on from the checkpoints of another one."""
    first = os.path.join(job_dir, "1")
    if storage.is_dir(first):
        raise errors.ConfigError(
            f"--job-dir={job_dir} has trials but no {STUDY}, which says of what; give "
            "another --job-dir, or remove it."
        )


def _check_same(plan: Plan, found: Mapping[str, Any]) -> None:
    expected = _describe(plan)
    differing = [name for name in expected if found.get(name) != expected[name]]
    if differing:
        raise errors.ConfigError(
            f"--job-dir={plan.job_dir} holds a study with {_join(found, differing)}; "
            f"this one has {_join(expected, differing)}. Give another --job-dir, or "
            "the same to go on; resumePreviousJobId makes use of its trials."
        )


def _read_earlier(plan: Plan) -> Sequence[trial.Trial]:
    """Ended trials of the job that resumePreviousJobId names."""
    name = plan.hyperparameters.resume_previous_job_id
    if not name:
        return []
    parent = os.path.dirname(plan.job_dir.rstrip("/"))
    place = name if "/" in name else os.path.join(parent, name)
    found = _read_study(place)
    if found is None:
        raise errors.ConfigError(
            f"resumePreviousJobId is {name}, but there is no {STUDY} in "
            f"{place or '.'}; give the name of a tuning's job-dir beside this one, or "
            "its path."
        )
    expected = _describe_search(plan.hyperparameters)
    differing = [key for key in expected if found.get(key) != expected[key]]
    if differing:
        raise errors.ConfigError(
            f"resumePreviousJobId is {name}, which has {_join(found, differing)}; this "
            f"job has {_join(expected, differing)}. Give the same, or leave it out."
        )
    trials = _read_trials(place, plan.hyperparameters)
    return [one for one in trials if one.state != trial.RUNNING]


def _join(described: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name}={described.get(name)}" for name in names)
