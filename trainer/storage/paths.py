"""What kind of place a path is, and what is known of a file there."""

import dataclasses
import os

from trainer import errors

GS = "gs://"
# Where Vertex AI mounts buckets (Cloud Storage FUSE).
MOUNTED_BUCKETS = "/gcs/"


@dataclasses.dataclass(frozen=True)
class StoredFile:
    """A file as a listing shows it.

    Attributes:
        path: As users write it, gs:// included.
        num_bytes: Its size.
        generation: Another one if the content is: Cloud Storage's number, or of a
            local file the time of its modification in nanoseconds.
        crc32c: Cloud Storage's checksum, base64 of four bytes; empty if not known.
    """

    path: str
    num_bytes: int
    generation: str = ""
    crc32c: str = ""


def is_gs(path: str) -> bool:
    """True for an object of Cloud Storage, which only its client reaches."""
    return path.startswith(GS)


def is_mounted(path: str) -> bool:
    """True below a mounted bucket: objects appear on close, nothing is renamed."""
    return os.path.abspath(path).startswith(MOUNTED_BUCKETS)


def takes_whole_files(path: str) -> bool:
    """True where a file can't grow or be renamed: Cloud Storage, mounted or not."""
    return is_gs(path) or is_mounted(path)


def split_gs(path: str) -> tuple[str, str]:
    """Bucket and object name; the name is empty for the bucket itself.

    Raises:
        StorageError: If the path names no bucket.
    """
    bucket, _, name = path.removeprefix(GS).partition("/")
    if not bucket:
        raise errors.StorageError(
            f"{path} names no bucket, expected gs://BUCKET/PATH; correct the path."
        )
    return bucket, name


def absolute(path: str) -> str:
    """The path as another process would have to write it."""
    return path if "://" in path else os.path.abspath(path)


def is_within(path: str, directory: str) -> bool:
    """True for a directory and what is below it, a bucket's and its mount's alike."""
    place, root = _locate(path), _locate(directory).rstrip("/")
    return f"{place}/".startswith(f"{root}/")


def _locate(path: str) -> str:
    """The path without links, and of a bucket the one below its mount."""
    if not is_gs(path):
        return os.path.realpath(path)
    return f"{MOUNTED_BUCKETS}{'/'.join(split_gs(path))}".rstrip("/")
