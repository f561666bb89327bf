"""Trains a small network on so many logical CPU devices, in a process of its own.

python -m tests.replica_runs '{"num_replicas": 2, ...}' OUT.npz
"""

import json
import sys

import numpy as np
import tensorflow as tf

from trainer import config
from trainer.models import factory
from trainer.training import distribution, steps

NUM_CLASSES, SIDE = 5, 32


def train(options):
    """Steps on seeded batches, of which some rows have weight 0; then a score."""
    num_replicas = options["num_replicas"]
    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * num_replicas
    )
    devices = [f"/cpu:{number}" for number in range(num_replicas)]
    strategy = distribution.build_strategy(devices)
    job = build_config(options)
    with strategy.scope():
        model = factory.build_model(
            options["model_type"],
            num_classes=NUM_CLASSES,
            image_size=SIDE,
            precision=options["precision"],
            seed=0,
        )
        trainer = steps.Trainer(
            job,
            model,
            strategy,
            uses_loss_scale=options["precision"] == "float16",
        )
        evaluator = steps.Evaluator(job, model, strategy)
    batch_size = job.train_batch_size
    num_steps = options["num_steps"]
    batches = [draw(batch_size, step) for step in range(num_steps)]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(batches),
        output_signature=tuple(
            tf.TensorSpec(one.shape, one.dtype) for one in batches[0]
        ),
    )
    progress = trainer.train_steps(iter(dataset), num_steps)
    metrics = evaluator.evaluate(batches)
    return strategy, trainer, progress, metrics


def build_config(options):
    return config.TrainConfig(
        num_classes=NUM_CLASSES,
        max_steps=100,
        train_batch_size=options["batch_size"],
        optimizer_type=options.get("optimizer_type", "momentum"),
        initial_learning_rate=0.01,
        weight_decay=0.001,
    )


def draw(num_images, seed):
    random = np.random.default_rng(seed)
    pixels = random.uniform(0, 255, [num_images, SIDE, SIDE, 3]).astype(np.float32)
    labels = random.integers(0, NUM_CLASSES, num_images).astype(np.int32)
    # All in the first half: replicas have unequal numbers of images that count.
    weights = np.ones(num_images, np.float32)
    weights[: num_images // 4] = 0
    return pixels, labels, weights


def assert_copies_are_equal(strategy, variables):
    for name, variable in variables.items():
        first, *others = strategy.experimental_local_results(variable)
        for other in others:
            np.testing.assert_array_equal(other.numpy(), first.numpy(), err_msg=name)


def main(argv):
    options, path = json.loads(argv[0]), argv[1]
    strategy, trainer, progress, metrics = train(options)
    values = {name: one.numpy() for name, one in trainer.variables.items()}
    scores = {f"metric/{name}": value for name, value in metrics.items()}
    assert_copies_are_equal(strategy, trainer.variables)
    np.savez(path, loss=progress.loss, accuracy=progress.accuracy, **scores, **values)


if __name__ == "__main__":
    main(sys.argv[1:])
