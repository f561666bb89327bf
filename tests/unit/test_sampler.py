import pytest

from tests import tuning
from trainer.jobs import search

PARAM = tuning.double()


def at(unit):
    return {"initial_learning_rate": PARAM.from_unit(unit)}


def place_of(values):
    return PARAM.to_unit(values["initial_learning_rate"])


def rising(*units):
    """Trials of which more is better."""
    return [
        tuning.ended(number, at(unit), unit)
        for number, unit in enumerate(units, start=1)
    ]


def test_one_trial_that_diverged_does_not_hide_the_rest():
    trials = [*rising(0.1, 0.3, 0.5, 0.6), tuning.ended(5, at(0.95), -1000.0)]
    found = search.suggest(tuning.tuned(PARAM), trials, number=6)
    assert 0.6 < place_of(found) < 0.9


def test_equal_trials_are_no_trouble():
    trials = [tuning.ended(number, at(number / 7), 1.0) for number in range(1, 7)]
    trials.append(tuning.ended(7, at(0.01), 0.1))
    found = search.suggest(tuning.tuned(PARAM), trials, number=8)
    assert place_of(found) > 0.1


def test_candidates_are_values_that_parameters_can_have():
    param = tuning.discrete(1, 2, 3)
    trials = [
        tuning.ended(number, {"weight_decay": float(1 + number % 2)}, 0.1 * number)
        for number in range(1, 6)
    ]
    found = search.suggest(tuning.tuned(param), trials, number=6)
    assert found["weight_decay"] in (1.0, 2.0, 3.0)


@pytest.mark.parametrize("num_params", [1, 2, 3])
def test_the_first_points_fill_the_space(num_params):
    params = [tuning.double(name=f"rate_{number}") for number in range(num_params)]
    tuned = tuning.tuned(*params)
    points = [search.suggest(tuned, [], number=number) for number in range(1, 31)]
    for param in params:
        places = [param.to_unit(point[param.parameter_name]) for point in points]
        for low in (0.0, 0.2, 0.4, 0.6, 0.8):
            assert 5 <= sum(low <= place < low + 0.2 for place in places) <= 7
