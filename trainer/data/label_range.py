"""Where labels start and end, and which are missing or out of range."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

# Labels that no set of classes reaches: garbage, not a class that was inferred.
MAX_INFERRED_CLASSES = 1_000_000


@dataclasses.dataclass(frozen=True)
class LabelRange:
    """The labels that the data should have.

    Attributes:
        first: 0 or 1, the label of the first class.
        is_mixed: True if there is a label 0 and one of `num_classes`: no job takes it.
        num_classes: Number of classes.
        origin: Where that number is from, for people.
        names: Names of the classes; empty if they have none.
    """

    first: int
    is_mixed: bool
    num_classes: int
    origin: str
    names: Sequence[str]

    @property
    def last(self) -> int:
        """The label of the last class."""
        return self.first + self.num_classes - 1

    def describe(self, label: int) -> str:
        """For example "3 hat"; of mixed labels the name is anybody's guess."""
        position = label - self.first
        if self.names and not self.is_mixed and 0 <= position < len(self.names):
            return f"{label} {self.names[position]}"
        return str(label)

    def find_missing(self, counts: Mapping[int, int]) -> list[tuple[int, int]]:
        """Runs of labels without a record, as (first, last).

        Args:
            counts: Records by label.
        """
        present = sorted(
            {label for label in counts if self.first <= label <= self.last}
        )
        edges = [self.first - 1, *present, self.last + 1]
        return [
            (low + 1, high - 1)
            for low, high in itertools.pairwise(edges)
            if high - low > 1
        ]


def infer(
    counts: Sequence[Mapping[int, int]],
    *,
    num_classes: int | None,
    names: Sequence[str],
) -> LabelRange:
    """Decides as training does, which is told the number of classes.

    Args:
        counts: Records by label, of each split.
        num_classes: As given; None to take the number of names, else what the labels
            reach to.
        names: Lines of labels.txt; may be empty.
    """
    labels = np.unique([label for split in counts for label in split]).astype(np.int64)
    if num_classes is not None:
        origin = "--num_classes"
    elif names:
        num_classes, origin = len(names), "labels.txt"
    else:
        num_classes, origin = _reach(counts, labels), "the labels"
    has_zero = 0 in labels
    return LabelRange(
        first=0 if has_zero else 1,
        is_mixed=bool(has_zero and num_classes in labels),
        num_classes=num_classes,
        origin=origin,
        names=names if len(names) == num_classes else [],
    )


def _reach(counts: Sequence[Mapping[int, int]], labels: np.ndarray) -> int:
    """The number of classes that the labels look like."""
    labels = labels[(labels >= 0) & (labels <= MAX_INFERRED_CLASSES)]
    if not len(labels):
        return 0
    highest = int(labels.max())
    if labels.min() > 0:
        return highest
    # One split of 1..N and another of 0..N-1, not one of 0..N that lacks some.
    ends = {(min(split), max(split)) for split in counts if split}
    if (1, highest) in ends and (0, highest - 1) in ends:
        return highest
    return highest + 1
