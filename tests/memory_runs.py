"""Trains with an address space that is too small for the whole batch.

python -m tests.memory_runs; prints how many parts it came to.
"""

import contextlib
import logging
import re
import resource

import keras
import numpy as np
import tensorflow as tf

from trainer import config
from trainer.training import cluster, distribution, profiling, runner, steps, team
from trainer.training.agreement import Agreement
from trainer.training.interruption import Interruption
from trainer.training.micro_batches import MicroBatches

BATCH_SIZE, SIDE, FACTOR = 64, 32, 16
# Of one tensor of the whole batch; the pictures alone have 1 / FACTOR**2 of it.
NUM_BYTES = 4 * BATCH_SIZE * (SIDE * FACTOR) ** 2 * 3
NUM_STEPS = 3


def build_trainer():
    """Large tensors of plain operations: oneDNN ends the process if it is refused."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    inputs = keras.Input([SIDE, SIDE, 3])
    large = keras.layers.UpSampling2D(FACTOR)(inputs)
    hidden = keras.layers.GlobalMaxPooling2D()(large)
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    job = config.TrainConfig(
        num_classes=3, max_steps=NUM_STEPS, train_batch_size=BATCH_SIZE
    )
    strategy = distribution.build_strategy()
    return steps.Trainer(job, model, strategy, uses_loss_scale=False)


class Batches:
    """Another batch each step."""

    def open(self, step):
        random = np.random.default_rng(0)
        shape = [NUM_STEPS, BATCH_SIZE, SIDE, SIDE, 3]
        pixels = random.uniform(0, 255, shape).astype(np.float32)
        labels = random.integers(0, 3, shape[:2]).astype(np.int32)
        weights = np.ones(shape[:2], np.float32)
        batches = (pixels[step:], labels[step:], weights[step:])
        return tf.data.Dataset.from_tensor_slices(batches)


def train(counts):
    trainer = build_trainer()
    agreement = Agreement(team.Team(cluster.Cluster(), None), Interruption(), {})
    runner.Runner(
        trainer,
        Batches(),
        micro_batches=MicroBatches(trainer, counts, is_fixed=False, is_alone=True),
        agreement=agreement,
        profiler=profiling.Profiler(None, ""),
        record=lambda _: None,
        observers=[],
        report_secs=100,
    ).train(NUM_STEPS, save=lambda: None, save_secs=100)
    return trainer


@contextlib.contextmanager
def limited(num_bytes):
    """Lets this process take so much more address space, and no more."""
    with open("/proc/self/status") as file:
        [now] = re.findall(r"VmSize:\s+(\d+) kB", file.read())
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1024 * int(now) + num_bytes, most))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (before, most))


def main():
    logging.basicConfig(level="INFO")
    # TensorFlow starts its threads, each with a stack.
    train([BATCH_SIZE])
    with limited(NUM_BYTES * 3 // 4):
        found = train([1, 4, 16, 64])
    expected = train([found.num_micro_batches])
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(found.variables[name].numpy(), variable.numpy())
    print(f"equal in {found.num_micro_batches} parts")


if __name__ == "__main__":
    main()
