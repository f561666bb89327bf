import json

import pytest

from tests import tuning
from trainer import errors
from trainer.jobs import spec, study, trial


def open_study(job_dir, *params, **changes):
    return study.Study(tuning.plan(job_dir, *params, **changes))


def test_a_study_goes_on_where_it_was(tmp_path):
    first = open_study(tmp_path)
    one, two = first.start_next(), first.start_next()
    one.measure({10: 0.5})
    first.end(one, trial.SUCCEEDED)
    two.measure({10: 0.4})
    first.save()
    again = open_study(tmp_path)
    assert again.trials == [one, two]
    assert again.best == one
    assert again.start_next() == first.start_next()


def test_there_are_as_many_trials_as_asked_for(tmp_path):
    found = open_study(tmp_path, max_trials=2)
    assert [found.start_next() is None for _ in range(3)] == [False, False, True]
    more = open_study(tmp_path, max_trials=3)
    assert more.start_next().trial_id == 3


def test_a_grid_that_is_through_ends_the_study(tmp_path):
    found = open_study(
        tmp_path, tuning.integer(1, 2), algorithm=spec.GRID_SEARCH, max_trials=5
    )
    assert [found.start_next() is None for _ in range(3)] == [False, False, True]


def test_failed_trials_are_tried_again_where_none_succeeded(tmp_path):
    found = open_study(tmp_path)
    found.end(found.start_next(), trial.FAILED)
    found.start_next()
    again = open_study(tmp_path)
    assert [one.state for one in again.trials] == [trial.RUNNING, trial.RUNNING]
    again.trials[1].measure({1: 0.5})
    again.end(again.trials[0], trial.FAILED)
    again.end(again.trials[1], trial.SUCCEEDED)
    states = [one.state for one in open_study(tmp_path).trials]
    assert states == [trial.FAILED, trial.SUCCEEDED]


@pytest.mark.parametrize(
    ("params", "changes", "sentence"),
    [
        ((), {"goal": "MINIMIZE"}, "goal=MAXIMIZE; this one has goal=MINIMIZE"),
        (
            (),
            {"hyperparameter_metric_tag": "loss"},
            "hyperparameterMetricTag=top_1_acc",
        ),
        ((tuning.double(0.002),), {}, "'minValue': 0.001"),
        ((tuning.integer(1, 4),), {}, "'parameterName': 'initial_learning_rate'"),
    ],
)
def test_another_study_in_the_same_job_dir_is_refused(
    tmp_path, params, changes, sentence
):
    open_study(tmp_path)
    with pytest.raises(errors.ConfigError) as caught:
        open_study(tmp_path, *params, **changes)
    assert f"--job-dir={tmp_path} holds a study with " in str(caught.value)
    assert sentence in str(caught.value)


def test_how_many_trials_run_is_no_other_study(tmp_path):
    open_study(tmp_path)
    open_study(
        tmp_path, max_trials=9, max_parallel_trials=3, enable_trial_early_stopping=True
    )


def test_trials_without_a_study_are_refused(tmp_path):
    (tmp_path / "1").mkdir()
    with pytest.raises(errors.ConfigError, match=r"has trials but no study\.json"):
        open_study(tmp_path)


@pytest.mark.parametrize("name", [study.STUDY, study.TRIALS])
@pytest.mark.parametrize("text", ["{", "[1]", '{"trials": [{}]}'])
def test_broken_files_are_named(tmp_path, name, text):
    open_study(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(errors.ConfigError, match=f"{name} is not what|holds a study"):
        open_study(tmp_path)


def test_a_killed_tuner_leaves_no_half_file(tmp_path):
    found = open_study(tmp_path)
    found.start_next()
    json.loads((tmp_path / study.TRIALS).read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        study.STUDY,
        study.TRIALS,
    ]


def write_earlier(job_dir):
    earlier = open_study(job_dir)
    for _ in range(4):
        one = earlier.start_next()
        one.measure({1: one.values["initial_learning_rate"]})
        earlier.end(one, trial.SUCCEEDED)
    earlier.start_next()


@pytest.mark.parametrize("as_path", [False, True])
def test_trials_of_an_earlier_job_are_known(tmp_path, as_path):
    write_earlier(tmp_path / "first")
    name = str(tmp_path / "first") if as_path else "first"
    found = open_study(f"{tmp_path}/second/", resume_previous_job_id=name)
    one = found.start_next()
    assert one.trial_id == 1
    assert one.values["initial_learning_rate"] > 0.1
    assert found.trials == [one]


def test_an_earlier_job_that_is_not_there_is_named(tmp_path):
    with pytest.raises(errors.ConfigError, match=r"there is no study\.json in"):
        open_study(tmp_path / "second", resume_previous_job_id="first")


def test_an_earlier_job_of_other_params_is_refused(tmp_path):
    write_earlier(tmp_path / "first")
    with pytest.raises(errors.ConfigError, match="which has goal=MAXIMIZE; this"):
        open_study(
            tmp_path / "second", resume_previous_job_id="first", goal=spec.MINIMIZE
        )
