"""A first look at each image file: its size, and its split by what is in it."""

import dataclasses
import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from trainer import storage
from trainer.data import folders, parts, progress, row_lists, rows


class Examined(NamedTuple):
    """A list of examined rows, and how many image files of how many bytes, by split."""

    list_path: str
    num_images: dict[str, int]
    num_bytes: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Examine:
    """The stage from a list of rows to one of rows that know their size and split.

    `shares` has split name to share, for rows that have no split yet.
    """

    shares: Mapping[str, float]

    def __call__(self, list_path: str) -> Examined:
        """Writes a list like the one it reads, in the order of the shards to be."""
        examined = []
        num_images: Counter[str] = Counter()
        num_bytes: Counter[str] = Counter()
        for row in row_lists.read(list_path):
            if progress.CURRENT.stop.is_set():
                break
            examined.append(examine(row, self.shares))
            num_images[examined[-1].split] += 1
            num_bytes[examined[-1].split] += examined[-1].num_bytes
        path = f"{list_path}.examined"
        row_lists.write_list(path, sorted(examined, key=parts.order))
        return Examined(path, dict(num_images), dict(num_bytes))


def examine(row: rows.Row, shares: Mapping[str, float]) -> rows.Row:
    """Looks up a file's size, and its split where the folders do not say it.

    A file that is not there keeps size 0, and goes to train if it has no split:
    whoever loads the picture says what is wrong with it.

    Args:
        row: One image.
        shares: Split name to share.

    Returns:
        The row, completed.

    Raises:
        StorageError: If the file is there and can't be read.
    """
    if row.split != folders.WHOLE:
        num_bytes = row.num_bytes or storage.find_size(row.path) or 0
        return row._replace(num_bytes=num_bytes)
    content = storage.read_bytes(row.path)
    if content is None:
        return row._replace(split="train", num_bytes=0)
    split = _pick_split(hashlib.sha256(content).digest(), shares)
    return row._replace(split=split, num_bytes=len(content))


def _pick_split(digest: bytes, shares: Mapping[str, float]) -> str:
    """Picks a split by content: copies of a picture land in the same one."""
    position = int.from_bytes(digest[:8]) / 2**64
    bounds = itertools.accumulate(shares.values())
    # The last bound may be a rounding error short of 1.
    passed = sum(position >= bound for bound in bounds)
    return list(shares)[min(passed, len(shares) - 1)]
