"""Steps of this project, on one synthetic batch or (`files`) on a job's input."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import job_start  # noqa: F401 - first
import stopwatch
import tensorflow as tf
from stopwatch import Case

from trainer import config, environment, storage
from trainer.data import bad_records, order, pipeline, tfrecord
from trainer.data.example_source import ExampleSource
from trainer.models import factory
from trainer.training import distribution, steps

MODES = ("auto", "float32", "bfloat16", "float16", "files")


def main(argv: Sequence[str]) -> int:
    """Prints images a second."""
    flags = stopwatch.parse(argv, MODES)
    if flags.mode == "files":
        batches = _open_files(flags.case, flags.training_data_path)
    else:
        batches = repeat_one_batch(flags.case)
    precision = "auto" if flags.mode == "files" else flags.mode
    trainer = build_trainer(flags.case, precision)
    size = flags.case.batch_size

    def step() -> Any:
        return trainer.train_steps(batches, 1)

    print(stopwatch.images_a_second(step, batch_size=size, seconds=flags.seconds))
    return 0


def build_trainer(case: Case, precision: str) -> steps.Trainer:
    """A job's trainer of random weights.

    Args:
        case: Model type, side and batch.
        precision: As the flag of that name.
    """
    if precision == "auto":
        precision = factory.auto_precision(
            case.model_type,
            gpu=distribution.has_gpu(),
            cpu_flags=environment.cpu_flags(),
        )
    job = config.TrainConfig(
        num_classes=stopwatch.NUM_CLASSES,
        max_steps=10**6,
        train_batch_size=case.batch_size,
    )
    strategy = distribution.build_strategy()
    with strategy.scope():
        model = factory.build_model(
            case.model_type,
            num_classes=stopwatch.NUM_CLASSES,
            image_size=case.image_size,
            precision=precision,
            seed=0,
        )
        return steps.Trainer(
            job, model, strategy, uses_loss_scale=precision == "float16"
        )


def repeat_one_batch(case: Case) -> Iterator[Any]:
    """A random batch, again and again."""
    shape = [case.batch_size, case.image_size, case.image_size, 3]
    images = tf.random.stateless_uniform(shape, [0, 0], maxval=255)
    labels = tf.random.stateless_uniform(
        shape[:1], [0, 1], maxval=stopwatch.NUM_CLASSES, dtype=tf.int32
    )
    batch = tf.data.Dataset.from_tensors((images, labels, tf.ones(shape[:1])))
    return iter(batch.cache().repeat())


def _open_files(case: Case, pattern: str) -> Iterator[Any]:
    flag = "training_data_path"
    index = tfrecord.index_files(storage.match_files(pattern, flag))
    bad = bad_records.BadRecords(index, max_bad_records=lambda _: 0, flag=flag)
    batches = pipeline.TrainingInput(
        ExampleSource(index, bad, 1),
        order.build_global_order(len(index), seed=0),
        image_size=case.image_size,
        batch_size=case.batch_size,
        seed=0,
    )
    return iter(batches.open(0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
