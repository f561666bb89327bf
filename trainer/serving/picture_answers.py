"""What is said of picture files: a table for people, JSON lines or CSV for programs."""

import csv
import json
from collections.abc import Callable
from typing import NamedTuple, TextIO

import numpy as np

from trainer.serving import instances

MAX_FILE_WIDTH = 60
BAR_WIDTH = 30


class Answer(NamedTuple):
    """The prediction of a file, or why there is none.

    Attributes:
        path: The file.
        probabilities: float32 [num_classes], 0..1; of length 0 if there is none.
        reason: To follow on the file's name; empty if there is a prediction.
    """

    path: str
    probabilities: np.ndarray
    reason: str = ""

    def rank(self, top: int) -> list[tuple[int, float]]:
        """The most probable classes, from 0, with their probabilities."""
        order = np.argsort(-self.probabilities, kind="stable")[:top]
        return [(int(one), float(self.probabilities[one])) for one in order]


class Table:
    """Lines for people, kept until the last width is known."""

    def __init__(self, name_class: Callable[[int], str], top: int) -> None:
        """Makes an empty one.

        Args:
            name_class: Gives the name of a class, from 0.
            top: Classes of a picture to show.
        """
        self._name_class = name_class
        self._top = top
        self._rows: list[tuple[str, str, float | None]] = []

    def add(self, answer: Answer) -> None:
        """Adds the lines of a file."""
        if answer.reason:
            self._rows.append((answer.path, answer.reason, None))
        for rank, (class_index, probability) in enumerate(answer.rank(self._top)):
            name = self._name_class(class_index)
            self._rows.append(("" if rank else answer.path, name, probability))

    def format(self) -> str:
        """The table: a line a class, with a bar as long as it is probable."""
        paths = [path for path, _, _ in self._rows]
        files = min(max(map(len, ["file", *paths])), MAX_FILE_WIDTH)
        names = [name for _, name, found in self._rows if found is not None]
        width = max(map(len, ["class", *names]))
        lines = [f"{'file':{files}}  {'class':{width}}  probability"]
        for path, name, probability in self._rows:
            if probability is None:
                lines.append(f"{path:{files}}  {name}")
                continue
            bar = "#" * round(BAR_WIDTH * probability)
            line = f"{path:{files}}  {name:{width}}  {100 * probability:9.1f} %  {bar}"
            lines.append(line.rstrip())
        return "\n".join(lines) + "\n"


class JsonLines:
    """An object a file: file, classes, label and probabilities, or file and error."""

    def __init__(self, output: TextIO, name_class: Callable[[int], str]) -> None:
        self._output = output
        self._name_class = name_class

    def add(self, answer: Answer) -> None:
        """Writes the line of a file."""
        found: dict[str, object] = {"file": answer.path}
        if answer.reason:
            found["error"] = answer.reason
        else:
            class_index = int(np.argmax(answer.probabilities))
            found["label"] = self._name_class(class_index)
            found |= instances.format_prediction(
                class_index, answer.probabilities.tolist(), answer.path
            )
        self._output.write(json.dumps(found, ensure_ascii=False) + "\n")


class Csv:
    """A row a file: the most probable classes with probabilities, or an error."""

    def __init__(
        self, output: TextIO, name_class: Callable[[int], str], top: int
    ) -> None:
        self._writer = csv.writer(output, lineterminator="\n")
        self._name_class = name_class
        self._top = top
        columns = [
            f"{name}_{rank}"
            for rank in range(1, top + 1)
            for name in ("class", "probability")
        ]
        self._writer.writerow(["file", *columns, "error"])

    def add(self, answer: Answer) -> None:
        """Writes the row of a file."""
        cells: list[object] = []
        for class_index, probability in answer.rank(self._top):
            cells += [self._name_class(class_index), f"{probability:.6f}"]
        # A model may have fewer classes than were asked for.
        cells += [""] * (2 * self._top - len(cells))
        self._writer.writerow([answer.path, *cells, answer.reason])


Writer = Table | JsonLines | Csv
