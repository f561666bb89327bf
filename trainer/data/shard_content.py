"""What one read of a whole TFRecord file finds: its records, labels and damage."""

import contextlib
import dataclasses
from collections.abc import Mapping

import numpy as np

from trainer import errors
from trainer.data import examples, tfrecord

# In place of the label of a bad record; no int64 of real data comes near.
NO_LABEL = int(np.iinfo(np.int64).min)
# Records that are parsed in one call.
READ_BATCH = 512


@dataclasses.dataclass(frozen=True)
class ShardContent:
    """The records of one file.

    Attributes:
        shard: Where they are.
        labels: int64 [records], as in the data; NO_LABEL where the record is bad.
        bad: Record number to what is wrong with it.
    """

    shard: tfrecord.ShardIndex
    labels: np.ndarray
    bad: Mapping[int, str]


def read_shard(
    path: str, resolve: tfrecord.Resolve = contextlib.nullcontext
) -> ShardContent:
    """Reads and checks every record of a file.

    Args:
        path: The file, as users know it.
        resolve: See tfrecord.Resolve.

    Raises:
        DataError: If it is no TFRecord file, or a record lacks its picture or label.
        StorageError: If it can't be read.
    """
    shard = tfrecord.index_file(path, resolve)
    index = tfrecord.RecordIndex(resolve)
    index.add(path, shard)
    labels = np.full(len(index), NO_LABEL)
    bad: dict[int, str] = {}
    for start in range(0, len(index), READ_BATCH):
        good = _read_records(index, start, bad)
        found = _parse_labels(index, good, bad)
        labels[list(found)] = list(found.values())
    return ShardContent(shard, labels, bad)


def _read_records(
    index: tfrecord.RecordIndex, start: int, bad: dict[int, str]
) -> dict[int, bytes]:
    """The undamaged ones of the next records."""
    good = {}
    for record in range(start, min(start + READ_BATCH, len(index))):
        try:
            good[record] = index.read(record)
        except errors.DamagedError as error:
            bad[record] = error.reason
    return good


def _parse_labels(
    index: tfrecord.RecordIndex, serialized: dict[int, bytes], bad: dict[int, str]
) -> dict[int, int]:
    labels = examples.parse_labels(list(serialized.values()))
    if labels is not None:
        return dict(zip(serialized, labels, strict=True))
    found = {}
    for record, data in serialized.items():
        label = examples.parse_label(data, index.describe(record))
        if label is None:
            bad[record] = examples.BROKEN
        else:
            found[record] = label
    return found
