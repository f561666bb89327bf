from tests import tuning
from trainer.jobs import spec, trial, tuning_table

EXPECTED = """\
trial  initial_learning_rate  optimizer_type  top_1_accuracy    best  at step  time\
            end
    2                 0.0123        momentum          0.8000  0.9000       10   0 s\
           done
    1                    0.1            adam          0.5000  0.5000       10   0 s\
  stopped early
    3                    0.1            adam                                    0 s\
         failed
    4                    0.1            adam                                    0 s\
        not yet
"""


def test_the_table_has_the_best_first():
    adam = {"initial_learning_rate": 0.1, "optimizer_type": "adam"}
    momentum = {"initial_learning_rate": 0.0123001, "optimizer_type": "momentum"}
    failed = trial.Trial(3, adam)
    failed.end(trial.FAILED)
    found = tuning_table.format_table(
        tuning.tuned(tuning.double(), tuning.categorical("adam", "momentum")),
        [
            tuning.ended(1, adam, 0.5, early=True),
            tuning.ended(2, momentum, 0.9, 0.8),
            failed,
            trial.Trial(4, adam),
        ],
    )
    assert found == EXPECTED


def test_the_best_is_the_least_where_less_is_better():
    found = tuning_table.format_table(
        tuning.tuned(goal=spec.MINIMIZE),
        [tuning.ended(1, {"initial_learning_rate": 0.1}, 0.9, 0.3, 0.4)],
    )
    assert "0.4000  0.3000       20" in found
