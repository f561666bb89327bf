"""Searches the unit cube with a Gaussian process, as an Optuna sampler.

Optuna's own takes PyTorch; docs/adr/0014-tuning.md has the comparison.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from trainer.jobs import gaussian_process
from trainer.jobs.parameters import ParameterSpec

# Measured trials a parameter, and for one more, before the model says where to look.
STARTUP_TRIALS = 2
# Points of which the model takes the best: anywhere, and around the best trial.
CANDIDATES = 2000
NEAR_CANDIDATES = 500
NEAR_SPREADS = (0.1, 0.02)


class GaussianProcessSampler(optuna.samplers.BaseSampler):
    """Where a Gaussian process expects most, of values that parameters can have.

    The first points are spread evenly.
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
        return dict(unit_distributions(self._params))

    def sample_relative(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, optuna.distributions.BaseDistribution],
    ) -> dict[str, Any]:
        """The place on each scale."""
        del search_space
        others = [one for one in study.get_trials(deepcopy=False) if one != trial]
        ended = [one for one in others if one.state.is_finished()]
        num_measured = sum(one.value is not None for one in ended)
        if num_measured < STARTUP_TRIALS * (len(self._params) + 1):
            return self._name(_spread(len(self._params), self._number))
        values = _to_gains(study, ended)
        points = np.array([self._units(one) for one in ended])
        pending = [self._units(one) for one in others if one not in ended]
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


def unit_distributions(
    params: Sequence[ParameterSpec],
) -> Mapping[str, optuna.distributions.BaseDistribution]:
    """What Optuna knows of parameters: places on their scales."""
    return {
        param.parameter_name: optuna.distributions.FloatDistribution(0.0, 1.0)
        for param in params
    }


def _to_gains(
    study: optuna.Study, ended: Sequence[optuna.trial.FrozenTrial]
) -> np.ndarray:
    """Values of which more is better; a trial that failed counts as the worst.

    None is further below the median than the best is above: a trial that diverged
    would hide the differences between good ones.
    """
    sign = 1.0 if study.direction == optuna.study.StudyDirection.MAXIMIZE else -1.0
    gains = [None if one.value is None else sign * one.value for one in ended]
    worst = min(gain for gain in gains if gain is not None)
    values = np.array([worst if gain is None else gain for gain in gains])
    median = np.median(values)
    reach = (values.max() - median) or (median - values.min())
    return np.maximum(values, median - reach)


def _spread(num_coordinates: int, number: int) -> list[float]:
    """Point `number`, from 1, of a sequence that fills the cube evenly.

    Source: Halton 1960, in the order of the primes: the digits of the number in a
    prime base, mirrored at the point.
    """
    return [_mirror(number, base) for base in _primes(num_coordinates)]


def _mirror(number: int, base: int) -> float:
    place, unit = 1.0, 0.0
    while number:
        number, digit = divmod(number, base)
        place /= base
        unit += digit * place
    return unit


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found
