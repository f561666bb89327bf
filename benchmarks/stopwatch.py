"""The speed of a training step, counted alike for every framework."""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

NUM_CLASSES = 1000
WARM_UP_STEPS = 3


class Case(NamedTuple):
    """What one step computes."""

    model_type: str
    image_size: int
    batch_size: int

    def __str__(self) -> str:
        return ":".join(map(str, self))


def parse_case(text: str) -> Case:
    """Reads model_type:image_size:batch_size."""
    model_type, image_size, batch_size = text.split(":")
    return Case(model_type, int(image_size), int(batch_size))


def parse(argv: Sequence[str], modes: Sequence[str]) -> argparse.Namespace:
    """Reads the flags of a process of one measurement."""
    parser = argparse.ArgumentParser(description="One measurement of train_step.py")
    parser.add_argument("--case", type=parse_case, required=True)
    parser.add_argument("--mode", choices=modes, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--training_data_path")
    return parser.parse_args(argv)


def images_a_second(
    take_step: Callable[[], Any], *, batch_size: int, seconds: float
) -> float:
    """Takes steps for some seconds, after those that build and warm up.

    Args:
        take_step: Returns when a step's results are there.
        batch_size: Images a step.
        seconds: How long to measure; a step that has begun is ended.
    """
    for _ in range(WARM_UP_STEPS):
        take_step()
    num_steps, started_at = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started_at) < seconds:
        take_step()
        num_steps += 1
    return num_steps * batch_size / elapsed
