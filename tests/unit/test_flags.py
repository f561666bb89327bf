import dataclasses
import subprocess
import sys
import time

import pytest

from trainer import config, errors, flags
from trainer.config import knobs

REQUIRED = [
    "--training_data_path=train-*",
    "--validation_data_path=validation-*",
    "--job-dir=jobs/flowers",
    "--num_classes=5",
    "--max_steps=30000",
]


def parse(*argv):
    return flags.parse([*REQUIRED, *argv], config.TrainConfig)


def problems_of(argv, config_class=config.TrainConfig):
    with pytest.raises(errors.ConfigError) as caught:
        flags.parse(argv, config_class)
    return str(caught.value).splitlines()


# Letter for letter from the reference of the built-in algorithm (docs/contract.md).
DOCUMENTED = {
    "training_data_path": "",
    "validation_data_path": "",
    "job_dir": "",
    "pretrained_checkpoint_path": "",
    "num_classes": None,
    "max_steps": None,
    "train_batch_size": 32,
    "num_eval_images": 0,
    "eval_batch_size": None,
    "learning_rate_decay_type": "cosine",
    "decay_steps": None,
    "warmup_learning_rate": 0.0001,
    "warmup_steps": 0,
    "initial_learning_rate": 0.0001,
    "stepwise_learning_rate_steps": "10000,20000",
    "stepwise_learning_rate_levels": "0.008,0.0008",
    "optimizer_type": "momentum",
    "optimizer_arguments": None,
    "image_size": None,
    "model_type": "efficientnet-b0",
    "label_smoothing": 0.1,
    "weight_decay": 0.0001,
    "train_steps_per_eval": None,
}


def test_all_documented_flags_have_their_documented_default():
    defaults = {
        field.name: field.default for field in dataclasses.fields(config.TrainConfig)
    }
    assert {name: defaults[name] for name in DOCUMENTED} == DOCUMENTED


def test_the_guides_command_is_understood():
    job = parse(
        "--train_batch_size=128",
        "--num_eval_images=100",
        "--initial_learning_rate=0.128",
        "--warmup_steps=1000",
        "--model_type=efficientnet-b4",
    )
    assert (job.num_classes, job.max_steps, job.job_dir) == (5, 30000, "jobs/flowers")
    assert (job.initial_learning_rate, job.resolved_image_size) == (0.128, 380)


@pytest.mark.parametrize(
    ("argv", "name", "expected"),
    [
        (["--warmup_steps=7"], "warmup_steps", 7),
        (["--warmup_steps", "7"], "warmup_steps", 7),
        (["--warmup-steps=7"], "warmup_steps", 7),
        (["-warmup_steps=7"], "warmup_steps", 7),
        (["--job_dir=other"], "job_dir", "other"),
        (["--job-dir", "other"], "job_dir", "other"),
        (["--", "--seed=3"], "seed", 3),
        (["--weight_decay=0.5", "--weight_decay=1e-5"], "weight_decay", 1e-5),
        (["--weight_decay", "0"], "weight_decay", 0.0),
        (['--model_type="resnet-18"'], "model_type", "resnet-18"),
        (["--model_type='resnet-18'"], "model_type", "resnet-18"),
        (
            ["--optimizer_arguments=momentum=0.5,use_nesterov=True"],
            "optimizer_arguments",
            "momentum=0.5,use_nesterov=True",
        ),
        (
            ["--training_data_path", "a=b/train-[1-9]?.tfrecord"],
            "training_data_path",
            "a=b/train-[1-9]?.tfrecord",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_spelling_is_understood(argv, name, expected):
    assert getattr(parse(*argv), name) == expected


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--trainin_data_path=x"], "did you mean --training_data_path?"),
        (["--jobdir=x"], "did you mean --job-dir?"),
        (["--zzz=1"], "Unknown flag --zzz; see --help."),
        (["extra"], "Unexpected argument 'extra'; flags are written --name=value."),
        (["--seed"], "--seed needs a value: --seed=VALUE."),
        (["--seed", "--max_steps=3"], "--seed needs a value: --seed=VALUE."),
        (["--seed=x"], "--seed must be an integer, got 'x'."),
        (["--seed="], "--seed must be an integer, got ''."),
        (["--weight_decay=x"], "--weight_decay must be a number, got 'x'."),
        (["--weight_decay=nan"], "--weight_decay must be 0.0 or more, got nan."),
        (["--num_classes=1"], "--num_classes must be 2 or more, got 1."),
        (["--max_steps=" + "9" * 400], "must be an integer of 64 bits, got one of 400"),
        (["--seed=" + "9" * 5000], "--seed must be an integer, got '999"),
        (["--max_steps=0"], "--max_steps must be 1 or more, got 0."),
        (["--label_smoothing=1"], "must be 0.0 or more, below 1.0, got 1.0."),
        (["--initial_learning_rate=0"], "must be above 0.0, got 0.0."),
        (["--image_size=9999"], "must be 32 or more, at most 2048, got 9999."),
        (["--model_type=resnet-19"], "got 'resnet-19'; did you mean resnet-18?"),
        (["--model_type=zzz"], "efficientnet-lite4, hub, got 'zzz'."),
        (["--job-dir="], "--job-dir must not be empty; see --help."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_flag_is_named_with_what_was_expected(argv, message):
    (problem,) = problems_of([*REQUIRED, *argv])
    assert message in problem


def test_a_missing_flag_says_what_it_is_for():
    problem = problems_of(REQUIRED[1:])[0]
    assert problem.startswith("--training_data_path is required: TFRecord files")


def test_all_that_is_wrong_is_named_at_once():
    problems = problems_of(
        [
            *REQUIRED[1:],
            "--max_step=3",
            "--num_classes=x",
            "--train_batch_size=0",
            "--optimizer_arguments=beta1=3",
        ]
    )
    assert [problem.split(" ")[0].rstrip(":;") for problem in problems] == [
        "Unknown",
        "--num_classes",
        "--training_data_path",
        "--train_batch_size",
        "--optimizer_arguments",
    ]


def test_a_flag_that_needs_no_value_is_true():
    job = flags.parse(
        ["--images_dir=photos", "--output_dir=out", "--skip_bad"], config.ConvertConfig
    )
    assert job.skip_bad


def test_a_boolean_takes_a_value():
    job = flags.parse(
        ["--images_dir=photos", "--output_dir=out", "--skip_bad=false"],
        config.ConvertConfig,
    )
    assert not job.skip_bad


def test_help_names_every_flag_with_range_and_default():
    text = flags.format_help(config.TrainConfig)
    for field in dataclasses.fields(config.TrainConfig):
        name = "job-dir" if field.name == "job_dir" else field.name
        assert f"  --{name}  (" in text
    assert "--train_batch_size  (int, 1 or more; default 32)" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_wrong_command_answers_within_a_second_and_without_tensorflow():
    started_at = time.monotonic()
    command = (
        "import sys; from trainer import task; code = task.main(['--max_step=3']);"
    )
    check = "sys.exit(code if 'tensorflow' not in sys.modules else 99)"
    done = subprocess.run(
        [sys.executable, "-c", command + check], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "did you mean --max_steps?" in done.stderr
    assert time.monotonic() - started_at < 1


@dataclasses.dataclass(frozen=True)
class Repeatable:
    """A config with a list."""

    word: str = knobs.knob("", "Once.")
    words: tuple[str, ...] = knobs.knob((), "As often as you like.", required=True)

    def problems(self):
        return []


def test_a_field_that_is_a_tuple_takes_all_values_in_order():
    config_of_words = flags.parse(
        ["--words=a", "--word=x", "--words", "'b c'", "--word=y", "--words=a"],
        Repeatable,
    )
    assert config_of_words == Repeatable(word="y", words=("a", "b c", "a"))


def test_a_repeatable_flag_may_be_given_once():
    assert flags.parse(["--words=a,b"], Repeatable).words == ("a,b",)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--words is required: As often as you like."),
        (["--words="], "--words must not be empty; see --help."),
        (["--words=a", "--words="], "--words must not be empty; see --help."),
    ],
    ids=["absent", "empty", "one empty"],
)
def test_a_required_repeatable_flag_needs_values(argv, message):
    assert problems_of(argv, Repeatable) == [message]


def test_help_says_that_a_flag_may_be_repeated():
    text = flags.format_help(Repeatable)
    assert "--words  (str, may be repeated; required)" in text


def test_what_comes_after_a_bare_hyphen_pair_is_handed_on():
    found = flags.parse(
        ["--config=a", "--", "--job-dir=b", "--", "--max_steps", "3"], config.TuneConfig
    )
    assert found.training_flags == ("--job-dir=b", "--", "--max_steps", "3")
    assert found.job_dir == ""


def test_nothing_after_it_is_nothing_handed_on():
    for argv in (["--config=a"], ["--config=a", "--"]):
        assert flags.parse(argv, config.TuneConfig).training_flags == ()


def test_the_field_of_what_is_handed_on_is_no_flag():
    (problem,) = problems_of(["--config=a", "--training_flags=b"], config.TuneConfig)
    assert problem.startswith("Unknown flag --training_flags")
    assert "  -- --flag=value ..." in flags.format_help(config.TuneConfig)


@dataclasses.dataclass(frozen=True)
class WithFiles:
    """A config that takes files without a flag, and a flag without a value."""

    files: tuple[str, ...] = knobs.knob((), "Files.", positional=True)
    json: str = knobs.knob("", "Where to.", alone="-")
    top: int = knobs.knob(3, "How many.")

    def problems(self):
        return []


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["a.jpg", "b c.jpg"], WithFiles(files=("a.jpg", "b c.jpg"))),
        (["--top", "2", "a.jpg"], WithFiles(files=("a.jpg",), top=2)),
        (["a", "--files=b", "c"], WithFiles(files=("a", "b", "c"))),
        (["--json", "a.jpg"], WithFiles(files=("a.jpg",), json="-")),
        (["--json=x.jsonl", "a.jpg"], WithFiles(files=("a.jpg",), json="x.jsonl")),
        (["--json", "--top=2"], WithFiles(json="-", top=2)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_files_need_no_flag_and_some_flags_no_value(argv, expected):
    assert flags.parse(argv, WithFiles) == expected


def test_help_says_what_may_be_left_out():
    text = flags.format_help(WithFiles)
    assert "--files  (str, may be repeated, also bare)" in text
    assert "--json  (str, alone -)" in text


@pytest.mark.parametrize(
    "argv",
    [
        ["one", "--region=here", "--stream-logs"],
        ["--region", "here", "one", "--stream-logs"],
        ["--stream-logs", "one", "--region=here"],
    ],
)
def test_an_argument_without_a_flag_may_stand_anywhere(argv):
    job = flags.parse([*argv, "--", "--num_classes=3"], config.SubmitConfig)
    assert (job.job_id, job.region, job.stream_logs) == ("one", "here", True)
    assert job.training_flags == ("--num_classes=3",)


def test_too_many_and_too_few_arguments_are_named():
    with pytest.raises(errors.ConfigError, match="Unexpected argument 'two'"):
        flags.parse(["one", "two"], config.DescribeJobConfig)
    with pytest.raises(errors.ConfigError, match="JOB_ID is required: Name of the job"):
        flags.parse([], config.DescribeJobConfig)
    assert flags.format_help(config.SubmitConfig).startswith(
        "  JOB_ID  (str; required)"
    )


def test_a_time_limit_or_a_recipe_takes_the_place_of_steps():
    without = [one for one in REQUIRED if not one.startswith("--max_steps")]
    with pytest.raises(errors.ConfigError, match="--max_steps is required"):
        flags.parse(without, config.TrainConfig)
    assert flags.parse([*without, "--max_minutes=5"], config.TrainConfig).max_minutes
    assert flags.parse([*without, "--recipe=auto"], config.TrainConfig).recipe
    for nothing in ("--max_minutes=0", "--recipe=none"):
        with pytest.raises(errors.ConfigError, match="neither minutes nor a recipe"):
            flags.parse([*without, nothing], config.TrainConfig)


def test_a_config_knows_which_flags_were_given():
    assert "seed" not in parse().given
    assert "seed" in parse("--seed=0").given
