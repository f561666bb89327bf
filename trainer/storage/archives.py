"""Archives of folders, unpacked where nothing of them can get out."""

import contextlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator


class ArchiveError(ValueError):
    """A file is no archive, or not one to unpack; the message is the reason."""


@contextlib.contextmanager
def unpacked(path: str) -> Iterator[str]:
    """A temporary folder with what an archive holds.

    Files that would land outside of it, links that lead there and devices are refused.

    Args:
        path: A local .tar, compressed or not.

    Yields:
        The folder; if all is in one folder of the archive, that one.

    Raises:
        ArchiveError: If it can't be unpacked.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise ArchiveError(str(error)) from error
        names = os.listdir(folder)
        only = os.path.join(folder, names[0]) if len(names) == 1 else folder
        yield only if os.path.isdir(only) else folder
