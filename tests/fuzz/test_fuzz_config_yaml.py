"""Whatever a config.yaml holds, a plan or a sentence comes of it."""

import pathlib

import hypothesis
import pytest
from hypothesis import strategies

from tests import mutations, tuning
from trainer import config, errors
from trainer.jobs import plan

FLAGS = (
    "--training_data_path=data/train-*",
    "--validation_data_path=data/validation-*",
    "--num_classes=3",
    "--max_steps=20",
    "--job-dir=job",
)
PARAMS = """\
    - parameterName: train_batch_size
      type: INTEGER
      minValue: 8
      maxValue: 64
    - parameterName: weight_decay
      type: DISCRETE
      discreteValues: [0.1, 1, 10]
      scaleType: UNIT_REVERSE_LOG_SCALE
    - parameterName: optimizer_type
      type: CATEGORICAL
      categoricalValues: [momentum, "rmsprop"]
"""
# What YAML has beyond keys and values.
PIECES = [
    b"!!python/object/apply:os.system [id]",
    b"&a [*a]",
    b"&a {<<: *a}",
    b"*a",
    b"? [x]",
    b"- - -",
    b"[" * 600,
    b"{a: " * 600,
    b"|",
    b"---\n",
    b"\t",
    b"1e400",
    b"-1e308",
    b"1e308",
    b".nan",
    b"1" * 5000,
    b"1" * 400,
]


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("config")


def make_plan(directory, content):
    path = directory / "config.yaml"
    path.write_bytes(content)
    try:
        return plan.make_plan(config.TuneConfig(str(path), training_flags=FLAGS))
    except errors.JobError as error:
        assert str(error)
        return None


def check(found):
    """All points of a plan have flags, and can be read back from them."""
    for unit in (0.0, 0.3, 1.0):
        values = {
            param.parameter_name: param.from_unit(unit)
            for param in found.hyperparameters.params
        }
        assert found.trial_flags(values)
        assert found.describe(values)
        for param in found.hyperparameters.params:
            value = values[param.parameter_name]
            assert 0.0 <= param.to_unit(value) <= 1.0
            assert param.parse(param.format(value)) == value


@hypothesis.given(
    mutations.damaged([(tuning.CONFIG + PARAMS).encode()], PIECES),
)
@mutations.in_time
def test_damaged_files(directory, content):
    found = make_plan(directory, content)
    if found:
        check(found)


@strategies.composite
def other_values(draw):
    """The file with other values of some keys, or other keys."""
    lines = (tuning.CONFIG + PARAMS).splitlines()
    for _ in range(draw(strategies.integers(1, 3))):
        number = draw(strategies.integers(0, len(lines) - 1))
        key, colon, _ = lines[number].partition(":")
        value = draw(
            mutations.texts | strategies.sampled_from(PIECES).map(bytes.decode)
        )
        lines[number] = f"{key}{colon} {value}"
    return "\n".join(lines).encode(errors="surrogatepass")


@hypothesis.given(other_values())
@mutations.in_time
def test_other_values(directory, content):
    found = make_plan(directory, content)
    if found:
        check(found)


finite = strategies.floats(allow_nan=False, allow_infinity=False)


@hypothesis.given(
    finite,
    finite,
    strategies.sampled_from(["DOUBLE", "INTEGER"]),
    strategies.sampled_from(["NONE", "UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE"]),
)
@mutations.in_time
def test_ranges(directory, low, high, kind, scale):
    text = (
        tuning.CONFIG.replace("0.001", repr(low))
        .replace("0.2", repr(high))
        .replace("DOUBLE", kind)
        .replace("UNIT_LOG_SCALE", scale)
        .replace("initial_learning_rate", "weight_decay")
    )
    found = make_plan(directory, text.encode())
    if found:
        check(found)


def test_the_file_itself_is_a_plan(directory):
    check(make_plan(directory, (tuning.CONFIG + PARAMS).encode()))
    assert pathlib.Path(directory / "config.yaml").exists()
