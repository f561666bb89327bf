"""Parts: runs of records of one split, in their final order, written side by side.

Parts are what workers share; shards are cut from them later. So the bytes of the
shards depend neither on the number of workers nor on where a part ends.
"""

import dataclasses
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from trainer import errors, storage
from trainer.data import normalize, progress, row_lists, rows, shards, tfrecord

# Enough parts to keep the workers of a machine equally busy, from files of 1 MB on.
MIN_PART_BYTES = 1_000_000
PARTS_OF_A_SMALL_SPLIT = 64
# A worker's loss when it is interrupted, and a limit of the rows that it sorts.
MAX_PART_BYTES = 32_000_000
MAX_PARTS = 4096

PartKey = tuple[str, int]


class Outcome(NamedTuple):
    """What came of one part: bytes of each record, images by label, bad images."""

    sizes: Sequence[int]
    classes: Mapping[str, int]
    messages: Sequence[str]


def find_parts(
    list_path: str, split_bytes: Mapping[str, int]
) -> list[tuple[PartKey, shards.Span]]:
    """Finds each part that an examined list has rows of, and where in it they are.

    Args:
        list_path: A list of rows in their final order, so a part's are together.
        split_bytes: Bytes of all image files of each split.
    """
    found: list[tuple[PartKey, shards.Span]] = []
    start = end = 0
    current: PartKey | None = None
    for line in row_lists.read_lines(list_path):
        key = find_part(row_lists.unpack(line), split_bytes)
        if current is not None and key != current:
            found.append((current, shards.Span(list_path, start, end - start)))
            start = end
        current = key
        # A list is ASCII, so characters are bytes.
        end += len(line) + 1
    if current is not None:
        found.append((current, shards.Span(list_path, start, end - start)))
    return found


def find_part(row: rows.Row, split_bytes: Mapping[str, int]) -> PartKey:
    """Says which part a row belongs to.

    Args:
        row: One image.
        split_bytes: Bytes of all image files of each split.
    """
    position = int.from_bytes(shuffle_key(row)[:8])
    return row.split, position * count_parts(split_bytes[row.split]) >> 64


def order(row: rows.Row) -> tuple[str, bytes, int]:
    """What rows are sorted by: splits apart, classes mixed, no two rows alike."""
    return row.split, shuffle_key(row), row.number


def shuffle_key(row: rows.Row) -> bytes:
    """Mixes classes, the same way on every machine."""
    return hashlib.sha256(os.fsencode(row.name)).digest()


def count_parts(num_bytes: int) -> int:
    """The number of parts of a split with so many bytes of image files."""
    some = min(PARTS_OF_A_SMALL_SPLIT, num_bytes // MIN_PART_BYTES)
    return min(MAX_PARTS, max(1, some, num_bytes // MAX_PART_BYTES))


@dataclasses.dataclass(frozen=True)
class WritePart:
    """The stage from a part's rows to a file of its records.

    The file and its outcome go to `work_dir`. `class_numbers` has label to 1-based
    number. The first bad row ends the run unless `skip_bad`. Pictures are made smaller
    to `max_shorter_side`, unless that is 0.
    """

    work_dir: str
    class_numbers: Mapping[str, int]
    skip_bad: bool
    max_shorter_side: int

    def __call__(self, key: PartKey, found: Iterable[row_lists.Rows]) -> int:
        """Writes one part.

        Args:
            key: Which part.
            found: Its rows, in any order.

        Returns:
            How many rows that were.
        """
        ordered = sorted(row_lists.unpack_all(found), key=order)
        outcome = self._write(key, ordered)
        if outcome.messages and not self.skip_bad:
            progress.CURRENT.stop.set()
        with shards.writing(outcome_path(self.work_dir, key)) as file:
            file.write(json.dumps(outcome).encode())
        return len(ordered)

    def _write(self, key: PartKey, ordered: Sequence[rows.Row]) -> Outcome:
        sizes: list[int] = []
        classes: Counter[str] = Counter()
        messages: list[str] = []
        with shards.writing(part_path(self.work_dir, key)) as file:
            for row, picture in self._load(ordered):
                if isinstance(picture, str):
                    messages.append(
                        f"{row.origin}: expected a picture in {row.path}, found "
                        f"{picture}."
                    )
                    continue
                example = shards.build_example(
                    row, picture, self.class_numbers[row.label]
                )
                sizes.append(file.write(tfrecord.frame(example)))
                classes[row.label] += 1
        return Outcome(sizes, classes, messages)

    def _load(
        self, ordered: Sequence[rows.Row]
    ) -> Iterator[tuple[rows.Row, normalize.Picture | str]]:
        """Yields rows in order, each with its picture or what is wrong with it."""
        for row in ordered:
            if progress.CURRENT.stop.is_set():
                return
            picture = normalize.load_picture(row.path, self.max_shorter_side)
            yield row, picture
            if isinstance(picture, str) and not self.skip_bad:
                return


def part_path(work_dir: str, key: PartKey) -> str:
    """The file with the records of a part."""
    return os.path.join(work_dir, f"{key[0]}-{key[1]:05}.records")


def outcome_path(work_dir: str, key: PartKey) -> str:
    """The file with the outcome of a part."""
    return os.path.join(work_dir, f"{key[0]}-{key[1]:05}.outcome.json")


def read_outcome(work_dir: str, key: PartKey) -> Outcome:
    """Reads what came of a part.

    Raises:
        StorageError: If its file is gone.
    """
    path = outcome_path(work_dir, key)
    text = storage.read_text(path)
    if text is None:
        raise errors.StorageError(
            f"{path} is gone, expected what this run wrote; leave --output_dir alone "
            "while convert works, and run it again."
        )
    return Outcome(*json.loads(text))
