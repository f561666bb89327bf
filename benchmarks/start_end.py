"""Seconds that a job takes beside its steps, each with a budget.

    python benchmarks/start_end.py --training_data_path='data/train-*.tfrecord'

`--help` and the job are processes of their own, from their start; checkpoint and export
are those of an EfficientNet-B0.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import job_process
import turns

# Seconds on two cores: what users wait for without being asked.
BUDGETS = {
    "--help": 0.5,
    "first step of a small job": 15.0,
    "evaluation of 32 images": 1.0,
    "checkpoint of EfficientNet-B0": 1.0,
    "what steps wait for it": 0.1,
    "first export of EfficientNet-B0": 15.0,
    "later exports": 1.0,
}
SMALL_JOB = (
    "--num_classes=10",
    "--model_type=resnet-18",
    "--image_size=64",
    "--train_batch_size=32",
    "--num_eval_images=32",
    "--max_steps=20",
    "--report=false",
)


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table."""
    flags = _parse(argv)
    found: dict[str, list[float]] = {name: [] for name in BUDGETS}
    for number in range(flags.rounds):
        for name, secs in _measure(flags.training_data_path).items():
            found[name].append(secs)
            print(f"round {number + 1}: {name} {secs:.2f}", file=sys.stderr)
    print(f"{turns.describe_machine()}\n")
    print("| what | seconds | min-max | budget | kept |")
    print("|---|---|---|---|---|")
    for name, values in found.items():
        spread = f"{min(values):.2f}-{max(values):.2f}"
        median = statistics.median(values)
        kept = "yes" if median <= BUDGETS[name] else "no"
        print(f"| {name} | {median:.2f} | {spread} | {BUDGETS[name]:g} | {kept} |")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--training_data_path", required=True, help="TFRecord files")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(argv)


def _measure(pattern: str) -> dict[str, float]:
    """One round."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        paths = [f"--{name}_data_path={pattern}" for name in ("training", "validation")]
        costs = job_process.Job(folder / "job", [*SMALL_JOB, *paths]).wait()
        measured = (
            _time(_show_help),
            costs.first_step_secs,
            costs.evaluation_secs,
            *_measure_model(folder),
        )
    return dict(zip(BUDGETS, measured, strict=True))


def _time(call: Callable[[], Any]) -> float:
    started_at = time.perf_counter()
    call()
    return time.perf_counter() - started_at


def _show_help() -> None:
    command = [sys.executable, "-m", "trainer.task", "--help"]
    subprocess.run(command, cwd=turns.ROOT, stdout=subprocess.DEVNULL, check=True)


def _measure_model(folder: pathlib.Path) -> tuple[float, ...]:
    """A checkpoint, one behind, the first export, whose graph is built, a later one."""
    from trainer import config
    from trainer.models import factory
    from trainer.serving import export
    from trainer.training import checkpoints, distribution, steps

    model = factory.build_model(
        "efficientnet-b0", num_classes=1000, image_size=224, precision="float32", seed=0
    )
    job = config.TrainConfig(num_classes=1000, max_steps=1)
    trainer = steps.Trainer(
        job, model, distribution.build_strategy(), uses_loss_scale=False
    )
    kept = checkpoints.Checkpoints(str(folder / "checkpoints"), trainer.variables)
    checkpoint_secs = _time(lambda: kept.save(1, {}))
    waited_secs = _time(lambda: kept.save(2, {}, waits=False))
    kept.wait()

    def export_first() -> None:
        nonlocal exporter
        exporter = export.Exporter(model, image_size=224, num_classes=1000)
        exporter.export(str(folder / "first"))

    exporter: Any = None
    first_secs = _time(export_first)
    later_secs = _time(lambda: exporter.export(str(folder / "later")))
    return checkpoint_secs, waited_secs, first_secs, later_secs


if __name__ == "__main__":
    sys.path.insert(0, str(turns.ROOT))
    sys.exit(main(sys.argv[1:]))
