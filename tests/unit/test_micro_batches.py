import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import replica_runs
from trainer import config, errors, flags
from trainer.models import layers, replicas
from trainer.training import distribution, micro_batches, steps


def train(**options):
    """With stochastic depth, dropout, weight decay and rows that do not count."""
    return replica_runs.train(
        replica_runs.build_strategy(1),
        **{"precision": "float32", "num_steps": 3, **options},
    )


@pytest.mark.parametrize(
    ("flags", "tolerance", "count"),
    [
        (replica_runs.MIXED, 1e-5, 2),
        ({"precision": "float16", "optimizer_type": "rmsprop"}, 2e-2, 4),
        ({"fine_tune": "head"}, 1e-5, 8),
    ],
)
def test_any_number_of_parts_computes_the_step_of_the_whole_batch(
    flags, tolerance, count
):
    flags = {**flags, "freeze_batch_norm": "true"}
    whole, found = train(**flags), train(**flags, micro_batches=str(count))
    assert found.keys() == whole.keys()
    assert found["steps_done"] == 3
    for name, expected in whole.items():
        np.testing.assert_allclose(
            found[name], expected, rtol=tolerance, atol=tolerance, err_msg=name
        )


def test_statistics_that_are_not_frozen_are_those_of_each_part():
    """Two steps' worth of rows normalised in two parts, as if they were batches."""
    layer = layers.FusedBatchNormalization(
        momentum=0.81, epsilon=1e-3, starts_at_zero=False
    )
    rows = np.random.default_rng(0).normal(3.0, 2.0, [4, 5, 5, 2]).astype(np.float32)
    mean, variance = np.zeros(2), np.ones(2)
    layer.build(rows.shape)
    for number, part in enumerate((rows[:2], rows[2:])):
        with replicas.sharing_batch(4, replicas.MicroBatch(number, 2)):
            outputs = layer(part, training=True).numpy()
        np.testing.assert_allclose(outputs.mean((0, 1, 2)), 0.0, atol=1e-5)
        # The root of the momentum, twice: a step keeps 0.81 of what was.
        mean = 0.9 * mean + 0.1 * part.mean((0, 1, 2))
        variance = 0.9 * variance + 0.1 * part.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-5)


def build_trainer(**options):
    job = config.TrainConfig(
        num_classes=replica_runs.NUM_CLASSES,
        max_steps=10,
        train_batch_size=replica_runs.BATCH_SIZE,
        **options,
    )
    model = replica_runs.build_model("float32")
    strategy = distribution.build_strategy()
    return steps.Trainer(job, model, strategy, uses_loss_scale=False)


def build(trainer, counts, **options):
    defaults = {"is_fixed": False, "is_alone": True}
    return micro_batches.MicroBatches(trainer, counts, **{**defaults, **options})


def take_step(trainer):
    batch = tf.data.Dataset.from_tensors(replica_runs.draw(0)).repeat()
    return trainer.train_steps(iter(batch), 1)


def values_of(trainer):
    return {name: one.numpy() for name, one in trainer.variables.items()}


def test_after_a_step_that_failed_it_splits_from_the_state_before():
    trainer = build_trainer()
    split = build(trainer, [1, 2, 4])
    before = values_of(trainer)
    for expected in (2, 4):
        split.before_steps()
        # As far as a step can come that fails.
        take_step(trainer)
        assert split.split_further()
        assert split.count == expected
        for name, value in values_of(trainer).items():
            np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_once_a_step_has_fitted_it_does_not_split():
    split = build(build_trainer(), [1, 2])
    split.before_steps()
    split.after_steps()
    split.before_steps()
    assert not split.split_further()
    assert split.count == 1


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        ([1], {}, "micro_batches=1, and a batch can't be cut in more equal parts; lo"),
        ([4], {"is_fixed": True}, "--micro_batches=4; raise it, leave it out, or"),
        ([1, 3], {"is_alone": False}, "give --micro_batches=3 to all machines, or"),
    ],
)
def test_what_can_not_be_split_is_explained(counts, options, message):
    split = build(build_trainer(), counts, **options)
    split.before_steps()
    with pytest.raises(errors.TrainingError, match=message):
        split.split_further()


@pytest.mark.parametrize(("saved", "expected"), [(1, 1), (4, 4), (3, 2), (8, 4)])
def test_a_resumed_job_has_the_parts_of_its_first_run(saved, expected):
    split = build(build_trainer(), [1, 2, 4])
    split.restore(saved)
    assert split.count == expected


def test_a_number_that_is_given_stays():
    split = build(build_trainer(), [4])
    split.restore(2)
    assert split.count == 4


class Replicas:
    """A strategy, as far as its number of replicas is asked for."""

    def __init__(self, count):
        self.num_replicas_in_sync = count


@pytest.mark.parametrize(
    ("batch_size", "num_replicas", "expected"),
    [(12, 1, [1, 2, 3, 4, 6, 12]), (12, 2, [1, 2, 3, 6]), (8, 3, [1])],
)
def test_parts_are_equal_on_all_replicas(batch_size, num_replicas, expected):
    job = config.TrainConfig(train_batch_size=batch_size)
    assert micro_batches.count_allowed(job, Replicas(num_replicas)) == expected


def test_a_number_that_leaves_unequal_parts_is_refused():
    job = config.TrainConfig(train_batch_size=12, micro_batches="5")
    with pytest.raises(
        errors.ConfigError, match=r"--micro_batches=5 does not cut.*1, 2, 3, 4, 6, 12"
    ):
        micro_batches.count_allowed(job, Replicas(1))


@pytest.mark.parametrize("text", ["0", "-2", "many", "1.5"])
def test_a_flag_that_is_no_number_is_refused(text):
    with pytest.raises(
        errors.ConfigError, match=f"--micro_batches must be auto, .* got '{text}'"
    ):
        flags.parse([f"--micro_batches={text}"], config.TrainConfig)


def test_memory_that_really_runs_out_costs_no_step_and_no_image():
    """The process gets a limit that one tensor of the whole batch goes beyond."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.memory_runs"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [count] = re.findall(r"equal in (\d+) parts", done.stdout)
    assert int(count) > 1
    assert f"--micro_batches={count}" in done.stderr
