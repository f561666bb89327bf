"""Which records of all splits show the same picture, and what their labels say."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from trainer.data import duplicates
from trainer.data.survey import Split


class Copy(NamedTuple):
    """One record of a group: its split's position, and its position there."""

    split: int
    record: int
    label: int


class Group(NamedTuple):
    """Records that show one picture, two or more."""

    members: list[Copy]

    @property
    def splits(self) -> list[int]:
        """Positions of the splits that it is in, in order."""
        return sorted({member.split for member in self.members})

    @property
    def has_conflict(self) -> bool:
        """True if its labels differ."""
        return len({member.label for member in self.members}) > 1


@dataclasses.dataclass(frozen=True)
class Copies:
    """All pictures that are there more than once.

    Attributes:
        exact: Groups of the same bytes.
        near: Groups that look the same and have two or more different bytes.
    """

    exact: list[Group]
    near: list[Group]

    def __iter__(self) -> Iterator[tuple[str, Group]]:
        """Yields each group with its kind."""
        yield from (("exact", group) for group in self.exact)
        yield from (("near", group) for group in self.near)


def find(splits: Sequence[Split]) -> Copies:
    """Compares the good records of all splits."""
    members = [np.flatnonzero(split.is_good) for split in splits]
    owners = np.repeat(np.arange(len(splits)), [len(found) for found in members])
    records = np.concatenate(members)
    facts = np.concatenate(
        [split.records[found] for split, found in zip(splits, members, strict=True)]
    )
    equal = duplicates.group_equal(facts["digest"])
    similar = _group_similar(facts, equal)

    def build(group: np.ndarray) -> Group:
        return Group(
            [
                Copy(int(owners[i]), int(records[i]), int(facts["label"][i]))
                for i in group
            ]
        )

    exact = duplicates.list_groups(equal)
    near = [
        group
        for group in duplicates.list_groups(similar)
        if (equal[group] != equal[group[0]]).any()
    ]
    return Copies([build(group) for group in exact], [build(group) for group in near])


def _group_similar(facts: np.ndarray, equal: np.ndarray) -> np.ndarray:
    """Groups by look; copies of one content, and what is plain, count once."""
    is_first = equal == np.arange(len(equal))
    compared = np.flatnonzero(is_first & ~facts["is_plain"])
    groups = duplicates.group_similar(
        facts["perceptual"][compared], facts["colours"][compared]
    )
    similar = np.arange(len(equal))
    similar[compared] = compared[groups]
    return np.asarray(similar[equal])


def count_by_place(groups: Sequence[Group]) -> Counter[tuple[int, ...]]:
    """Groups with two or more members in a split (i,), and in both of (i, j)."""
    counts: Counter[tuple[int, ...]] = Counter()
    for group in groups:
        members = Counter(member.split for member in group.members)
        for split, number in members.items():
            counts[(split,)] += number > 1
        splits = sorted(members)
        counts.update(
            (first, second)
            for position, first in enumerate(splits)
            for second in splits[position + 1 :]
        )
    return counts
