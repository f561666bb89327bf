"""What `inspect` knows of each record and each split. No TensorFlow.

A record takes 56 bytes, so that millions of them fit.
"""

import dataclasses
import enum
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainer.data.tfrecord import LostRest
from trainer.storage import StoredFile


class Status(enum.IntEnum):
    """What became of a record; all but GOOD are bad."""

    GOOD = 0
    DAMAGED = 1
    BROKEN = 2
    INCOMPLETE = 3
    UNDECODABLE = 4
    OVERSIZED = 5


# Damaged, broken and incomplete records have no label.
LABELLED = (Status.GOOD, Status.UNDECODABLE, Status.OVERSIZED)

# One record. `digest` is the hash of the encoded picture; `perceptual` and `colours`
# are those of fingerprints.py, `is_plain` means that they say nothing; `orientation` is
# EXIF's, 1 for upright. Fields that a status lacks are 0.
RECORD = np.dtype(
    [
        ("status", "u1"),
        ("orientation", "u1"),
        ("is_plain", "?"),
        ("colours", "u1", 12),
        ("label", "i8"),
        ("width", "i4"),
        ("height", "i4"),
        ("digest", "u8", 2),
        ("perceptual", "u8"),
    ]
)


class BadRecord(NamedTuple):
    """A record that can't be used, and why; the reason follows on its name."""

    path: str
    record: int
    offset: int
    status: Status
    reason: str

    def __str__(self) -> str:
        return f"{self.path}, record {self.record} (byte {self.offset}) {self.reason}"


class BadFile(NamedTuple):
    """A file of which nothing can be read, and why; `reason` names it."""

    path: str
    reason: str


@dataclasses.dataclass
class Chunk:
    """What was found in some records that follow each other.

    Attributes:
        records: RECORD [records].
        bad: Those that can't be used.
        formats: Pictures by file format.
        modes: Pictures by colour mode.
    """

    records: np.ndarray
    bad: list[BadRecord]
    formats: Counter[str]
    modes: Counter[str]


@dataclasses.dataclass
class Split:
    """The files of one --data_path, and what was found in them.

    Attributes:
        name: For example "train".
        pattern: What --data_path gave.
        files: All its files, as listed.
        paths: Those that have records, and in `file_records` how many.
        lost: Ends of files that a damaged length makes unreadable.
        records: RECORD [records], in the order of the files.
    """

    name: str
    pattern: str
    files: Sequence[StoredFile] = ()
    paths: list[str] = dataclasses.field(default_factory=list)
    file_records: list[int] = dataclasses.field(default_factory=list)
    bad_files: list[BadFile] = dataclasses.field(default_factory=list)
    lost: list[LostRest] = dataclasses.field(default_factory=list)
    bad_records: list[BadRecord] = dataclasses.field(default_factory=list)
    records: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0, RECORD))
    formats: Counter[str] = dataclasses.field(default_factory=Counter)
    modes: Counter[str] = dataclasses.field(default_factory=Counter)

    @property
    def num_bytes(self) -> int:
        """Size of all files, also of bad ones."""
        return sum(file.num_bytes for file in self.files)

    @property
    def num_skipped(self) -> int:
        """What a job skips: bad records and lost ends, but no incomplete records."""
        bad = [one for one in self.bad_records if one.status != Status.INCOMPLETE]
        return len(bad) + len(self.lost)

    def locate(self, record: int) -> tuple[str, int]:
        """The record's file, and its position in it from 0."""
        ends = np.cumsum(self.file_records)
        file = int(np.searchsorted(ends, record, side="right"))
        return self.paths[file], int(record - ends[file] + self.file_records[file])

    def describe(self, record: int) -> str:
        """Names a record as training does."""
        path, number = self.locate(record)
        return f"{path}, record {number}"

    @property
    def is_good(self) -> np.ndarray:
        """Bool [records]: whether training can use it."""
        return np.asarray(self.records["status"] == Status.GOOD)

    @property
    def is_labelled(self) -> np.ndarray:
        """Bool [records]: whether its label could be read."""
        return np.isin(self.records["status"], LABELLED)

    def count_labels(self) -> dict[int, int]:
        """Records by label, as in the data, in the order of the labels."""
        labels, counts = np.unique(
            self.records["label"][self.is_labelled], return_counts=True
        )
        return dict(zip(labels.tolist(), counts.tolist(), strict=True))
