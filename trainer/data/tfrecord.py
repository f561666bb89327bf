"""Random access to TFRecord files: an index from the framing, and checked reads.

A record is: length, uint64; its checksum, uint32; data; the data's checksum, uint32.
All little-endian; checksums are masked CRC-32C. Source:
tensorflow.org/tutorials/load_data/tfrecord. Records count from 0.
"""

import array
import bisect
import contextlib
import dataclasses
import functools
import mmap
import os
import struct
from collections.abc import Callable, Sequence

import google_crc32c
import numpy as np

from trainer import errors

HEADER = struct.Struct("<QI")
LENGTH = struct.Struct("<Q")
FOOTER = struct.Struct("<I")
# Bytes of a record that are not its data.
FRAMING = HEADER.size + FOOTER.size
CRC_MASK = 0xA282EAD8
# Headers that are checked in one go: as many as stay in a processor's cache.
HEADERS_AT_ONCE = 1 << 14
# Files that stay open; of more, each read opens its own.
MAX_OPEN_FILES = 512

# Gives the local file to open for a path, which may be remote; the file stays while the
# context is open, and whoever opened it may read on. Messages name the path.
Resolve = Callable[[str], contextlib.AbstractContextManager[str]]

# First bytes of what is passed by mistake.
_FOREIGN_FORMATS = {
    b"\xff\xd8\xff": ("a JPEG picture", "convert the folder: task.py convert --help"),
    b"\x89PNG": ("a PNG picture", "convert the folder: task.py convert --help"),
    b"GIF8": ("a GIF picture", "convert the folder: task.py convert --help"),
    b"\x1f\x8b": ("gzip-compressed", "unpack it with gunzip"),
    b"PK\x03\x04": ("a zip archive", "unpack it, then see task.py convert --help"),
}


@dataclasses.dataclass(frozen=True)
class LostRest:
    """The end of a shard, out of reach since a length field before it is damaged."""

    path: str
    record: int
    offset: int
    num_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.path} is damaged at byte {self.offset}: the length of record "
            f"{self.record} does not fit its checksum, so the {self.num_bytes} bytes "
            "from there on can't be read; copy the file again from where it came from."
        )


@dataclasses.dataclass(frozen=True)
class ShardIndex:
    """Where the records of one file are.

    Attributes:
        spans: int64 [records, 2], offset and length of the data in bytes.
        lost: What can't be reached, if anything.
    """

    spans: np.ndarray
    lost: LostRest | None = None


class RecordIndex:
    """Where each record of some files is; grows as files are added."""

    def __init__(self, resolve: Resolve = contextlib.nullcontext) -> None:
        """Starts without files.

        Args:
            resolve: See `Resolve`.
        """
        self.lost: list[LostRest] = []
        self._resolve = resolve
        self._paths: list[str] = []
        self._spans: list[np.ndarray] = []
        # Of each file its first record, and at the end the number of all.
        self._bounds = [0]
        self._descriptors: dict[int, _Descriptor] = {}

    def add(self, path: str, shard: ShardIndex) -> range:
        """Appends a file.

        Args:
            path: The file, as users know it.
            shard: What `index_file` found in it.

        Returns:
            The numbers of its records.
        """
        first = self._bounds[-1]
        self._paths.append(path)
        self._spans.append(shard.spans)
        self._bounds.append(first + len(shard.spans))
        if shard.lost:
            self.lost.append(shard.lost)
        return range(first, self._bounds[-1])

    def __len__(self) -> int:
        return self._bounds[-1]

    @property
    def num_bytes(self) -> int:
        """Bytes of the data of all records."""
        return sum(int(spans[:, 1].sum()) for spans in self._spans)

    @property
    def num_index_bytes(self) -> int:
        """Bytes of memory that the places of the records take."""
        return sum(spans.nbytes for spans in self._spans)

    def read(self, record: int) -> bytes:
        """Reads one record's data; safe to call from several threads.

        Args:
            record: 0 up to but not including len(self).

        Raises:
            DamagedError: If it is not what its checksum says, or can't be read.
        """
        shard, number = self._find(record)
        offset, length = map(int, self._spans[shard][number])
        try:
            data = self._pread(shard, length, offset)
            # A read of its own is faster than to copy the data out of both.
            footer = self._pread(shard, FOOTER.size, offset + length)
        except OSError as error:
            raise errors.DamagedError(
                self.describe(record),
                f"can't be read ({error.strerror}); check that the file is still there",
            ) from error
        if footer != FOOTER.pack(_masked_crc(data)):
            raise errors.DamagedError(
                self.describe(record),
                "is damaged: its checksum does not fit; copy the file again from where "
                "it came from",
            )
        return data

    def describe(self, record: int) -> str:
        """Names a record: its file, and its position in it from 0."""
        path, number, _ = self.locate(record)
        return f"{path}, record {number}"

    def locate(self, record: int) -> tuple[str, int, int]:
        """The record's file, its position in it from 0, and where its data starts.

        The last one is in bytes from the start of the file.
        """
        shard, number = self._find(record)
        return self._paths[shard], number, int(self._spans[shard][number, 0])

    def close(self, path: str) -> None:
        """Holds a file open no longer; the next read of it opens it again."""
        for shard, known in enumerate(self._paths):
            if known == path:
                self._descriptors.pop(shard, None)

    def _find(self, record: int) -> tuple[int, int]:
        """Position of the file, and of the record in it."""
        shard = bisect.bisect_right(self._bounds, record) - 1
        return shard, record - self._bounds[shard]

    def _pread(self, shard: int, num_bytes: int, offset: int) -> bytes:
        descriptor = self._descriptors.get(shard)
        if descriptor is None:
            with self._resolve(self._paths[shard]) as local_path:
                descriptor = _Descriptor(local_path)
            if len(self._descriptors) < MAX_OPEN_FILES:
                # Of two threads that opened the same file, one keeps it.
                self._descriptors.setdefault(shard, descriptor)
        return os.pread(descriptor.number, num_bytes, offset)


class _Descriptor:
    """An open file; closed when the last reader lets go of it."""

    def __init__(self, path: str) -> None:
        self.number = -1
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)


def index_files(
    paths: Sequence[str], resolve: Resolve = contextlib.nullcontext
) -> RecordIndex:
    """Finds all records of files by their headers; data is not read.

    Args:
        paths: TFRecord files, one or more.
        resolve: See `Resolve`.

    Raises:
        DataError: If a file is empty, truncated, or no TFRecord file.
        StorageError: If a file can't be read.
    """
    index = RecordIndex(resolve)
    for path in paths:
        index.add(path, index_file(path, resolve))
    return index


def index_file(path: str, resolve: Resolve = contextlib.nullcontext) -> ShardIndex:
    """Finds the records of one file, up to a damaged length field if there is one.

    Args:
        path: The file, as users know it.
        resolve: See `Resolve`.

    Raises:
        DataError: If the file is empty, truncated, or no TFRecord file.
        StorageError: If the file can't be read.
    """
    try:
        with resolve(path) as local_path, open(local_path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise errors.DataError(
                    f"{path} is empty, expected TFRecord records; remove the file or "
                    "write it again."
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                shard = _scan(path, content)
    except OSError as error:
        raise errors.StorageError(
            f"{path} can't be read ({error.strerror}); check its rights."
        ) from error
    return shard


def _scan(path: str, content: mmap.mmap) -> ShardIndex:
    """Follows the lengths from the first record to the last, then checks them all.

    One look at a time costs a second for each million records; so the loop does no more
    than it must, and checksums are computed for many headers at once.
    """
    starts, end = _follow_lengths(content)
    positions = np.frombuffer(starts, np.int64)
    first_damaged = _find_damaged_header(content, positions)
    lost = None
    if first_damaged is not None:
        if not first_damaged:
            raise _not_a_record(path, content[:8])
        end = int(positions[first_damaged])
        lost = LostRest(path, first_damaged, end, len(content) - end)
        positions = positions[:first_damaged]
    elif end > len(content):
        raise _truncated(path, len(positions) - 1, len(content))
    elif end < len(content):
        raise _truncated(path, len(positions), len(content))
    return ShardIndex(place_records(np.diff(positions, append=end) - FRAMING), lost)


def place_records(lengths: np.ndarray) -> np.ndarray:
    """Where the data of consecutive records is.

    Args:
        lengths: int64 [records], bytes of data of each.

    Returns:
        `spans` of ShardIndex.
    """
    ends = np.cumsum(lengths + FRAMING)
    return np.stack([ends - lengths - FOOTER.size, lengths], axis=1)


def _follow_lengths(content: mmap.mmap) -> tuple["array.array[int]", int]:
    """Where each record starts, if all lengths are right, and where the last ends."""
    unpack, size = LENGTH.unpack_from, len(content)
    # 8 bytes a record, where a list would take 40.
    starts = array.array("q")
    position, last = 0, size - HEADER.size
    while position <= last:
        starts.append(position)
        position += unpack(content, position)[0] + FRAMING
    return starts, position


def _find_damaged_header(content: mmap.mmap, positions: np.ndarray) -> int | None:
    """The first record whose length does not fit its checksum."""
    if len(content) < HEADER.size:
        return None
    headers = np.lib.stride_tricks.sliding_window_view(
        np.frombuffer(content, np.uint8), HEADER.size
    )
    for first in range(0, len(positions), HEADERS_AT_ONCE):
        found = headers[positions[first : first + HEADERS_AT_ONCE]]
        stored = np.ascontiguousarray(found[:, LENGTH.size :]).view("<u4")[:, 0]
        damaged = np.flatnonzero(_length_crcs(found[:, : LENGTH.size]) != stored)
        if len(damaged):
            return first + int(damaged[0])
    return None


def _length_crcs(lengths: np.ndarray) -> np.ndarray:
    """Masked CRC-32C of uint8 [records, 8].

    A CRC is affine in its bits: what each byte adds to that of zeros can be looked up.
    """
    crcs = np.full(len(lengths), google_crc32c.value(bytes(LENGTH.size)), np.uint32)
    for place, table in enumerate(_length_tables()):
        crcs ^= table[lengths[:, place]]
    return (crcs >> 15 | crcs << 17) + np.uint32(CRC_MASK)


@functools.cache
def _length_tables() -> np.ndarray:
    """What each value of each of 8 bytes adds to a CRC-32C: uint32 [8, 256]."""
    zeros = google_crc32c.value(bytes(LENGTH.size))
    added = [
        google_crc32c.value(LENGTH.pack(value << 8 * place)) ^ zeros
        for place in range(LENGTH.size)
        for value in range(256)
    ]
    return np.array(added, np.uint32).reshape(LENGTH.size, 256)


def _truncated(path: str, num_records: int, num_bytes: int) -> errors.DataError:
    return errors.DataError(
        f"{path} is truncated: record {num_records} goes beyond its end at byte "
        f"{num_bytes}; copy the file again from where it came from."
    )


def _not_a_record(path: str, start: bytes) -> errors.DataError:
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
