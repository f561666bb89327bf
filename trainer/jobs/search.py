"""Which values the next trial gets. Knows nothing of processes and files.

Every search is a function of the trials so far: the same trials give the same next
point, so a tuner that was killed goes on as if it had not been.
"""

import math
from collections.abc import Sequence

import numpy as np
import optuna

from trainer.jobs import trial
from trainer.jobs.parameters import ParameterSpec, Value, Values
from trainer.jobs.sampler import GaussianProcessSampler, unit_distributions
from trainer.jobs.spec import GRID_SEARCH, RANDOM_SEARCH, HyperparameterSpec

_STATES = {
    trial.RUNNING: optuna.trial.TrialState.RUNNING,
    trial.SUCCEEDED: optuna.trial.TrialState.COMPLETE,
    trial.FAILED: optuna.trial.TrialState.FAIL,
}


def suggest(
    spec: HyperparameterSpec,
    trials: Sequence[trial.Trial],
    *,
    number: int,
    seed: int = 0,
) -> Values | None:
    """Picks a point.

    Args:
        spec: What is tuned, and by which algorithm.
        trials: All that are known, running ones and those of an earlier job included.
        number: Of the new trial, from 1.
        seed: Of what is random in it.

    Returns:
        The values, or None if a grid has no point left.
    """
    if spec.algorithm == GRID_SEARCH:
        return _next_of_grid(spec.params, trials)
    sampler: optuna.samplers.BaseSampler
    if spec.algorithm == RANDOM_SEARCH:
        sampler = optuna.samplers.RandomSampler(seed=_mix(seed, number))
    else:
        sampler = GaussianProcessSampler(spec.params, seed=seed, number=number)
    found = open_study(spec, trials, sampler).ask(unit_distributions(spec.params))
    return {
        param.parameter_name: param.from_unit(found.params[param.parameter_name])
        for param in spec.params
    }


def open_study(
    spec: HyperparameterSpec,
    trials: Sequence[trial.Trial],
    sampler: optuna.samplers.BaseSampler | None = None,
) -> optuna.Study:
    """The trials as Optuna knows them, parameters as places on their scales."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=spec.goal.lower(), sampler=sampler)
    for one in trials:
        study.add_trial(
            optuna.trial.create_trial(
                state=_STATES[one.state],
                value=one.objective if one.state == trial.SUCCEEDED else None,
                params=_to_units(spec.params, one.values),
                distributions=unit_distributions(spec.params),
            )
        )
    return study


def _to_units(params: Sequence[ParameterSpec], values: Values) -> dict[str, float]:
    return {
        param.parameter_name: param.to_unit(values[param.parameter_name])
        for param in params
    }


def _next_of_grid(
    params: Sequence[ParameterSpec], trials: Sequence[trial.Trial]
) -> Values | None:
    """The first point that no trial has; the last parameter changes fastest."""
    names = [param.parameter_name for param in params]
    taken = {tuple(one.values[name] for name in names) for one in trials}
    num_points = math.prod(len(param.options) for param in params)
    for number in range(min(num_points, len(taken) + 1)):
        point = _point_of_grid(params, number)
        if point not in taken:
            return dict(zip(names, point, strict=True))
    return None


def _point_of_grid(params: Sequence[ParameterSpec], number: int) -> tuple[Value, ...]:
    """Counts without holding the grid, which may be any size."""
    point: list[Value] = []
    for param in reversed(params):
        number, place = divmod(number, len(param.options))
        point.append(param.options[place])
    return tuple(reversed(point))


def _mix(seed: int, number: int) -> int:
    """One seed of two numbers."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
