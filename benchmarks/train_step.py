"""Training steps a second of this project beside keras.applications, in turns.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --cases=efficientnet-b0:224:32 --rounds=5
    python benchmarks/train_step.py --training_data_path='data/train-*.tfrecord'

Each measurement is a process of its own. Processes take turns, so that what else the
machine does falls on all alike; the table has medians over the rounds and the ratios of
those medians. With --training_data_path the job's whole path, from JPEG files on, is
measured beside the same step on one synthetic batch.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import turns

KERAS_NAMES = {"efficientnet-b0": "EfficientNetB0", "resnet-50": "ResNet50"}
NUM_CLASSES = 1000
WARM_UP_STEPS = 3


class Case(NamedTuple):
    """What one step computes."""

    model_type: str
    image_size: int
    batch_size: int


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table, or, in a process of one measurement, one number."""
    flags = _parse(argv)
    cases = [_parse_case(text) for text in flags.cases.split(",")]
    if flags.measure:
        print(json.dumps(_measure(flags.measure, cases[0], flags)))
        return 0
    modes = flags.modes.split(",") + (["files"] if flags.training_data_path else [])
    commands = {
        (case, mode): [__file__, *argv, f"--cases={_join(case)}", f"--measure={mode}"]
        for case in cases
        for mode in modes
        if mode != "keras" or case.model_type in KERAS_NAMES
    }
    names = {f"{_join(case)} {mode}": (case, mode) for case, mode in commands}
    measured = turns.measure_in_turns(
        {name: commands[key] for name, key in names.items()}, rounds=flags.rounds
    )
    found = {names[name]: speeds for name, speeds in measured.items()}
    _print_table(found)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cases",
        default="efficientnet-b0:224:32,resnet-50:224:32",
        help="model_type:image_size:batch_size, separated by commas",
    )
    parser.add_argument(
        "--modes",
        default="keras,float32,auto",
        help="keras (keras.applications under a plain tf.function loop), or a "
        "--precision of this project; separated by commas",
    )
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument(
        "--seconds", type=float, default=20, help="length of one measurement"
    )
    parser.add_argument(
        "--training_data_path", help="TFRecord files: measure the job's input as well"
    )
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _parse_case(text: str) -> Case:
    model_type, image_size, batch_size = text.split(":")
    return Case(model_type, int(image_size), int(batch_size))


def _join(case: Case) -> str:
    return ":".join(map(str, case))


def _measure(mode: str, case: Case, flags: argparse.Namespace) -> float:
    """Images a second of one kind of step, in this process."""
    if mode == "keras":
        take_step = _build_keras_step(case)
    else:
        take_step = _build_own_step(mode, case, flags.training_data_path)
    for _ in range(WARM_UP_STEPS):
        take_step()
    num_steps, started_at = 0, time.perf_counter()
    while time.perf_counter() - started_at < flags.seconds:
        take_step()
        num_steps += 1
    return num_steps * case.batch_size / (time.perf_counter() - started_at)


def _build_keras_step(case: Case) -> Callable[[], Any]:
    """keras.applications' model under GradientTape in a tf.function."""
    import keras
    import tensorflow as tf

    build = getattr(keras.applications, KERAS_NAMES[case.model_type])
    model = build(
        weights=None,
        input_shape=(case.image_size, case.image_size, 3),
        classes=NUM_CLASSES,
        classifier_activation=None,
    )
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    images, labels, _ = next(_synthetic_batches(case))

    @tf.function
    def train_step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_function(labels, model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )
        return loss

    return lambda: float(train_step(images, labels))


def _build_own_step(mode: str, case: Case, pattern: str | None) -> Callable[[], Any]:
    """The job's own step; `mode` is a precision, or "files" for auto from files."""
    from trainer import config, environment, storage
    from trainer.data import bad_records, order, pipeline, tfrecord
    from trainer.models import factory
    from trainer.training import distribution, steps

    is_auto = mode in ("auto", "files")
    precision = mode
    if is_auto:
        precision = factory.auto_precision(
            case.model_type,
            gpu=distribution.has_gpu(),
            cpu_flags=environment.cpu_flags(),
        )
    job = config.TrainConfig(
        num_classes=NUM_CLASSES, max_steps=10**6, train_batch_size=case.batch_size
    )
    strategy = distribution.build_strategy()
    with strategy.scope():
        model = factory.build_model(
            case.model_type,
            num_classes=NUM_CLASSES,
            image_size=case.image_size,
            precision=precision,
            seed=0,
        )
        trainer = steps.Trainer(
            job, model, strategy, uses_loss_scale=precision == "float16"
        )
    if mode == "files":
        flag = "training_data_path"
        index = tfrecord.index_files(storage.match_files(pattern, flag))
        bad = bad_records.BadRecords(index, max_bad_records=lambda _: 0, flag=flag)
        batches = pipeline.TrainingInput(
            pipeline.ExampleSource(index, bad, 1),
            order.build_global_order(len(index), seed=0),
            image_size=case.image_size,
            batch_size=case.batch_size,
            seed=0,
        )
        iterator = iter(batches.open(0))
    else:
        iterator = _synthetic_batches(case)
    return lambda: trainer.train_steps(iterator, 1)


def _synthetic_batches(case: Case) -> Any:
    """One random batch, again and again."""
    import tensorflow as tf

    shape = [case.batch_size, case.image_size, case.image_size, 3]
    images = tf.random.stateless_uniform(shape, [0, 0], maxval=255)
    labels = tf.random.stateless_uniform(
        shape[:1], [0, 1], maxval=NUM_CLASSES, dtype=tf.int32
    )
    weights = tf.ones(shape[:1])
    batch = tf.data.Dataset.from_tensors((images, labels, weights))
    return iter(batch.cache().repeat())


def _print_table(found: dict[tuple[Case, str], list[float]]) -> None:
    """Medians, and their ratios to keras.applications or to the synthetic step."""
    version = importlib.metadata.version("tensorflow")
    print(
        f"{turns.describe_processor()}, {os.cpu_count()} cores, TensorFlow {version}\n"
    )
    print("| model | pixels | batch | step | images/s | min-max | ratio |")
    print("|---|---|---|---|---|---|---|")
    for (case, mode), speeds in found.items():
        base = found.get((case, "auto" if mode == "files" else "keras"))
        median = statistics.median(speeds)
        ratio = f"{median / statistics.median(base):.2f}" if base else ""
        print(
            f"| {case.model_type} | {case.image_size} | {case.batch_size} | {mode} | "
            f"{median:.2f} | {min(speeds):.2f}-{max(speeds):.2f} | {ratio} |"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
