"""Calls to Cloud Storage, in gs:// paths, with errors that their owner can mend.

Listing and metadata need storage.objects.list, which every call here that fails names.
"""

import contextlib
import fnmatch
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from trainer.storage import gcs_errors
from trainer.storage.paths import StoredFile, split_gs

LIST = gcs_errors.Action("listed", "storage.objects.list")
READ = gcs_errors.Action("read", "storage.objects.get")
# Replacing an object takes the right to delete it.
WRITE = gcs_errors.Action(
    "written", "storage.objects.create and storage.objects.delete"
)
REMOVE = gcs_errors.Action("removed", "storage.objects.delete")
_MAGIC = re.compile(r"[*?\[]")


class Listing(NamedTuple):
    """What is directly below a prefix."""

    files: list[StoredFile]
    dirs: list[str]


def _client() -> Any:
    # Here, so that --help and local jobs do not pay for it (0.7 s).
    from trainer.storage import gcs_client

    return gcs_client.client()


def list_pages(prefix: str) -> Iterator[Listing]:
    """Lists files and folders whose path starts with `prefix`, one level deep.

    Args:
        prefix: gs:// path; with a slash at its end, what is in that folder.

    Yields:
        Up to a thousand at a time; files are in the order of their paths.

    Raises:
        StorageError: If there is no such bucket, or it can't be listed.
    """
    bucket, start = split_gs(prefix)
    page: dict[str, Any] = {"nextPageToken": None}
    while "nextPageToken" in page:
        with gcs_errors.explained(prefix, LIST):
            page = _client().call(
                "GET",
                "b/{}/o",
                bucket,
                prefix=start or None,
                delimiter="/",
                pageToken=page["nextPageToken"],
                json_out=True,
            )
        yield Listing(
            [_stored_file(bucket, item) for item in page.get("items", [])],
            [f"gs://{bucket}/{name}" for name in page.get("prefixes", [])],
        )


def list_prefix(prefix: str) -> Listing:
    """All that `list_pages` yields."""
    found = Listing([], [])
    for page in list_pages(prefix):
        found.files.extend(page.files)
        found.dirs.extend(page.dirs)
    return found


def _stored_file(bucket: str, item: dict[str, str]) -> StoredFile:
    return StoredFile(
        path=f"gs://{bucket}/{item['name']}",
        num_bytes=int(item["size"]),
        generation=item.get("generation", ""),
        crc32c=item.get("crc32c", ""),
    )


def glob(pattern: str) -> list[StoredFile]:
    """Files that match a path or glob with *, ? or [1-9], in order.

    Raises:
        StorageError: If the bucket can't be listed.
    """
    bucket, name = split_gs(pattern)
    found = list(_expand(f"gs://{bucket}/", name.split("/")))
    if not found and _MAGIC.search(name):
        # Brackets may be part of the name.
        found = [file for file in list_prefix(pattern).files if file.path == pattern]
    return sorted(found, key=lambda file: file.path)


def _expand(folder: str, parts: list[str]) -> Iterator[StoredFile]:
    part, *rest = parts
    magic = _MAGIC.search(part)
    if rest and not magic:
        yield from _expand(f"{folder}{part}/", rest)
        return
    below = list_prefix(folder + (part[: magic.start()] if magic else part))
    if rest:
        for path in below.dirs:
            if fnmatch.fnmatchcase(os.path.basename(path.rstrip("/")), part):
                yield from _expand(path, rest)
        return
    for file in below.files:
        name = file.path.removeprefix(folder)
        if name and (fnmatch.fnmatchcase(name, part) if magic else name == part):
            yield file


def list_names(directory: str) -> list[str]:
    """Sorted names of files and folders in a folder.

    Raises:
        StorageError: If the bucket can't be listed.
    """
    folder = f"{directory.rstrip('/')}/"
    below = list_prefix(folder)
    paths = [file.path for file in below.files] + below.dirs
    names = [path.removeprefix(folder).rstrip("/") for path in paths]
    # Some tools write an empty object in the folder's own name.
    return sorted(name for name in names if name)


def list_dirs(directory: str) -> list[str]:
    """Sorted names of the folders in a folder.

    Raises:
        StorageError: If the bucket can't be listed.
    """
    folder = f"{directory.rstrip('/')}/"
    paths = {path for page in list_pages(folder) for path in page.dirs}
    return sorted(path.removeprefix(folder).removesuffix("/") for path in paths)


def is_dir(path: str) -> bool:
    """True if a file is below the path; lists no more than it must.

    Raises:
        StorageError: If the bucket can't be listed.
    """
    folder = f"{path.rstrip('/')}/"
    return any(
        page.dirs or any(file.path != folder for file in page.files)
        for page in list_pages(folder)
    )


def stat(path: str) -> StoredFile | None:
    """The file as it is now, or None if there is none.

    Raises:
        StorageError: If it can't be read.
    """
    bucket, name = split_gs(path)
    with (
        contextlib.suppress(FileNotFoundError),
        gcs_errors.explained(path, READ, absent_is_fine=True),
    ):
        item = _client().call("GET", "b/{}/o/{}", bucket, name, json_out=True)
        return _stored_file(bucket, item)
    return None


def download(file: StoredFile, local_path: str) -> None:
    """Writes an object's content to a local file, size and checksum verified.

    Args:
        file: As a listing showed it; if it was replaced since, that is an error.
        local_path: Where to; on an error, what is there is incomplete.

    Raises:
        StorageError: If it can't be read, or is no longer what was listed.
        OSError: If the local file can't be written.
    """
    with gcs_errors.explained(file.path, READ):
        _client().download(file, local_path)


def read_bytes(path: str) -> bytes | None:
    """An object's content, or None if there is none; for small ones.

    Raises:
        StorageError: If it can't be read.
    """
    with (
        contextlib.suppress(FileNotFoundError),
        gcs_errors.explained(path, READ, absent_is_fine=True),
    ):
        return bytes(_client().cat_file("/".join(split_gs(path))))
    return None


def write_bytes(path: str, content: bytes) -> None:
    """Creates or replaces an object, which readers see whole or not at all.

    Raises:
        StorageError: If it can't be written.
    """
    with gcs_errors.explained(path, WRITE):
        _client().pipe_file("/".join(split_gs(path)), content)


def upload(local_path: str, path: str) -> None:
    """Creates or replaces an object from a local file, whole or not at all.

    Raises:
        StorageError: If it can't be written.
        OSError: If the local file can't be read.
    """
    with gcs_errors.explained(path, WRITE):
        _client().put_file(local_path, "/".join(split_gs(path)))


def remove(path: str) -> None:
    """Removes an object; one that is already gone is fine.

    Raises:
        StorageError: If it can't be removed.
    """
    with (
        contextlib.suppress(FileNotFoundError),
        gcs_errors.explained(path, REMOVE, absent_is_fine=True),
    ):
        _client().call("DELETE", "b/{}/o/{}", *split_gs(path))
