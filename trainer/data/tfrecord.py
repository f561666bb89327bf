"""Random access to TFRecord files: an index from the framing, and checked reads.

A record is: length, uint64; its checksum, uint32; data; the data's checksum, uint32.
All little-endian; checksums are masked CRC-32C. Source:
tensorflow.org/tutorials/load_data/tfrecord. Records count from 0.
"""

import mmap
import os
import struct
import weakref
from collections.abc import Iterator, Sequence

import google_crc32c
import numpy as np

from trainer import errors

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")
CRC_MASK = 0xA282EAD8
# Files that stay open; of more, each read opens its own.
MAX_OPEN_FILES = 512

# First bytes of what is passed by mistake.
_FOREIGN_FORMATS = {
    b"\xff\xd8\xff": ("a JPEG picture", "convert the folder: task.py convert --help"),
    b"\x89PNG": ("a PNG picture", "convert the folder: task.py convert --help"),
    b"GIF8": ("a GIF picture", "convert the folder: task.py convert --help"),
    b"\x1f\x8b": ("gzip-compressed", "unpack it with gunzip"),
    b"PK\x03\x04": ("a zip archive", "unpack it, then see task.py convert --help"),
}


class RecordIndex:
    """Where each record of some files is."""

    def __init__(
        self, paths: Sequence[str], shards: np.ndarray, spans: np.ndarray
    ) -> None:
        """Takes what `index_files` found.

        Args:
            paths: The files.
            shards: int32 [records], position in `paths`.
            spans: int64 [records, 2], offset and length of the data in bytes.
        """
        self.paths = list(paths)
        self._shards = shards
        self._spans = spans
        self._descriptors: dict[int, int] = {}
        weakref.finalize(self, _close_all, self._descriptors)

    def __len__(self) -> int:
        return len(self._shards)

    def read(self, record: int) -> bytes:
        """Reads one record's data; safe to call from several threads.

        Args:
            record: 0 up to but not including len(self).

        Raises:
            DataError: If it is not what its checksum says, or can't be read.
        """
        shard = int(self._shards[record])
        offset, length = map(int, self._spans[record])
        try:
            framed = self._pread(shard, length + FOOTER.size, offset)
        except OSError as error:
            raise errors.DataError(
                f"{self.describe(record)} can't be read ({error.strerror}); check that "
                "the file is still there."
            ) from error
        data = framed[:length]
        if framed[length:] != FOOTER.pack(_masked_crc(data)):
            raise errors.DataError(
                f"{self.describe(record)} is damaged: its checksum does not fit; copy "
                "the file again from where it came from."
            )
        return data

    def describe(self, record: int) -> str:
        """Names a record: its file, and its position in it from 0."""
        shard = self._shards[record]
        first = int(np.searchsorted(self._shards, shard))
        return f"{self.paths[shard]}, record {record - first}"

    def _pread(self, shard: int, num_bytes: int, offset: int) -> bytes:
        descriptor = self._descriptors.get(shard)
        if descriptor is not None:
            return os.pread(descriptor, num_bytes, offset)
        descriptor = os.open(self.paths[shard], os.O_RDONLY)
        data = os.pread(descriptor, num_bytes, offset)
        has_room = len(self._descriptors) < MAX_OPEN_FILES
        # Of two threads that opened the same file, one keeps it.
        if (
            not has_room
            or self._descriptors.setdefault(shard, descriptor) != descriptor
        ):
            os.close(descriptor)
        return data


def index_files(paths: Sequence[str]) -> RecordIndex:
    """Finds all records by their headers; data is not read.

    Args:
        paths: Local TFRecord files, one or more.

    Raises:
        DataError: If a file is empty, truncated, or no TFRecord file.
        StorageError: If a file can't be read.
    """
    spans = [_index_file(path) for path in paths]
    counts = [len(found) for found in spans]
    shards = np.repeat(np.arange(len(paths), dtype=np.int32), counts)
    return RecordIndex(paths, shards, np.concatenate(spans))


def _index_file(path: str) -> np.ndarray:
    """Spans of one file's records: int64 [records, 2]."""
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise errors.DataError(
                    f"{path} is empty, expected TFRecord records; remove the file or "
                    "write it again."
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return np.array(list(_scan(path, content)), np.int64)
    except OSError as error:
        raise errors.StorageError(
            f"{path} can't be read ({error.strerror}); check its rights."
        ) from error


def _scan(path: str, content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yields offset and length of each record's data."""
    position, num_records = 0, 0
    while position < len(content):
        if position + HEADER.size > len(content):
            raise _truncated(path, num_records, len(content))
        length, checksum = HEADER.unpack_from(content, position)
        if checksum != _masked_crc(content[position : position + 8]):
            raise _not_a_record(path, content[:8], num_records, position)
        position += HEADER.size
        if position + length + FOOTER.size > len(content):
            raise _truncated(path, num_records, len(content))
        yield position, length
        position += length + FOOTER.size
        num_records += 1


def _truncated(path: str, num_records: int, num_bytes: int) -> errors.DataError:
    return errors.DataError(
        f"{path} is truncated: record {num_records} goes beyond its end at byte "
        f"{num_bytes}; copy the file again from where it came from."
    )


def _not_a_record(
    path: str, start: bytes, num_records: int, position: int
) -> errors.DataError:
    if num_records:
        return errors.DataError(
            f"{path} is damaged at byte {position}: the length of record {num_records} "
            "does not fit its checksum; copy the file again from where it came from."
        )
    for magic, (what, move) in _FOREIGN_FORMATS.items():
        if start.startswith(magic):
            return errors.DataError(
                f"{path} is {what}, expected a TFRecord file; {move}."
            )
    return errors.DataError(
        f"{path} is no TFRecord file: it starts with {start!r}; check the path."
    )


def frame(data: bytes) -> bytes:
    """One record as it is in a file; files are nothing but such records."""
    length = len(data).to_bytes(8, "little")
    return b"".join(
        [
            HEADER.pack(len(data), _masked_crc(length)),
            data,
            FOOTER.pack(_masked_crc(data)),
        ]
    )


def _masked_crc(data: bytes) -> int:
    """CRC-32C, rotated and shifted so that checksums of checksums stay sound."""
    crc = int(google_crc32c.value(data))
    return ((crc >> 15 | crc << 17) + CRC_MASK) & 0xFFFFFFFF


def _close_all(descriptors: dict[int, int]) -> None:
    for descriptor in descriptors.values():
        os.close(descriptor)
