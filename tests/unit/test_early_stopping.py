import pytest

from tests import tuning
from trainer.jobs import early_stopping, trial


def running(*measurements):
    one = tuning.ended(9, {}, *measurements)
    one.state = trial.RUNNING
    return one


# Their means up to step 20: 0.3, 0.4 and 0.5.
OTHERS = [
    tuning.ended(1, {}, 0.2, 0.4, 0.9),
    tuning.ended(2, {}, 0.3, 0.5, 0.9),
    tuning.ended(3, {}, 0.4, 0.6, 0.9),
]


@pytest.mark.parametrize(
    ("measurements", "expected"),
    [
        ((0.1, 0.39), True),
        ((0.1, 0.4), False),
        # Its best counts, not its last.
        ((0.41, 0.1), False),
        ((), False),
    ],
)
def test_a_trial_below_the_median_of_means_has_no_prospect(measurements, expected):
    one = running(*measurements)
    assert early_stopping.has_no_prospect(one, OTHERS, maximizes=True) == expected


def test_less_is_better_where_the_goal_says_so():
    for value, expected in ((0.41, True), (0.4, False)):
        one = running(0.9, value)
        assert early_stopping.has_no_prospect(one, OTHERS, maximizes=False) == expected


def test_it_takes_three_trials_that_came_to_their_end():
    one = running(0.0, 0.0)
    stopped = tuning.ended(4, {}, 0.9, 0.9, early=True)
    failed = tuning.ended(5, {}, 0.9, 0.9)
    failed.state = trial.FAILED
    for others in (OTHERS[:2], [*OTHERS[:2], stopped, failed]):
        assert not early_stopping.has_no_prospect(one, others, maximizes=True)
