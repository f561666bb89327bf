import json

import pytest

from trainer.training import history


def build(*accuracies):
    job_history = history.History()
    for index, accuracy in enumerate(accuracies):
        job_history.add(10 * (index + 1), {"top_1_accuracy": accuracy, "loss": 1.0})
    return job_history


def test_the_best_is_the_highest_top_1_accuracy():
    job_history = build(0.5, 0.9, 0.7)
    assert job_history.best["step"] == 20
    assert [job_history.is_best(step) for step in (10, 20, 30)] == [False, True, False]


def test_of_equals_the_later_one_is_best():
    assert build(0.5, 0.5).best["step"] == 20


def test_an_empty_history_has_no_best():
    assert history.History().best is None
    assert not history.History().is_best(0)


def test_it_knows_what_was_evaluated():
    job_history = build(0.5)
    assert job_history.has(10)
    assert not job_history.has(20)


def test_metrics_json_has_everything_and_restores(tmp_path):
    path = tmp_path / "metrics.json"
    skipped = {"training": [{"path": "train-0", "record": 7}]}
    build(0.5, 0.9).save(
        str(path),
        flags={"seed": 3},
        resolved={"device": "the CPU"},
        bad_records=skipped,
    )
    content = json.loads(path.read_text())
    assert content["flags"] == {"seed": 3}
    assert content["resolved"] == {"device": "the CPU"}
    assert content["bad_records"] == skipped
    assert content["best"] == {"step": 20, "top_1_accuracy": 0.9, "loss": 1.0}
    restored = history.History(content["evaluations"])
    assert restored.best == content["best"]


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [([], 0), ([0.5], 0), ([0.5, 0.5], 1), ([0.5, 0.9, 0.8, 0.9], 2), ([0.1, 0.2], 0)],
)
def test_evaluations_without_a_better_one_are_counted(accuracies, expected):
    assert build(*accuracies).num_without_better == expected
