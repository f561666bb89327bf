"""What a command line names -> picture files, and their bytes as a model takes them."""

import collections
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from trainer import errors, storage
from trainer.data import folders, normalize

# Enough to hide a bucket's latency; libjpeg lets go of Python's lock.
NUM_READERS = 16
_MAGIC = re.compile(r"[*?\[]")


class PictureFile(NamedTuple):
    """A picture file that was read, or why it was not.

    Attributes:
        path: The file.
        encoded: An upright JPEG in RGB; empty if there is none.
        reason: What is wrong with the file, to follow on its name; empty if nothing.
    """

    path: str
    encoded: bytes
    reason: str


def find_pictures(patterns: Sequence[str], flag: str) -> list[str]:
    """Lists picture files, each once, in the order in which they are named.

    Args:
        patterns: Files, which may be absent; globs; folders, which stand for the files
            in them, at any depth, whose suffix is a picture's.
        flag: Name of the flag that holds them, for messages.

    Raises:
        StorageError: If a glob matches nothing, a folder holds no picture, or one can't
            be listed.
    """
    return list(dict.fromkeys(_expand_all(patterns, flag)))


def load(path: str) -> PictureFile:
    """Reads a file and makes it upright, as `convert` does."""
    try:
        found = normalize.load_picture(path)
    except errors.StorageError as error:
        return PictureFile(path, b"", str(error).removeprefix(f"{path} ").rstrip("."))
    if isinstance(found, str):
        return PictureFile(path, b"", f"expected a picture, found {found}")
    return PictureFile(path, found.encoded, "")


def load_batches(paths: Sequence[str], batch_size: int) -> Iterator[list[PictureFile]]:
    """Reads files in their order, a batch ahead of who takes them."""
    waiting: collections.deque[Future[PictureFile]] = collections.deque()
    # In threads Pillow's warnings can't be silenced picture by picture alone.
    with warnings.catch_warnings(), ThreadPoolExecutor(NUM_READERS) as pool:
        warnings.simplefilter("ignore")
        for path in paths:
            waiting.append(pool.submit(load, path))
            if len(waiting) == 2 * batch_size:
                yield [waiting.popleft().result() for _ in range(batch_size)]
        while waiting:
            count = min(batch_size, len(waiting))
            yield [waiting.popleft().result() for _ in range(count)]


def _expand_all(patterns: Sequence[str], flag: str) -> Iterator[str]:
    for pattern in patterns:
        with storage.naming(flag, pattern):
            is_dir = storage.is_dir(pattern)
        if is_dir:
            yield from _list_folder(pattern, flag)
        elif _MAGIC.search(pattern) and storage.find_size(pattern) is None:
            yield from storage.match_files(pattern, flag)
        else:
            yield pattern


def _list_folder(folder: str, flag: str) -> list[str]:
    with storage.naming(flag, folder):
        found = [
            file.path
            for file in storage.walk(folder, folders.is_visible)
            if os.path.splitext(file.name)[1].lower() in folders.IMAGE_SUFFIXES
        ]
    if not found:
        raise errors.StorageError(
            f"--{flag}={folder} is a folder without a picture, expected files that end "
            "in .jpg, .png or another picture's suffix; check the path."
        )
    return found
