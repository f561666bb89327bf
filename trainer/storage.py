"""Every path operation: matching, directories, and writes that are whole or not there.

Paths are local (a mounted bucket such as /gcs/NAME is local, too).
"""

import contextlib
import glob
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator

from trainer import errors


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
    if pattern.startswith("gs://"):
        raise errors.StorageError(
            f"--{flag}={pattern}: gs:// paths are not read directly by this version; "
            "copy the files here first, or mount the bucket and give /gcs/BUCKET/..."
        )
    matches = sorted(glob.glob(pattern)) or [
        path for path in [pattern] if os.path.exists(path)
    ]
    files = [path for path in matches if os.path.isfile(path)]
    if files:
        return files
    if matches:
        raise errors.StorageError(
            f"--{flag}={pattern} is a directory, expected TFRecord files; "
            f"try --{flag}='{os.path.join(pattern, '*.tfrecord')}'."
        )
    raise errors.StorageError(
        f"--{flag}={pattern} matches no file; check the path"
        f"{_describe_nearest(pattern)}."
    )


def _describe_nearest(pattern: str) -> str:
    """Says how much of the path exists, which is where the typo usually is."""
    directory = os.path.dirname(pattern) or "."
    if os.path.isdir(directory):
        names = sorted(os.listdir(directory))[:3]
        return f"; {directory} holds {', '.join(names) if names else 'nothing'}"
    while directory and not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    return f"; only {directory or 'the current directory'} of it exists"


def make_writable_dir(path: str, flag: str) -> None:
    """Creates a directory and proves that files can be written there.

    Raises:
        StorageError: If it can't be created or written.
    """
    if path.startswith("gs://"):
        raise errors.StorageError(
            f"--{flag}={path}: gs:// paths are not written directly by this version; "
            "mount the bucket and give /gcs/BUCKET/..., or use a local directory."
        )
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
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
        raise errors.StorageError(
            f"{path} can't be written ({error.strerror or error}); free or give space "
            "and rights there, then run the same command again to resume."
        ) from error


def absolute(path: str) -> str:
    """The path as another process would have to write it."""
    return path if "://" in path else os.path.abspath(path)


def write_text(path: str, text: str) -> None:
    """Replaces a text file so that a reader sees the old or the new one, whole."""
    write_bytes(path, text.encode())


def write_bytes(path: str, content: bytes) -> None:
    """Replaces a file so that a reader sees the old or the new one, whole."""
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    with writing(path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


def read_text(path: str) -> str | None:
    """The file's text, or None if there is no such file."""
    content = read_bytes(path)
    return None if content is None else content.decode()


def read_bytes(path: str) -> bytes | None:
    """The file's content, or None if there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def list_names(directory: str) -> list[str]:
    """Sorted names in a directory; empty if there is no such directory.

    Raises:
        StorageError: If it is there and can't be listed.
    """
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise errors.StorageError(
            f"{directory} can't be listed ({error.strerror}); expected a directory "
            "that this user may read."
        ) from error


def remove_files(paths: list[str]) -> None:
    """Removes files; one that is already gone is fine."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


@contextlib.contextmanager
def staging_dir(parent: str) -> Iterator[str]:
    """A new empty directory in `parent` that is gone afterwards."""
    os.makedirs(parent, exist_ok=True)
    path = tempfile.mkdtemp(prefix=".staging-", dir=parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def publish_files(source_dir: str, target_dir: str, *, marker: str) -> None:
    """Moves files into place one by one, the one that readers look for last.

    Files replace their namesakes atomically; no directory is ever renamed, since
    mounted buckets can't do that whole.

    Args:
        source_dir: Directory with the new files, on the same file system.
        target_dir: Where they go; other files in it are left alone.
        marker: Name of the file without which a reader takes the set as absent.
    """
    os.makedirs(target_dir, exist_ok=True)
    names = sorted(os.listdir(source_dir), key=lambda name: (name == marker, name))
    for name in names:
        source = os.path.join(source_dir, name)
        if os.path.isdir(source):
            publish_files(source, os.path.join(target_dir, name), marker=marker)
        else:
            os.replace(source, os.path.join(target_dir, name))


def remove_stale_staging(parent: str) -> None:
    """Removes what a killed run left of `staging_dir`."""
    for name in list_names(parent):
        if name.startswith(".staging-"):
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
