"""The course of training, in all runs of a job, at a size that does not grow.

It is saved with the weights, so that a resumed job has each step once. No TensorFlow.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from trainer import storage
from trainer.training.progress import TrainingWindow

# As many as a plot shows; about 60 kB.
MAX_POINTS = 500
SIGNIFICANT_DIGITS = 6


class Point(NamedTuple):
    """Steps that follow each other.

    Attributes:
        step: The last one of them.
        num_steps: How many they are.
        loss: Their mean training loss.
        accuracy: Their mean accuracy on the batches that were trained on.
        learning_rate: Of the last step.
        secs: Time that they took.
        wait_secs: Part of it in which they waited for their batches.
    """

    step: int
    num_steps: int
    loss: float
    accuracy: float
    learning_rate: float
    secs: float
    wait_secs: float


class TrainingCurve:
    """Points in order of their steps; there are MAX_POINTS at most."""

    def __init__(self, points: Iterable[Mapping[str, Any]] = ()) -> None:
        self.points = [Point(**point) for point in points]

    def add(self, window: TrainingWindow) -> None:
        """Appends a window; of too many, the two neighbours with the fewest join."""
        point = Point(*(getattr(window, name) for name in Point._fields))
        self.points.append(point)
        if len(self.points) <= MAX_POINTS:
            return
        sizes = [
            one.num_steps + other.num_steps
            for one, other in itertools.pairwise(self.points)
        ]
        place = sizes.index(min(sizes))
        self.points[place : place + 2] = [_join(*self.points[place : place + 2])]

    def export(self) -> list[dict[str, Any]]:
        """The points as JSON, to make the curve of anew."""
        return [
            {name: _round(value) for name, value in point._asdict().items()}
            for point in self.points
        ]

    def save(self, path: str) -> None:
        """Writes the points, one a line, as JSON."""
        lines = [json.dumps(point) + "\n" for point in self.export()]
        storage.write_text(path, "".join(lines))


def read_curve(path: str) -> TrainingCurve:
    """Reads what `save` wrote; a curve without points if there is no such file.

    Raises:
        ValueError, TypeError: If there is something else.
        StorageError: If it can't be read.
    """
    lines = (storage.read_text(path) or "").splitlines()
    return TrainingCurve(json.loads(line) for line in lines)


def _join(first: Point, second: Point) -> Point:
    num_steps = first.num_steps + second.num_steps

    def mean(name: str) -> float:
        sums = [getattr(one, name) * one.num_steps for one in (first, second)]
        return float(sum(sums) / num_steps)

    return Point(
        step=second.step,
        num_steps=num_steps,
        loss=mean("loss"),
        accuracy=mean("accuracy"),
        learning_rate=second.learning_rate,
        secs=first.secs + second.secs,
        wait_secs=first.wait_secs + second.wait_secs,
    )


def _round(value: float) -> float:
    """Short to write; integers stay exact."""
    if isinstance(value, int):
        return value
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
