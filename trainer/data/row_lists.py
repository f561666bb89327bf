"""Rows in files of many: no process ever needs to hold all of them.

What the stages of a conversion pass on is the name of such a file, or a span of it.
"""

import fnmatch
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from trainer import errors, storage
from trainer.data import progress, rows, shards

# Enough lists to share between workers, and few: each list has rows of every part, so
# what a runner holds in memory is lists times parts.
MIN_ROWS_PER_LIST = 250
MAX_ROWS_PER_LIST = 100_000
LISTS_TO_SHARE = 32
# Lines of a list, or where they are: path, first byte, number of bytes.
Rows = str | tuple[Any, ...]


def write(found: Iterable[rows.Row], directory: str) -> Counter[str]:
    """Numbers rows and writes them to files, until the run is stopped.

    Args:
        found: The rows, read one at a time.
        directory: Where the files go.

    Returns:
        How many rows of each split were written.

    Raises:
        StorageError: If the file system refuses.
    """
    counts: Counter[str] = Counter()
    numbered = (row._replace(number=number) for number, row in enumerate(found))
    while part := list(islice(numbered, _choose_size(counts.total()))):
        if progress.CURRENT.stop.is_set():
            break
        write_list(os.path.join(directory, f"rows-{counts.total():012}.json"), part)
        counts.update(row.split for row in part)
    return counts


def find(directory: str) -> list[str]:
    """The files that `write` wrote, in order."""
    names = fnmatch.filter(storage.list_names(directory), "rows-*.json")
    return [os.path.join(directory, name) for name in names]


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
    return map(unpack, read_lines(path))


def read_lines(path: str) -> list[str]:
    """The lines of one file, as `read` does."""
    text = storage.read_text(path)
    if text is None:
        raise errors.StorageError(
            f"{path} is gone, expected this run's list of images; leave --output_dir "
            "alone while convert works, and run it again."
        )
    return text.splitlines()


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
