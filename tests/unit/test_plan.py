import pytest

from tests import tuning
from trainer import config, errors
from trainer.jobs import plan

FLAGS = (
    "--training_data_path=a",
    "--validation_data_path=b",
    "--num_classes=3",
    "--max_steps=100",
)


def make(tmp_path, *flags, text=tuning.CONFIG, **given):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    given = {"job_dir": "jobs/tuned", **given}
    return plan.make_plan(
        config.TuneConfig(config=str(path), training_flags=(*FLAGS, *flags), **given)
    )


def problems_of(tmp_path, *flags, **given):
    with pytest.raises(errors.ConfigError) as caught:
        make(tmp_path, *flags, **given)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def with_args(*lines):
    return tuning.CONFIG.replace(
        "  scaleTier", "\n".join(f"  {line}" for line in lines) + "\n  scaleTier"
    )


def test_tuned_flags_come_last(tmp_path):
    made = make(tmp_path, "--initial_learning_rate=0.128")
    found = made.trial_flags({"initial_learning_rate": 0.01})
    assert found == (
        *FLAGS,
        "--initial_learning_rate=0.128",
        "--job-dir=jobs/tuned",
        "--initial_learning_rate=0.01",
    )
    assert (
        made.describe({"initial_learning_rate": 0.01}) == "initial_learning_rate=0.01"
    )


@pytest.mark.parametrize(
    ("args", "flags", "job_dir", "expected"),
    [
        (["jobDir: one"], (), "", "one"),
        (["jobDir: one", "args: [--job-dir=two]"], (), "", "two"),
        (["jobDir: one", "args: [--job-dir=two]"], ("--job-dir=three",), "", "three"),
        (["jobDir: one"], ("--job_dir", "three"), "four", "four"),
    ],
)
def test_the_last_job_dir_counts(tmp_path, args, flags, job_dir, expected):
    made = make(tmp_path, *flags, text=with_args(*args), job_dir=job_dir)
    assert made.job_dir == expected


def test_args_of_the_file_come_before_flags(tmp_path):
    made = make(
        tmp_path, "--seed=2", text=with_args("args: [--seed=1, --weight_decay=0.5]")
    )
    assert (made.train.seed, made.train.weight_decay) == (2, 0.5)


@pytest.mark.parametrize(("given", "expected"), [(None, 3), (1, 1), (2, 2), (20, 6)])
def test_trials_at_a_time_are_the_flags_or_the_files(tmp_path, given, expected):
    assert make(tmp_path, max_parallel_trials=given).max_parallel_trials == expected


def test_all_flags_are_checked_with_all_ends_of_ranges(tmp_path):
    text = tuning.CONFIG + (
        "    - {parameterName: label_smoothing, type: DOUBLE, minValue: 0, "
        "maxValue: 1}\n"
        "    - {parameterName: train_batch_size, type: DOUBLE, minValue: 8, "
        "maxValue: 9}\n"
        "    - {parameterName: optimizer_type, type: CATEGORICAL, "
        "categoricalValues: [adam, sgd]}\n"
        "    - {parameterName: learning_rate, type: DISCRETE, discreteValues: [1]}\n"
        "    - {parameterName: job_dir, type: CATEGORICAL, categoricalValues: [a]}\n"
    )
    found = "\n".join(problems_of(tmp_path, "--max_steps=0", text=text))
    for sentence in (
        "line 31: parameterName learning_rate is no flag of train that can be tuned; "
        "did you mean warmup_learning_rate?",
        "line 32: parameterName job_dir is no flag of train that can be tuned",
        "--max_steps must be 1 or more, got 0.",
        "--label_smoothing must be 0.0 or more, below 1.0, got 1.0.",
        "--train_batch_size must be an integer, got '8.5'.",
        "--optimizer_type must be one of",
    ):
        assert found.count(sentence) == 1


def test_flags_are_checked_where_no_parameter_is_right(tmp_path):
    text = tuning.CONFIG.replace("initial_learning_rate", "zzz")
    found = problems_of(tmp_path, "--max_steps=0", text=text)
    assert any("parameterName zzz is no flag" in one for one in found)
    assert "--max_steps must be 1 or more, got 0." in found


def test_a_metric_that_train_does_not_report_is_refused_but_for_images(tmp_path):
    text = tuning.CONFIG.replace("    hyperparameterMetricTag: top_1_accuracy\n", "")
    assert problems_of(tmp_path, text=text) == [
        "config.yaml, line 17: hyperparameterMetricTag is training/hptuning/metric, "
        "which is never reported; train reports top_1_accuracy."
    ]
    assert make(tmp_path, text=text, image="mine").image == "mine"


def test_no_job_dir_is_said(tmp_path):
    (found,) = problems_of(tmp_path, job_dir="")
    assert found.startswith("--job-dir is required: ")


def test_nothing_to_tune_is_said(tmp_path):
    text = tuning.CONFIG.partition("  # The following")[0]
    (found,) = problems_of(tmp_path, text=text)
    assert found.startswith("--config=config.yaml has no trainingInput.hyperparameters")


def test_what_has_no_effect_is_warned_of(tmp_path, caplog):
    make(tmp_path, "--warmup_steps=100")
    assert "--warmup_steps=100 is not below" in caplog.text
    assert (
        "scaleTier, masterType, workerType, masterConfig, workerConfig, workerCount "
        "have no effect: they chose machines, TPUs and limits" in caplog.text
    )
