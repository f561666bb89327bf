"""Paths and globs -> the files that they name, or what is there instead."""

import contextlib
import glob
import os
from collections.abc import Iterator

from trainer import errors
from trainer.storage import files, gcs
from trainer.storage.paths import GS, StoredFile, is_gs

NUM_NAMES_SHOWN = 3


def match_files(pattern: str, flag: str) -> list[str]:
    """Lists the files that a path or glob names, in sorted order.

    Args:
        pattern: Path or glob with *, ? or [1-9].
        flag: Name of the flag that holds it, for messages.

    Returns:
        At least one path.

    Raises:
        StorageError: If nothing matches, or only a directory does.
    """
    return [file.path for file in find_files(pattern, flag)]


def find_files(pattern: str, flag: str) -> list[StoredFile]:
    """As `match_files`, with each file's size and version."""
    with naming(flag, pattern):
        found = gcs.glob(pattern) if is_gs(pattern) else _glob_local(pattern)
        is_dir = not found and files.is_dir(pattern)
        nearest = "" if found or is_dir else _describe_nearest(pattern)
    if found:
        return found
    if is_dir:
        raise errors.StorageError(
            f"--{flag}={pattern} is a directory, expected TFRecord files; "
            f"try --{flag}='{os.path.join(pattern, '*.tfrecord')}'."
        )
    raise errors.StorageError(
        f"--{flag}={pattern} matches no file; check the path{nearest}."
    )


@contextlib.contextmanager
def naming(flag: str, value: str) -> Iterator[None]:
    """Puts the flag before a StorageError that names only what was looked at."""
    try:
        yield
    except errors.StorageError as error:
        raise errors.StorageError(f"--{flag}={value}: {error}") from error


def _glob_local(pattern: str) -> list[StoredFile]:
    matches = sorted(glob.glob(pattern)) or [pattern]
    return [_stat(path) for path in matches if os.path.isfile(path)]


def _stat(path: str) -> StoredFile:
    status = os.stat(path)
    return StoredFile(path, status.st_size, generation=str(status.st_mtime_ns))


def _describe_nearest(pattern: str) -> str:
    """Says how much of the path exists, which is where the typo usually is."""
    directory = os.path.dirname(pattern) or "."
    if files.is_dir(directory):
        names = files.list_names(directory)[:NUM_NAMES_SHOWN]
        return f"; {directory} holds {', '.join(names) if names else 'nothing'}"
    while directory and not files.is_dir(directory):
        if os.path.dirname(directory) == GS.rstrip("/"):
            return f"; bucket {directory} is empty"
        directory = os.path.dirname(directory)
    return f"; only {directory or 'the current directory'} of it exists"
