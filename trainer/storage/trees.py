"""Trees of folders, listed in one order wherever they are, a folder at a time."""

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from trainer import errors
from trainer.storage import gcs
from trainer.storage.paths import is_gs


class TreeFile(NamedTuple):
    """A file below the root of a tree.

    `name` is its path from there; `num_bytes` its size, or 0 where a listing does not
    tell, which is on local disks.
    """

    path: str
    name: str
    num_bytes: int = 0


def list_dirs(directory: str) -> list[str]:
    """Sorted names of the folders in a folder; links to folders count.

    Raises:
        StorageError: If it can't be listed.
    """
    if is_gs(directory):
        return gcs.list_dirs(directory)
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except OSError as error:
        raise _describe(error) from error


def walk(root: str, is_wanted: Callable[[str], bool]) -> Iterator[TreeFile]:
    """Yields files at any depth: those of a folder, then those of its subfolders.

    Both are sorted by name. Of a local tree the names in one folder are in memory at a
    time, of one on gs:// those in one page of a listing. Links to folders are followed.

    Args:
        root: The folder to start from.
        is_wanted: Of the name of a file or folder in a folder; folders that are not
            wanted are not listed.

    Raises:
        StorageError: If a folder can't be listed.
    """
    root = root.rstrip("/") or "/"
    if is_gs(root):
        yield from _walk_gs(f"{root}/", f"{root}/", is_wanted)
        return
    for folder, names, files in os.walk(root, onerror=_stop, followlinks=True):
        names[:] = sorted(filter(is_wanted, names))
        # With a slash at its end, joined once for all files.
        place = os.path.join(folder, "")
        inside = place.removeprefix(os.path.join(root, ""))
        for file in sorted(filter(is_wanted, files)):
            yield TreeFile(place + file, inside + file)


def _walk_gs(
    root: str, folder: str, is_wanted: Callable[[str], bool]
) -> Iterator[TreeFile]:
    # Files are listed in order; of folders the slash after the name is sorted, too, and
    # an emulator may repeat them on each page.
    dirs: set[str] = set()
    for page in gcs.list_pages(folder):
        dirs.update(page.dirs)
        for file in page.files:
            name = file.path.removeprefix(folder)
            # Some tools write an empty object in the folder's own name.
            if name and is_wanted(name):
                yield TreeFile(file.path, file.path.removeprefix(root), file.num_bytes)
    names = (path.removeprefix(folder).removesuffix("/") for path in dirs)
    for name in sorted(filter(is_wanted, names)):
        yield from _walk_gs(root, f"{folder}{name}/", is_wanted)


def _stop(error: OSError) -> None:
    raise _describe(error) from error


def _describe(error: OSError) -> errors.StorageError:
    return errors.StorageError(
        f"{error.filename} can't be listed ({error.strerror}); expected a directory "
        "that this user may read."
    )
