"""Rows in files of many: no process ever needs to hold all of them.

What the stages of a conversion pass on is the name of such a file, or a span of it.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from trainer import errors, storage
from trainer.data import progress, rows, shards

# Enough lists to share between workers, and few: each list has rows of every part, so
# what a runner holds in memory is lists times parts.
MIN_ROWS_PER_LIST = 250
MAX_ROWS_PER_LIST = 100_000
LISTS_TO_SHARE = 32
# Lines of a list, or where they are: path, first byte, number of bytes.
Rows = str | tuple[Any, ...]


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
    while part := list(islice(numbered, _choose_size(lists.counts.total()))):
        if progress.CURRENT.stop.is_set():
            break
        path = os.path.join(directory, f"rows-{len(lists.paths):08}.json")
        write_list(path, part)
        lists.paths.append(path)
        lists.counts.update(row.split for row in part)
    return lists


def _choose_size(num_rows: int) -> int:
    """How many rows the next list takes, after so many; how many follow is unknown."""
    some = max(MIN_ROWS_PER_LIST, num_rows // LISTS_TO_SHARE)
    return min(MAX_ROWS_PER_LIST, some)


def write_list(path: str, part: Iterable[rows.Row]) -> None:
    """Writes one file.

    Raises:
        StorageError: If the file system refuses.
    """
    with shards.writing(path) as file:
        file.writelines(f"{pack(row)}\n".encode() for row in part)


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
    yield from unpack_lines(text)


def unpack_all(found: Iterable[Rows]) -> Iterator[rows.Row]:
    """Yields rows that were passed on as lines, or as where the lines are."""
    for each in found:
        text = each if isinstance(each, str) else read_span(*each)
        yield from unpack_lines(text)


def read_span(path: str, start: int, num_bytes: int) -> str:
    """The lines between two bytes of a file."""
    with storage.local_file(path) as local_path, open(local_path, "rb") as file:
        file.seek(start)
        return file.read(num_bytes).decode()


def unpack_lines(text: str) -> Iterator[rows.Row]:
    """Yields the rows of some lines."""
    return map(unpack, text.splitlines())


def pack(row: rows.Row) -> str:
    """A row as one line of ASCII; names that are no UTF-8 survive as escapes."""
    return json.dumps(row)


def unpack(line: str) -> rows.Row:
    """The row that `pack` was given."""
    return rows.Row(*json.loads(line))
