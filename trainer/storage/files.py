"""Single files and directories: text, listings, removal, and whether one may write."""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator

from trainer import errors
from trainer.storage import gcs
from trainer.storage.paths import is_gs, is_mounted

PROBE = ".write-check-"


def make_writable_dir(path: str, flag: str) -> None:
    """Creates a directory and proves that files can be written and replaced there.

    Raises:
        StorageError: If it can't be created or written.
    """
    probe = os.path.join(path, PROBE + uuid.uuid4().hex)
    try:
        if is_gs(path):
            gcs.write_bytes(probe, b"")
            gcs.remove(probe)
            return
        os.makedirs(path, exist_ok=True)
        with open(probe, "xb"):
            pass
        os.remove(probe)
    except errors.StorageError as error:
        # The owner gave the directory, not the probe in it.
        text = str(error).replace(probe, path)
        raise errors.StorageError(f"--{flag}={text}") from error
    except OSError as error:
        raise errors.StorageError(
            f"--{flag}={path} can't be written ({error.strerror}); "
            "give a directory that this user may write."
        ) from error


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Turns a failure to write below a path into a StorageError that names it."""
    try:
        yield
    except OSError as error:
        place = f"{tempfile.gettempdir()}, its way there," if is_gs(path) else "there"
        raise errors.StorageError(
            f"{path} can't be written ({error.strerror or error}); free or give space "
            f"and rights {place}, then run the same command again to resume."
        ) from error


def write_text(path: str, text: str) -> None:
    """Replaces a text file so that a reader sees the old or the new one, whole."""
    write_bytes(path, text.encode())


def write_bytes(path: str, content: bytes) -> None:
    """Replaces a file so that a reader sees the old or the new one, whole."""
    if is_gs(path):
        gcs.write_bytes(path, content)
        return
    # A mounted bucket can't rename, and shows a new object when it is closed.
    temporary = path if is_mounted(path) else f"{path}.{uuid.uuid4().hex}.tmp"
    with writing(path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if temporary == path:
            _write_through(path, content)
            return
        try:
            _write_through(temporary, content)
            os.replace(temporary, path)
        except BaseException:
            # What came onto a full disk would keep it full.
            remove_files([temporary])
            raise


def _write_through(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_text(path: str) -> str | None:
    """The file's text, or None if there is no such file.

    Raises:
        DataError: If it is not in UTF-8.
        StorageError: If it is there and can't be read.
    """
    content = read_bytes(path)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        raise errors.DataError(
            f"{path} is no text in UTF-8 (byte 0x{error.object[error.start]:02x} at "
            f"{error.start}); save it as UTF-8, or move it away."
        ) from error


def read_bytes(path: str) -> bytes | None:
    """The file's content, or None if there is no such file.

    Raises:
        StorageError: If it is there and can't be read.
    """
    if is_gs(path):
        return gcs.read_bytes(path)
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise errors.StorageError(
            f"{path} can't be read ({error.strerror}); expected a file that this user "
            "may read."
        ) from error


def find_size(path: str) -> int | None:
    """The file's size in bytes, or None if there is no such file, or one not to see.

    Raises:
        StorageError: If Cloud Storage refuses to tell.
    """
    if is_gs(path):
        file = gcs.stat(path)
        return None if file is None else file.num_bytes
    try:
        return os.path.getsize(path)
    except OSError:
        return None


def list_names(directory: str) -> list[str]:
    """Sorted names in a directory; empty if there is no such directory.

    Raises:
        StorageError: If it is there and can't be listed.
    """
    if is_gs(directory):
        return gcs.list_names(directory)
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise errors.StorageError(
            f"{directory} can't be listed ({error.strerror}); expected a directory "
            "that this user may read."
        ) from error


def is_dir(path: str) -> bool:
    """True for a directory; on gs://, where there are none, if a file is below it."""
    return gcs.is_dir(path) if is_gs(path) else os.path.isdir(path)


def remove_files(paths: list[str]) -> None:
    """Removes files; one that is already gone is fine."""
    for path in paths:
        if is_gs(path):
            gcs.remove(path)
            continue
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
