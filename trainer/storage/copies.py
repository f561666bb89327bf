"""Local copies of remote files for libraries that open files themselves, and back."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence

from trainer.storage import gcs
from trainer.storage.paths import is_gs


@contextlib.contextmanager
def local_dir(directory: str, names: Sequence[str]) -> Iterator[str]:
    """A local directory that holds some files of a directory.

    Args:
        directory: Any path; a local one is given back as it is.
        names: Files in it, or in folders in it, to copy from gs://; of absent ones
            there is no copy.

    Raises:
        StorageError: If one can't be read.
    """
    if not is_gs(directory):
        yield directory
        return
    with tempfile.TemporaryDirectory() as copy_dir:
        for name in names:
            file = gcs.stat(os.path.join(directory, name))
            if file is not None:
                copy = os.path.join(copy_dir, name)
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                gcs.download(file, copy)
        yield copy_dir


@contextlib.contextmanager
def local_file(path: str) -> Iterator[str]:
    """A local file with the content of one that is there, as `local_dir`."""
    directory, name = os.path.split(path)
    with local_dir(directory, [name]) as found:
        yield os.path.join(found, name)


def put_file(source: str, target: str) -> None:
    """Copies a local file to where files are only ever written whole.

    Args:
        source: A local file.
        target: gs:// path, or one below a mounted bucket.

    Raises:
        StorageError: If gs:// refuses.
        OSError: If the mounted bucket refuses, or the source can't be read.
    """
    if is_gs(target):
        gcs.upload(source, target)
    else:
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        shutil.copyfile(source, target)
