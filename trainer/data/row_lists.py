"""Rows in files of a thousand: no process ever needs to hold all of them.

What the stages of a conversion pass on is the name of such a file.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from trainer import errors, storage
from trainer.data import rows

ROWS_PER_LIST = 1000


class RowLists(NamedTuple):
    """The files, in order, and how many rows of each split are in all of them."""

    paths: list[str]
    counts: Counter[str]


def write(found: Iterable[rows.Row], directory: str) -> RowLists:
    """Numbers rows and writes them to files.

    Args:
        found: The rows, read one at a time.
        directory: Where the files go.

    Returns:
        What was written.

    Raises:
        StorageError: If the file system refuses.
    """
    lists = RowLists([], Counter())
    numbered = (row._replace(number=number) for number, row in enumerate(found))
    while part := list(islice(numbered, ROWS_PER_LIST)):
        path = os.path.join(directory, f"rows-{len(lists.paths):08}.json")
        storage.write_text(path, "\n".join(map(pack, part)))
        lists.paths.append(path)
        lists.counts.update(row.split for row in part)
    return lists


def read(path: str) -> Iterator[rows.Row]:
    """Yields the rows of one file.

    Raises:
        StorageError: If it is gone, which only happens if somebody removes it.
    """
    text = storage.read_text(path)
    if text is None:
        raise errors.StorageError(
            f"{path} is gone, expected this run's list of images; leave --output_dir "
            "alone while convert works, and run it again."
        )
    for line in text.splitlines():
        yield unpack(line)


def pack(row: rows.Row) -> str:
    """A row as one line of ASCII; names that are no UTF-8 survive as escapes."""
    return json.dumps(row)


def unpack(line: str) -> rows.Row:
    """The row that `pack` was given."""
    return rows.Row(*json.loads(line))
