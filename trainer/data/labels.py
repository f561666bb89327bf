"""Labels of all records, and whether they count from 1 or from 0.

Wrong labels look like learning that does not work, so every one is read before the
first step. Source: docs/contract.md, "Labels": Google's own page had both ranges.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from trainer import errors
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
    paths: Sequence[str],
    *,
    flag: str,
    max_bad_records: Callable[[int], int],
    cache: IndexCache,
) -> Split:
    """Reads and checks every record of the files that the cache does not know.

    Args:
        paths: TFRecord files.
        flag: Name of the flag that gave them.
        max_bad_records: Says how many bad ones so many records may have.
        cache: Takes what is found.

    Raises:
        DataError: If a file is no TFRecord file, a record lacks its picture or its
            label, or too many records are bad.
        StorageError: If a file can't be read.
    """
    contents = list(_read_shards(paths, cache))
    index = tfrecord.RecordIndex(paths, [content.shard for content in contents])
    num_records = len(index) + len(index.lost)
    bad = BadRecords(index, limit=max_bad_records(num_records), flag=flag)
    for shard, content in enumerate(contents):
        first = index.records_of(shard).start
        for record, reason in content.bad.items():
            bad.add(first + record, reason)
    return Split(index, np.concatenate([one.labels for one in contents]), bad)


def _read_shards(paths: Sequence[str], cache: IndexCache) -> Iterator[ShardContent]:
    shown_at = time.monotonic()
    for number, path in enumerate(paths):
        content = cache.find(path)
        if content is None:
            content = shard_content.read_shard(path)
            cache.add(path, content)
        if content.shard.lost:
            logging.warning("%s", content.shard.lost)
        if time.monotonic() - shown_at >= PROGRESS_SECS:
            logging.info("data  | %d of %d files read", number + 1, len(paths))
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
        _check_range(split, offset, num_classes)
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


def _check_range(split: Split, offset: int, num_classes: int) -> None:
    first, last = offset, offset + num_classes - 1
    is_wrong = (split.labels < first) | (split.labels > last)
    wrong = np.flatnonzero(is_wrong & (split.labels != NO_LABEL))
    if len(wrong):
        record = int(wrong[0])
        raise errors.DataError(
            f"image/class/label is {split.labels[record]} in "
            f"{split.index.describe(record)}; expected {first}..{last} for "
            f"--num_classes={num_classes}. Correct --num_classes or the labels"
            f"{_describe_more(len(wrong) - 1)}."
        )


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
