"""Does the default search find a better learning rate than random search?

The objective is cheap and synthetic: accuracy against the logarithm of the learning
rate, with a slow rise, a cliff where training diverges, and noise. Where the best rate
is, and how wide the good range, changes with the seed. Three trials run at a time, as
in the guide's config.yaml, so a search does not know the last two results.

    python benchmarks/tuning.py
"""

import argparse
import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import optuna
import turns

from trainer.jobs import parameters, sampler, search, spec, trial

Params = tuple[parameters.ParameterSpec, ...]

PARALLEL = 3
NOISE = 0.005
CHANCE, HIGHEST = 0.1, 0.9
LEARNING_RATE = {
    "parameter_name": "initial_learning_rate",
    "type": "DOUBLE",
    "min_value": 0.0001,
    "max_value": 1.0,
    "scale_type": parameters.LOG,
}
WEIGHT_DECAY = {
    **LEARNING_RATE,
    "parameter_name": "weight_decay",
    "min_value": 0.000001,
    "max_value": 0.01,
}


class Objective:
    """Accuracy of a model that is never trained."""

    def __init__(self, params: Params, seed: int) -> None:
        self._params = params
        self._random = np.random.default_rng(seed)
        self._best = self._random.uniform(0.15, 0.85, len(params))
        self._rise = self._random.uniform(0.3, 0.6, len(params))

    def score(self, values: parameters.Values) -> float:
        """Without noise."""
        score = HIGHEST - CHANCE
        for param, best, rise in zip(self._params, self._best, self._rise, strict=True):
            place = param.to_unit(values[param.parameter_name])
            # Beyond the best rate accuracy falls four times as fast as it rose.
            width = rise if place < best else rise / 4
            score *= math.exp(-(((place - best) / width) ** 2))
        return CHANCE + score

    def measure(self, values: parameters.Values) -> float:
        """As a trial would report it."""
        return self.score(values) + self._random.normal(0, NOISE)


def suggest_by_tpe(
    tuned: spec.HyperparameterSpec,
    trials: Sequence[trial.Trial],
    *,
    number: int,
    seed: int,
) -> parameters.Values:
    """Optuna's own default, for comparison."""
    tpe = optuna.samplers.TPESampler(
        seed=1000 * seed + number,
        n_startup_trials=sampler.STARTUP_TRIALS * (len(tuned.params) + 1),
    )
    study = search.open_study(tuned, trials, tpe)
    names = [param.parameter_name for param in tuned.params]
    unit = optuna.distributions.FloatDistribution(0.0, 1.0)
    found = study.ask(dict.fromkeys(names, unit)).params
    return {
        param.parameter_name: param.from_unit(found[param.parameter_name])
        for param in tuned.params
    }


def tune(
    suggest: Callable[..., parameters.Values],
    tuned: spec.HyperparameterSpec,
    budget: int,
    seed: int,
) -> float:
    """The best true score that a search came to."""
    objective = Objective(tuned.params, seed)
    trials = []
    for number in range(1, budget + 1):
        values = suggest(tuned, trials, number=number, seed=seed)
        trials.append(trial.Trial(number, values))
        for one in trials[: max(0, number - PARALLEL + 1)]:
            if one.state == trial.RUNNING:
                one.measure({1: objective.measure(one.values)})
                one.end(trial.SUCCEEDED)
    return max(objective.score(one.values) for one in trials)


def compare(params: Params, budget: int, seeds: range) -> dict[str, list[float]]:
    """Scores of each search, one a seed."""
    default = spec.HyperparameterSpec(params=params)
    random = spec.HyperparameterSpec(params=params, algorithm=spec.RANDOM_SEARCH)
    searches = {
        "default": (search.suggest, default),
        "random": (search.suggest, random),
        "TPE": (suggest_by_tpe, default),
    }
    return {
        name: [tune(suggest, tuned, budget, seed) for seed in seeds]
        for name, (suggest, tuned) in searches.items()
    }


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    seeds = range(parser.parse_args().seeds)
    learning_rate, weight_decay = (
        parameters.ParameterSpec(**one) for one in (LEARNING_RATE, WEIGHT_DECAY)
    )
    print(turns.describe_machine())
    print("\n| tuned | trials | search | mean | missed | worst | better than random |")
    print("|---|---|---|---|---|---|---|")
    for params in ((learning_rate,), (learning_rate, weight_decay)):
        for budget in (6, 12, 20):
            found = compare(params, budget, seeds)
            for name, scores in found.items():
                better = sum(
                    ours > theirs
                    for ours, theirs in zip(scores, found["random"], strict=True)
                )
                print(
                    f"| {len(params)} | {budget} | {name} | "
                    f"{statistics.mean(scores):.4f} | "
                    f"{HIGHEST - statistics.mean(scores):.4f} | {min(scores):.4f} | "
                    f"{better} of {len(seeds)} seeds |"
                )


if __name__ == "__main__":
    main()
