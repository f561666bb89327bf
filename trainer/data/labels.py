"""Labels of all records, and whether they count from 1 or from 0.

Wrong labels look like learning that does not work, so every one is read before the
first step. Source: docs/contract.md, "Labels": Google's own page had both ranges.
"""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from trainer import errors, storage
from trainer.data import shard_content, tfrecord
from trainer.data.bad_records import BadRecords
from trainer.data.index_cache import IndexCache
from trainer.data.shard_content import NO_LABEL, ShardContent

PROGRESS_SECS = 10.0


@dataclasses.dataclass(frozen=True)
class Split:
    """Records and their labels.

    Attributes:
        index: The records.
        labels: int64 [records], as in the data; NO_LABEL where the record is bad.
        bad: The bad records.
    """

    index: tfrecord.RecordIndex
    labels: np.ndarray
    bad: BadRecords


def read_split(
    files: Sequence[storage.StoredFile],
    *,
    flag: str,
    max_bad_records: Callable[[int], int],
    cache: IndexCache,
    resolve: tfrecord.Resolve = contextlib.nullcontext,
) -> Split:
    """Reads and checks every record of the files that the cache does not know.

    Args:
        files: TFRecord files.
        flag: Name of the flag that gave them.
        max_bad_records: Says how many bad ones so many records may have.
        cache: Takes what is found.
        resolve: See tfrecord.Resolve.

    Raises:
        DataError: If a file is no TFRecord file, a record lacks its picture or its
            label, or too many records are bad.
        StorageError: If a file can't be read.
    """
    contents = list(_read_shards(files, cache, resolve))
    index = tfrecord.RecordIndex(resolve)
    added = [
        index.add(file.path, content.shard)
        for file, content in zip(files, contents, strict=True)
    ]
    bad = BadRecords(index, max_bad_records=max_bad_records, flag=flag)
    for records, content in zip(added, contents, strict=True):
        report_damage(content, records, bad)
    return Split(index, np.concatenate([one.labels for one in contents]), bad)


def report_damage(content: ShardContent, records: range, bad: BadRecords) -> None:
    """Counts and names what can't be used of a file.

    Args:
        content: What the file holds.
        records: Numbers of its records in the split's index.
        bad: The bad records of the split.

    Raises:
        DataError: If there are too many by now.
    """
    if content.shard.lost:
        bad.add_lost(content.shard.lost)
    for record, reason in content.bad.items():
        bad.add(records.start + record, reason)


def _read_shards(
    files: Sequence[storage.StoredFile], cache: IndexCache, resolve: tfrecord.Resolve
) -> Iterator[ShardContent]:
    shown_at = time.monotonic()
    for number, file in enumerate(files):
        content = cache.find(file)
        if content is None:
            content = shard_content.read_shard(file.path, resolve)
            cache.add(file, content)
        if time.monotonic() - shown_at >= PROGRESS_SECS:
            logging.info("data  | %d of %d files read", number + 1, len(files))
            shown_at = time.monotonic()
        yield content


def resolve_label_offset(
    splits: Mapping[str, Split], *, num_classes: int, label_offset: str
) -> int:
    """Decides which label is the first class.

    Args:
        splits: Flag name of the path to the split.
        num_classes: 2 or more.
        label_offset: "0", "1" or "auto": 1 unless there is a label 0 and none equal to
            num_classes.

    Returns:
        0 or 1.

    Raises:
        DataError: If a label is out of range, or 0 and num_classes are both there.
    """
    offset = _detect_offset(splits, num_classes) if label_offset == "auto" else None
    if offset is None:
        offset = int(label_offset)
    for split in splits.values():
        check_range(split.labels, split.index.describe, offset, num_classes)
    _warn_of_missing_classes(splits, offset, num_classes)
    return offset


def _detect_offset(splits: Mapping[str, Split], num_classes: int) -> int:
    zero = _find(splits, 0)
    if zero is None:
        return 1
    last = _find(splits, num_classes)
    if last is not None:
        raise errors.DataError(
            f"image/class/label is 0 in {zero} and {num_classes} in {last}; with "
            f"--num_classes={num_classes} expected 1..{num_classes}, or "
            f"0..{num_classes - 1}. Correct the labels or --num_classes."
        )
    logging.warning(
        "Labels count from 0 (%s), not from 1 as documented: class c of the model is "
        "label c. Give --label_offset=0 if this is meant; convert the data again if it "
        "is not.",
        zero,
    )
    return 0


def _find(splits: Mapping[str, Split], label: int) -> str | None:
    """Names the first record with a label."""
    for split in splits.values():
        records = np.flatnonzero(split.labels == label)
        if len(records):
            return split.index.describe(int(records[0]))
    return None


def check_range(
    labels: np.ndarray, describe: Callable[[int], str], offset: int, num_classes: int
) -> None:
    """Checks that labels are classes.

    Args:
        labels: int64 [records]; NO_LABEL where a record is bad.
        describe: Names the record at a position.
        offset: Label of the first class.
        num_classes: Number of classes.

    Raises:
        DataError: If one is not.
    """
    first, last = offset, offset + num_classes - 1
    is_wrong = (labels < first) | (labels > last)
    wrong = np.flatnonzero(is_wrong & (labels != NO_LABEL))
    if len(wrong):
        record = int(wrong[0])
        raise errors.DataError(
            f"image/class/label is {labels[record]} in {describe(record)}; expected "
            f"{first}..{last} for --num_classes={num_classes}. Correct --num_classes "
            f"or the labels{_describe_more(len(wrong) - 1)}."
        )


def count_classes(labels: np.ndarray, offset: int, num_classes: int) -> np.ndarray:
    """Counts the records of each class.

    Args:
        labels: int64 [records], in range; NO_LABEL where a record is bad.
        offset: Label of the first class.
        num_classes: Number of classes.

    Returns:
        int64 [num_classes].
    """
    return np.bincount(labels[labels != NO_LABEL] - offset, minlength=num_classes)


def _describe_more(count: int) -> str:
    return f" ({count} more records have such labels)" if count else ""


def _warn_of_missing_classes(
    splits: Mapping[str, Split], offset: int, num_classes: int
) -> None:
    for flag, split in splits.items():
        present = set(np.unique(split.labels).tolist()) - {NO_LABEL}
        num_seen = len(present)
        if num_seen < num_classes:
            missing = next(
                label
                for label in range(offset, offset + num_classes)
                if label not in present
            )
            logging.warning(
                "--%s has images of %d classes only, of --num_classes=%d; label %d is "
                "the first that it lacks.",
                flag,
                num_seen,
                num_classes,
                missing,
            )
