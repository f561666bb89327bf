"""Which values the next trial gets. Knows nothing of processes and files.

Every search is a function of the trials so far: the same trials give the same next
point, so a tuner that was killed goes on as if it had not been.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from trainer.jobs import gaussian_process, trial
from trainer.jobs.parameters import ParameterSpec, Values
from trainer.jobs.spec import GRID_SEARCH, RANDOM_SEARCH, HyperparameterSpec

# Measured trials a parameter, and for one more, before the model says where to look.
STARTUP_TRIALS = 2
# Points of which the model takes the best: anywhere, and around the best trial.
CANDIDATES = 2000
NEAR_CANDIDATES = 500
NEAR_SPREADS = (0.1, 0.02)

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
    found = open_study(spec, trials, sampler).ask(_distributions(spec.params))
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
                distributions=_distributions(spec.params),
            )
        )
    return study


class GaussianProcessSampler(optuna.samplers.BaseSampler):
    """An Optuna sampler that needs NumPy only; docs/adr/0014-tuning.md has why.

    The first points are spread evenly, from the middle of all scales on.
    """

    def __init__(
        self, params: Sequence[ParameterSpec], *, seed: int, number: int
    ) -> None:
        """Knows the parameters, so that candidates are values that they can have."""
        self._params = params
        self._number = number
        self._random = np.random.default_rng([seed, number])

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, optuna.distributions.BaseDistribution]:
        """All parameters, since they are chosen together."""
        del study, trial
        return dict(_distributions(self._params))

    def sample_relative(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, optuna.distributions.BaseDistribution],
    ) -> dict[str, Any]:
        """The place on each scale."""
        del search_space
        others = [one for one in study.get_trials(deepcopy=False) if one != trial]
        measured = [one for one in others if one.value is not None]
        if len(measured) < STARTUP_TRIALS * (len(self._params) + 1):
            return self._name(_spread(len(self._params), self._number))
        sign = 1.0 if study.direction == optuna.study.StudyDirection.MAXIMIZE else -1.0
        values = np.array([sign * one.value for one in measured])
        points = np.array([self._units(one) for one in measured])
        pending = [self._units(one) for one in others if not one.state.is_finished()]
        candidates = self._draw_candidates(points[values.argmax()])
        gains = gaussian_process.expect_improvement(
            self._encode(points),
            values,
            self._encode(np.reshape(pending, [-1, len(self._params)])),
            self._encode(candidates),
        )
        return self._name(candidates[gains.argmax()])

    def sample_independent(self, *_: Any) -> Any:
        """Never asked: all parameters are chosen together."""
        raise NotImplementedError

    def _name(self, units: Sequence[float]) -> dict[str, float]:
        return {
            param.parameter_name: float(unit)
            for param, unit in zip(self._params, units, strict=True)
        }

    def _units(self, one: optuna.trial.FrozenTrial) -> list[float]:
        return [one.params[param.parameter_name] for param in self._params]

    def _draw_candidates(self, best: np.ndarray) -> np.ndarray:
        """Places that values can have, [candidates, parameters]."""
        drawn = [self._random.uniform(size=[CANDIDATES, len(self._params)])]
        for spread in NEAR_SPREADS:
            steps = self._random.normal(0, spread, [NEAR_CANDIDATES, len(self._params)])
            drawn.append(np.clip(best + steps, 0.0, 1.0))
        candidates = np.concatenate(drawn)
        for column, param in enumerate(self._params):
            candidates[:, column] = [
                param.to_unit(param.from_unit(unit)) for unit in candidates[:, column]
            ]
        return candidates

    def _encode(self, points: np.ndarray) -> np.ndarray:
        """Coordinates for distances: categories are all as far from each other."""
        columns = []
        for column, param in enumerate(self._params):
            units = points[:, column : column + 1]
            if param.type == "CATEGORICAL":
                places = [param.to_unit(option) for option in param.options]
                # Two of them are a distance of 1 apart.
                columns.append(np.isclose(units, places) / np.sqrt(2.0))
            else:
                columns.append(units)
        return np.concatenate(columns, axis=1)


def _distributions(
    params: Sequence[ParameterSpec],
) -> Mapping[str, optuna.distributions.BaseDistribution]:
    return {
        param.parameter_name: optuna.distributions.FloatDistribution(0.0, 1.0)
        for param in params
    }


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
    for point in itertools.product(*(param.options for param in params)):
        if point not in taken:
            return dict(zip(names, point, strict=True))
    return None


def _spread(num_coordinates: int, number: int) -> list[float]:
    """Point `number`, from 1, of a sequence that fills the cube evenly.

    Source: Roberts 2018, "The Unreasonable Effectiveness of Quasirandom Sequences":
    steps of powers of the root of x**(d + 1) = x + 1.
    """
    root = 2.0
    for _ in range(50):
        root = (1.0 + root) ** (1.0 / (num_coordinates + 1))
    return [
        (0.5 + (number - 1) * root ** -(coordinate + 1)) % 1.0
        for coordinate in range(num_coordinates)
    ]


def _mix(seed: int, number: int) -> int:
    """One seed of two numbers."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
