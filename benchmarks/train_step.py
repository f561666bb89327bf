"""Training steps a second of this project beside its peers, in turns.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --cases=efficientnet-b0:224:32 --rounds=5
    python benchmarks/train_step.py --training_data_path='data/train-*.tfrecord'

Each measurement is a process of its own. Processes take turns, so that what else the
machine does falls on all alike; the table has medians over the rounds, and how many
times each speed `auto` is. The peers are keras.applications under `fit` and under a
plain tf.function, the model garden's train_step, and timm on PyTorch in each of its
ways. `files` is the job's whole path, from JPEG files on.
"""

import argparse
import pathlib
import statistics
import sys
from collections.abc import Sequence
from typing import NamedTuple

import peer_pythons
import stopwatch
import turns
from stopwatch import Case

HERE = pathlib.Path(__file__).resolve().parent
EFFICIENTNETS_AND_50 = ("efficientnet-b0", "efficientnet-b4", "resnet-50")


class Kind(NamedTuple):
    """One way of taking steps.

    Attributes:
        script: Is called with `mode`.
        mode: One of the script's.
        peer: Whose Python runs it; "" is this project's.
        model_types: Those that it has; () is all.
        only_with_bfloat16: Whether it is left out on a processor without instructions
            for bfloat16: it computes in bfloat16, or is what `auto` is there.
    """

    script: str
    mode: str
    peer: str = ""
    model_types: tuple[str, ...] = ()
    only_with_bfloat16: bool = False

    def takes_part(self, model_type: str) -> bool:
        """Whether it can be measured on this machine."""
        is_known = model_type in (self.model_types or (model_type,))
        return is_known and (turns.has_bfloat16() or not self.only_with_bfloat16)


KINDS = {
    "auto": Kind("step_ours.py", "auto"),
    "float32": Kind("step_ours.py", "float32", only_with_bfloat16=True),
    "keras fit": Kind("step_keras.py", "fit", "", EFFICIENTNETS_AND_50),
    "keras loop": Kind("step_keras.py", "loop", "", EFFICIENTNETS_AND_50),
    "model garden": Kind("step_models.py", "float32", "models"),
    "timm": Kind("step_torch.py", "float32", "torch"),
    "timm channels_last": Kind("step_torch.py", "channels_last", "torch"),
    "timm bf16": Kind("step_torch.py", "bf16", "torch", only_with_bfloat16=True),
    "timm compile": Kind("step_torch.py", "compile", "torch"),
    "timm compile bf16": Kind(
        "step_torch.py", "compile-bf16", "torch", only_with_bfloat16=True
    ),
    "files": Kind("step_ours.py", "files"),
}


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table."""
    flags = _parse(argv)
    print(turns.describe_machine())
    print("\n| model | pixels | batch | step | images/s | min-max | times |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for case in map(stopwatch.parse_case, flags.cases.split(",")):
        commands = {
            name: _command(flags, KINDS[name], case)
            for name in flags.kinds.split(",")
            if KINDS[name].takes_part(case.model_type)
            and (name != "files" or flags.training_data_path)
        }
        _print_rows(case, turns.measure_in_turns(commands, rounds=flags.rounds))
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
        "--kinds", default=",".join(KINDS), help=f"of {', '.join(KINDS)}"
    )
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument(
        "--seconds", type=float, default=20, help="length of one measurement"
    )
    parser.add_argument(
        "--training_data_path", help="TFRecord files: measure the job's input as well"
    )
    peer_pythons.add_flag(parser)
    return parser.parse_args(argv)


def _command(flags: argparse.Namespace, kind: Kind, case: Case) -> list[str]:
    python = sys.executable
    if kind.peer:
        python = peer_pythons.find(kind.peer, flags.peers_dir)
    command = [
        *(python, str(HERE / kind.script), f"--case={case}", f"--mode={kind.mode}"),
        f"--seconds={flags.seconds}",
    ]
    if kind.mode == "files":
        command.append(f"--training_data_path={flags.training_data_path}")
    return command


def _print_rows(case: Case, found: dict[str, list[float]]) -> None:
    """Medians, and how many times each `auto` is."""
    ours = statistics.median(found["auto"]) if "auto" in found else None
    for name, speeds in found.items():
        median = statistics.median(speeds)
        times = f"{ours / median:.2f}" if ours else ""
        print(
            f"| {case.model_type} | {case.image_size} | {case.batch_size} | {name} | "
            f"{median:.2f} | {min(speeds):.2f}-{max(speeds):.2f} | {times} |",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
