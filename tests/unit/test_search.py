import collections
import itertools

import pytest

from tests import tuning
from trainer.jobs import search, spec, trial

SEEDS = range(5)


def score(param, value, best):
    """Accuracy that falls on both sides of the best place on the scale."""
    return 0.9 - (param.to_unit(value) - best) ** 2


def tune(tuned, budget, best, seed):
    """The best score in `budget` trials, two of which always run."""
    (param,) = tuned.params
    trials = []
    for number in range(1, budget + 1):
        trials.append(
            trial.Trial(number, search.suggest(tuned, trials, number=number, seed=seed))
        )
        for one in trials[:-2]:
            value = score(param, one.values[param.parameter_name], best)
            one.measure({1: value if tuned.maximizes else -value})
            one.state = trial.SUCCEEDED
    return max(score(param, one.values[param.parameter_name], best) for one in trials)


@pytest.mark.parametrize("goal", [spec.MAXIMIZE, spec.MINIMIZE])
def test_the_default_finds_a_better_learning_rate_than_random_search(goal):
    """12 trials, over 5 seeds with the best rate at another place each."""
    bests = [0.17 + 0.15 * seed for seed in SEEDS]
    found = {
        algorithm: [
            tune(tuning.tuned(algorithm=algorithm, goal=goal), 12, best, seed)
            for best, seed in zip(bests, SEEDS, strict=True)
        ]
        for algorithm in ("ALGORITHM_UNSPECIFIED", spec.RANDOM_SEARCH)
    }
    default, random = found.values()
    misses = [0.9 - sum(scores) / len(scores) for scores in (default, random)]
    assert misses[0] < misses[1] / 10
    assert min(default) > 0.8999


def test_the_first_points_are_spread_from_the_middle_on():
    param = tuning.double()
    places = [
        param.to_unit(
            search.suggest(tuning.tuned(), [], number=number)["initial_learning_rate"]
        )
        for number in range(1, 5)
    ]
    assert places[0] == pytest.approx(0.5)
    gaps = [high - low for low, high in itertools.pairwise(sorted(places))]
    assert min(gaps) > 0.1


@pytest.mark.parametrize("algorithm", ["ALGORITHM_UNSPECIFIED", spec.RANDOM_SEARCH])
def test_the_same_trials_give_the_same_next_point(algorithm):
    tuned = tuning.tuned(tuning.double(), tuning.integer(8, 64), algorithm=algorithm)
    trials = [
        tuning.ended(
            number, search.suggest(tuned, [], number=number), 0.1 * (number % 4)
        )
        for number in range(1, 9)
    ]
    again = [search.suggest(tuned, trials, number=9) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0] != search.suggest(tuned, trials, number=10)


def test_random_points_follow_the_scale():
    tuned = tuning.tuned(tuning.double(0.001, 1.0), algorithm=spec.RANDOM_SEARCH)
    values = [
        search.suggest(tuned, [], number=number)["initial_learning_rate"]
        for number in range(300)
    ]
    for low in (0.001, 0.01, 0.1):
        share = sum(low <= value < 10 * low for value in values) / len(values)
        assert share == pytest.approx(1 / 3, abs=0.1)


def test_a_grid_has_each_point_once():
    tuned = tuning.tuned(
        tuning.categorical("adam", "momentum"),
        tuning.discrete(0.1, 0.2),
        tuning.integer(1, 2),
        algorithm=spec.GRID_SEARCH,
    )
    trials = []
    while (values := search.suggest(tuned, trials, number=len(trials) + 1)) is not None:
        trials.append(trial.Trial(len(trials) + 1, values))
    points = collections.Counter(tuple(one.values.values()) for one in trials)
    assert len(points) == len(trials) == 8
    assert next(iter(points)) == ("adam", 0.1, 1)


def test_a_grid_of_any_size_is_not_held_in_memory():
    tuned = tuning.tuned(
        tuning.categorical("adam", "momentum"),
        tuning.integer(1, 10**12),
        algorithm=spec.GRID_SEARCH,
    )
    first = search.suggest(tuned, [], number=1)
    second = search.suggest(tuned, [trial.Trial(1, first)], number=2)
    assert list(first.values()) == ["adam", 1]
    assert list(second.values()) == ["adam", 2]


def test_failed_trials_count_as_the_worst_and_categories_are_learned():
    tuned = tuning.tuned(tuning.categorical("adam", "momentum", "rmsprop"))
    trials = [
        tuning.ended(number, {"optimizer_type": name}, value)
        for number, (name, value) in enumerate(
            [("adam", 0.2), ("momentum", 0.8), ("rmsprop", 0.79)] * 3, start=1
        )
    ]
    assert search.suggest(tuned, trials, number=11) == {"optimizer_type": "momentum"}
    for number in (10, 11):
        failed = trial.Trial(number, {"optimizer_type": "momentum"})
        failed.measure({1: 0.99})
        failed.end(trial.FAILED)
        trials.append(failed)
    assert search.suggest(tuned, trials, number=12) == {"optimizer_type": "rmsprop"}


def test_integers_stay_integers():
    tuned = tuning.tuned(tuning.integer(2, 5))
    trials = [
        tuning.ended(number, {"train_batch_size": 2 + number % 4}, 0.1 * number)
        for number in range(1, 7)
    ]
    assert search.suggest(tuned, trials, number=7)["train_batch_size"] in (2, 3, 4, 5)
