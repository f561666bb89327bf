"""Trains a small network on logical CPU devices, in a process of its own.

python -m tests.replica_runs OPTIONS_JSON OUT.npz
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from trainer import config
from trainer.models import hub, layers, normalization
from trainer.models.variant import Variant
from trainer.training import steps
from trainer.training.evaluator import Evaluator

NUM_CLASSES, SIDE, BATCH_SIZE = 5, 16, 8

# What could differ between replicas, or parts of a batch.
MIXED = {
    "mixup_alpha": 0.4,
    "cutmix_alpha": 1.0,
    "random_erasing": 0.5,
    "class_weights": [0.5, 1.0, 2.0, 1.5, 0.7],
    "gradient_clip_norm": 0.5,
    "layer_lr_decay": 0.7,
    "moving_average_decay": 0.9,
}


def build_model(precision):
    builder = layers.LayerBuilder(
        precision=precision,
        seed=0,
        activation="swish",
        variant=Variant(normalization.IMAGENET, 1e-3, "SAME"),
        batch_norm_momentum=0.9,
        kernel_scale=2.0,
        kernel_mode="fan_out",
        kernel_distribution="untruncated_normal",
    )
    inputs = keras.Input([SIDE, SIDE, 3])
    hidden = builder.conv(builder.normalize(inputs), 8, 3, strides=2, name="first")
    hidden = builder.activate(builder.batch_norm(hidden, name="norm"), name="swish")
    branch = builder.conv(hidden, 8, 3, name="second")
    branch = builder.activate(builder.batch_norm(branch, name="norm_2"), name="swish_2")
    branch = builder.stochastic_depth(branch, 0.5, name="depth")
    hidden = builder.add([hidden, branch], name="sum")
    hidden = keras.layers.GlobalAveragePooling2D(dtype="float32")(hidden)
    hidden = builder.dropout(hidden, 0.3, name="dropout")
    start = keras.initializers.RandomNormal(seed=0)
    return keras.Model(inputs, builder.classifier(hidden, NUM_CLASSES, start))


def build_hub_model(hub_dir, job, strategy):
    with hub.opened(hub_dir) as vector, strategy.scope():
        return hub.build_network(
            vector,
            num_classes=NUM_CLASSES,
            image_size=SIDE,
            is_frozen=False,
            keeps_statistics=job.freezes_batch_norm,
            seed=0,
        )


def train(strategy, *, precision, num_steps, class_weights=None, hub_dir=None, **flags):
    """Steps on seeded batches, of which some rows have weight 0; then a score."""
    job = config.TrainConfig(
        num_classes=NUM_CLASSES,
        max_steps=100,
        train_batch_size=BATCH_SIZE,
        initial_learning_rate=0.01,
        weight_decay=0.001,
        **flags,
    )
    hub_model = build_hub_model(hub_dir, job, strategy) if hub_dir else None
    with strategy.scope():
        model = hub_model if hub_dir else build_model(precision)
        if job.freezes_batch_norm:
            layers.freeze_statistics(model)
        trainer = steps.Trainer(
            job,
            model,
            strategy,
            uses_loss_scale=precision == "float16",
            class_weights=class_weights and np.array(class_weights, np.float32),
        )
        evaluator = Evaluator(job, model, strategy)
    trainer.start_from_model()
    trainer.use_micro_batches(job.given_micro_batches or 1)
    if job.max_minutes:
        trainer.plan_steps(10)
    batches = zip(*map(draw, range(num_steps)), strict=True)
    # Not from_generator: TensorFlow would compute in place, in the arrays it yields.
    dataset = tf.data.Dataset.from_tensor_slices(tuple(map(np.stack, batches)))
    progress = trainer.train_steps(iter(dataset), num_steps)
    metrics = evaluator.evaluate(dataset)
    assert_copies_are_equal(strategy, trainer.variables)
    values = {name: one.numpy() for name, one in trainer.variables.items()}
    scores = {f"metric/{name}": value for name, value in metrics.items()}
    return {
        **scores,
        **values,
        "loss": progress.loss,
        "accuracy": progress.accuracy,
        "steps_done": trainer.num_steps_done,
    }


def draw(seed):
    random = np.random.default_rng(seed)
    shape = [BATCH_SIZE, SIDE, SIDE, 3]
    pixels = random.uniform(0, 255, shape).astype(np.float32)
    labels = random.integers(0, NUM_CLASSES, BATCH_SIZE).astype(np.int32)
    # All in the first half: replicas have unequal numbers of images that count.
    weights = np.ones(BATCH_SIZE, np.float32)
    weights[: BATCH_SIZE // 4] = 0
    return pixels, labels, weights


def assert_copies_are_equal(strategy, variables):
    for name, variable in variables.items():
        first, *others = strategy.experimental_local_results(variable)
        for other in others:
            np.testing.assert_array_equal(other.numpy(), first.numpy(), err_msg=name)


def build_strategy(num_replicas):
    if num_replicas == 1:
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    devices = [f"/cpu:{number}" for number in range(num_replicas)]
    return tf.distribute.MirroredStrategy(devices)


def main(argv):
    options, path = json.loads(argv[0]), argv[1]
    counts = options.pop("num_replicas")
    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * max(counts)
    )
    found = {count: train(build_strategy(count), **options) for count in counts}
    np.savez(
        path,
        **{
            f"{count}/{name}": value
            for count, values in found.items()
            for name, value in values.items()
        },
    )


if __name__ == "__main__":
    main(sys.argv[1:])
