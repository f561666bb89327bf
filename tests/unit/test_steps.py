import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import config
from trainer.models import factory, layers, normalization
from trainer.training import distribution, losses, steps
from trainer.training.evaluator import Evaluator

NUM_CLASSES = 3
SIDE = 8


def build_config(**options):
    defaults = {
        "num_classes": NUM_CLASSES,
        "max_steps": 10,
        "train_batch_size": 4,
        "initial_learning_rate": 0.1,
        "weight_decay": 0.01,
    }
    return config.TrainConfig(**{**defaults, **options})


def build_model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input([SIDE, SIDE, 3])
    hidden = normalization.Normalize(normalization.IMAGENET)(inputs)
    hidden = keras.layers.BatchNormalization()(hidden)
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    return keras.Model(inputs, keras.layers.Dense(NUM_CLASSES, name="head")(hidden))


def build_trainer(job, *, uses_loss_scale=False):
    strategy = distribution.build_strategy()
    with strategy.scope():
        model = build_model()
        return steps.Trainer(job, model, strategy, uses_loss_scale=uses_loss_scale)


def draw(num_images, seed=0):
    random = np.random.default_rng(seed)
    pixels = random.uniform(0, 255, [num_images, SIDE, SIDE, 3]).astype(np.float32)
    labels = random.integers(0, NUM_CLASSES, num_images).astype(np.int32)
    return pixels, labels, np.ones(num_images, np.float32)


def repeat(*batch):
    return iter(tf.data.Dataset.from_tensors(batch).repeat())


def kernel_of(model):
    return model.get_layer("head").kernel.numpy()


@pytest.mark.parametrize("uses_loss_scale", [False, True])
def test_a_step_is_the_documented_loss_and_rule(uses_loss_scale):
    job = build_config(optimizer_arguments="momentum=0.0")
    trainer = build_trainer(job, uses_loss_scale=uses_loss_scale)
    images, labels, weights = draw(4)
    reference = build_model()
    with tf.GradientTape() as tape:
        logits = reference(images, training=True)
        targets = 0.9 * tf.one_hot(labels, NUM_CLASSES) + 0.1 / NUM_CLASSES
        entropy = -tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=1)
        head = reference.get_layer("head")
        # Batch norm's gamma and beta do not decay.
        decayed = [head.kernel.value, head.bias.value]
        loss = tf.reduce_mean(entropy) + 0.01 * losses.l2_loss(decayed)
    gradient = tape.gradient(loss, head.kernel.value)
    expected = kernel_of(reference) - 0.1 * gradient
    progress = trainer.train_steps(repeat(images, labels, weights), 1)
    assert progress.loss == pytest.approx(float(loss), rel=1e-5)
    np.testing.assert_allclose(kernel_of(trainer.model), expected, atol=1e-6)
    assert trainer.num_steps_done == 1


def test_many_steps_in_one_call_equal_single_steps():
    job, batch = build_config(), draw(4)
    at_once, one_by_one = build_trainer(job), build_trainer(job)
    at_once.train_steps(repeat(*batch), 5)
    batches = repeat(*batch)
    for _ in range(5):
        one_by_one.train_steps(batches, 1)
    np.testing.assert_array_equal(kernel_of(at_once.model), kernel_of(one_by_one.model))


def test_examples_of_weight_0_have_no_part_in_loss_and_accuracy():
    job = build_config()
    whole, padded = build_trainer(job), build_trainer(job)
    # Equal statistics: batch norm sees the pixels of a bad record's placeholder.
    images = np.repeat(draw(1)[0], 4, axis=0)
    labels = np.int32([0, 1, 2, 1])
    weights = np.float32([1, 0, 1, 0])
    expected = whole.train_steps(
        repeat(images[::2], labels[::2], np.ones(2, np.float32)), 1
    )
    found = padded.train_steps(repeat(images, labels, weights), 1)
    assert found[:3] == pytest.approx(expected[:3])
    np.testing.assert_allclose(
        kernel_of(padded.model), kernel_of(whole.model), atol=1e-7
    )


def test_a_batch_that_cannot_be_read_leaves_no_half_step_behind():
    trainer = build_trainer(build_config())
    batches = tf.data.Dataset.from_tensors(draw(4)).repeat(2)
    unreadable = tf.data.Dataset.from_tensors(draw(4)).map(
        lambda images, labels, weights: (
            tf.debugging.check_numerics(images * np.nan, "unreadable"),
            labels,
            weights,
        )
    )
    with pytest.raises(tf.errors.InvalidArgumentError):
        trainer.train_steps(iter(batches.concatenate(unreadable)), 5)
    assert trainer.num_steps_done == 2


def test_training_stops_after_a_loss_that_is_no_number():
    trainer = build_trainer(build_config())
    images, labels, weights = draw(4)
    images[0, 0, 0, 0] = np.nan
    progress = trainer.train_steps(repeat(images, labels, weights), 5)
    assert progress.num_steps == 1
    assert np.isnan(progress.loss)


def test_an_overflow_in_float16_skips_the_step():
    trainer = build_trainer(build_config(), uses_loss_scale=True)
    scale = trainer.variables["loss_scale/scale"]
    scale.assign(float("inf"))
    before = kernel_of(trainer.model)
    trainer.train_steps(repeat(*draw(4)), 1)
    np.testing.assert_array_equal(kernel_of(trainer.model), before)


def test_names_of_variables_are_unique_and_complete():
    trainer = build_trainer(build_config())
    names = set(trainer.variables)
    assert {"head/kernel", "head/kernel/Momentum", "global_step"} <= names
    values = {id(variable) for variable in trainer.variables.values()}
    assert len(values) == len(names)


def evaluate(model, batches, job):
    return Evaluator(job, model, distribution.build_strategy()).evaluate(batches)


def test_padding_counts_for_nothing():
    job, model = build_config(), build_model()
    images, labels, weights = draw(5)
    whole = evaluate(model, [(images, labels, weights)], job)
    padded = np.concatenate([images[4:], np.full([3, SIDE, SIDE, 3], 9, np.float32)])
    batches = [
        (images[:4], labels[:4], np.ones(4, np.float32)),
        (padded, np.pad(labels[4:], [0, 3]), np.float32([1, 0, 0, 0])),
    ]
    split = evaluate(model, batches, job)
    assert split == pytest.approx(whole)
    assert split["num_images"] == 5


def test_accuracies_are_shares_of_images():
    job, model = build_config(), build_model()
    images, _, weights = draw(6)
    logits = model(images, training=False).numpy()
    right = logits.argmax(axis=1).astype(np.int32)
    labels = np.where(np.arange(6) < 2, right, (right + 1) % NUM_CLASSES)
    metrics = evaluate(model, [(images, labels, weights)], job)
    assert metrics["top_1_accuracy"] == pytest.approx(2 / 6)
    assert metrics["top_5_accuracy"] == 1.0


def test_waiting_for_a_slow_input_is_counted():
    pause, num_steps = 0.05, 4

    def wait(*batch):
        time.sleep(pause)
        return batch

    images, labels, weights = draw(4)
    dataset = tf.data.Dataset.from_tensors((images, labels, weights)).repeat()
    slow = dataset.map(
        lambda *batch: [
            tf.ensure_shape(found, given.shape)
            for found, given in zip(
                tf.numpy_function(wait, batch, [one.dtype for one in batch]),
                batch,
                strict=True,
            )
        ]
    )
    trainer = build_trainer(build_config())
    trainer.train_steps(iter(dataset), 1)
    in_time = trainer.train_steps(iter(dataset), num_steps)
    late = trainer.train_steps(iter(slow), num_steps)
    assert 0 <= in_time.wait_secs < late.wait_secs
    assert late.wait_secs >= 0.9 * pause * num_steps


def test_a_classs_weight_is_a_factor_of_its_cross_entropy():
    job = build_config(optimizer_arguments="momentum=0.0", weight_decay=0.0)
    strategy = distribution.build_strategy()
    images, labels, weights = draw(4)
    factors = np.float32([0.5, 2.0, 1.0])
    losses_of = []
    for class_weights, image_weights in ((factors, weights), (None, factors[labels])):
        trainer = steps.Trainer(
            job,
            build_model(),
            strategy,
            uses_loss_scale=False,
            class_weights=class_weights,
        )
        progress = trainer.train_steps(repeat(images, labels, image_weights), 1)
        losses_of.append(progress.loss * image_weights.sum())
    assert losses_of[0] == pytest.approx(losses_of[1], rel=1e-5)


@pytest.mark.parametrize("uses_loss_scale", [False, True])
def test_clipped_gradients_move_the_weights_by_rate_times_norm(uses_loss_scale):
    job = build_config(optimizer_arguments="momentum=0.0", gradient_clip_norm=1e-3)
    trainer = build_trainer(job, uses_loss_scale=uses_loss_scale)
    before = [variable.numpy() for variable in trainer.model.trainable_variables]
    trainer.train_steps(repeat(*draw(4)), 1)
    after = [variable.numpy() for variable in trainer.model.trainable_variables]
    moved = [np.sum((one - two) ** 2) for one, two in zip(before, after, strict=True)]
    assert np.sqrt(sum(moved)) == pytest.approx(0.1 * 1e-3, rel=1e-2)


def test_averages_are_scored_and_saved():
    trainer = build_trainer(build_config(moving_average_decay=0.5))
    head = trainer.model.get_layer("head").kernel
    place = [variable.path for variable in trainer.model.variables].index(head.path)
    found = trainer.scored_variables[place]
    expected = head.numpy()
    for step in range(1, 4):
        trainer.train_steps(repeat(*draw(4)), 1)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * head.numpy()
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    assert not np.array_equal(found.numpy(), head.numpy())
    assert trainer.variables["head/kernel/ExponentialMovingAverage"] is found


def build_network(job):
    model = factory.build_model(
        "resnet-18", num_classes=NUM_CLASSES, image_size=32, precision="float32", seed=0
    )
    if job.freezes_batch_norm:
        layers.freeze_statistics(model)
    return model


def train_network(**flags):
    """Values before and after a step, by path."""
    job = build_config(optimizer_arguments="momentum=0.0", weight_decay=0.0, **flags)
    strategy = distribution.build_strategy()
    with strategy.scope():
        model = build_network(job)
        trainer = steps.Trainer(job, model, strategy, uses_loss_scale=False)
    images = np.random.default_rng(0).uniform(0, 255, [4, 32, 32, 3])
    before = {one.path: one.numpy() for one in model.variables}
    batch = (images.astype(np.float32), np.int32([0, 1, 2, 0]), np.ones(4, np.float32))
    trainer.train_steps(repeat(*batch), 1)
    return before, {one.path: one.numpy() for one in model.variables}


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


def test_a_head_is_trained_alone():
    assert changed(*train_network(fine_tune="head")) == {
        "predictions/kernel",
        "predictions/bias",
    }


def test_frozen_statistics_stay_and_what_goes_with_them_is_trained():
    names = changed(*train_network(freeze_batch_norm="true"))
    assert not any("moving_" in name for name in names)
    assert {"conv1_bn/gamma", "conv1_bn/beta", "conv1_conv/kernel"} <= names


def test_lower_layers_learn_slower_by_the_decay():
    flags = {"freeze_batch_norm": "true"}
    before, plain = train_network(**flags)
    _, decayed = train_network(layer_lr_decay=0.5, **flags)
    for name, blocks in (
        ("predictions/kernel", 0),
        ("conv5_block2_2_bn/beta", 1),
        ("conv1_conv/kernel", 9),
    ):
        moved = [np.abs(one[name] - before[name]).sum() for one in (decayed, plain)]
        # Small moves of large weights are rounded.
        assert moved[0] == pytest.approx(0.5**blocks * moved[1], rel=0.1), name


def test_a_planned_job_has_the_rates_of_one_that_knew():
    planned = build_trainer(build_config(max_steps=10**6, max_minutes=1))
    known = build_trainer(build_config(max_steps=8))
    assert planned.planned_steps is None
    assert planned.learning_rate_at(5) == pytest.approx(0.1)
    planned.plan_steps(8)
    assert planned.planned_steps == 8
    for step in (0, 3, 7):
        expected = known.learning_rate_at(step)
        assert planned.learning_rate_at(step) == pytest.approx(expected)
    assert float(planned.variables["schedule/max_steps"]) == 8
    assert "schedule/max_steps" not in known.variables
