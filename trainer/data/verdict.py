"""Whether a train job on the data would fail, and what is worth a warning.

Each finding is one sentence with the next move.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from trainer.config.train import allow_bad_records
from trainer.data.copies import Copies, count_by_place
from trainer.data.label_range import LabelRange
from trainer.data.survey import Split, Status

MIN_CLASSES = 2
MAX_RUNS_SHOWN = 5
# Pixels of the shorter side in the median: five times the 224 that networks begin with,
# so that most pixels are decoded in vain.
LARGE_SIDE = 1200


class Verdict(NamedTuple):
    """Sentences: what would end a job, and what would only spoil its model."""

    failures: list[str]
    warnings: list[str]


def judge(splits: Sequence[Split], labels: LabelRange, copies: Copies) -> Verdict:
    """Draws the conclusions of a survey."""
    failures = [failure for split in splits for failure in _check_records(split)]
    failures += _check_labels(splits, labels)
    warnings = []
    for split in splits:
        warnings += [*_warn_of_records(split), *_warn_of_pictures(split)]
    warnings += _warn_of_labels(splits, labels)
    warnings += _warn_of_copies(splits, copies)
    return Verdict(failures, warnings)


def _check_records(split: Split) -> Iterator[str]:
    for file in split.bad_files:
        yield file.reason
    incomplete = [bad for bad in split.bad_records if bad.status == Status.INCOMPLETE]
    if incomplete:
        yield _with_more(f"{incomplete[0]}.", len(incomplete) - 1, "such records")
    if len(split.records) and not split.is_good.any():
        yield (
            f"{split.name} has no record that can be used, of {len(split.records):,}; "
            "write the files with task.py convert."
        )
    limit = allow_bad_records(len(split.records))
    if split.num_skipped > limit:
        yield (
            f"{split.name} has {split.num_skipped:,} bad records, more than the "
            f"{limit:,} that a job skips by default; write the files again, or leave "
            "those records out."
        )


def _check_labels(splits: Sequence[Split], labels: LabelRange) -> Iterator[str]:
    if not any(split.is_labelled.any() for split in splits):
        return
    if labels.num_classes < MIN_CLASSES:
        yield (
            f"The labels are of {labels.num_classes} class, expected two or more; add "
            "images of another class, or give --num_classes if the data lacks some."
        )
    if labels.is_mixed:
        number = labels.num_classes
        yield (
            f"image/class/label is 0 in {_find(splits, 0)} and {number} in "
            f"{_find(splits, number)}; with {number} classes ({labels.origin}) "
            f"expected 1..{number}, or 0..{number - 1}. Correct the labels or "
            "--num_classes."
        )
    for split in splits:
        wrong = find_out_of_range(split, labels)
        if len(wrong):
            label = split.records["label"][wrong[0]]
            yield _with_more(
                f"image/class/label is {label} in {split.describe(wrong[0])}; expected "
                f"{labels.first}..{labels.last} for {labels.num_classes} classes "
                f"({labels.origin}). Correct --num_classes or the labels.",
                len(wrong) - 1,
                "such labels",
            )


def find_out_of_range(split: Split, labels: LabelRange) -> np.ndarray:
    """Positions of records whose label is of no class; mixed ones have a say apart."""
    last = labels.num_classes if labels.is_mixed else labels.last
    found = split.records["label"]
    is_wrong = (found < labels.first) | (found > last)
    return np.flatnonzero(split.is_labelled & is_wrong)


def _find(splits: Sequence[Split], label: int) -> str:
    """Names the first record with a label, which is there."""
    for split in splits:
        found = np.flatnonzero(split.is_labelled & (split.records["label"] == label))
        if len(found):
            return split.describe(int(found[0]))
    raise AssertionError(label)


def _warn_of_records(split: Split) -> Iterator[str]:
    for lost in split.lost:
        yield str(lost)
    if 0 < split.num_skipped <= allow_bad_records(len(split.records)):
        yield (
            f"{split.name} has {_count(split.num_skipped, 'bad record')}, which a job "
            "skips; write the files again to have all."
        )


def _warn_of_pictures(split: Split) -> Iterator[str]:
    num_turned = int((split.records["orientation"] > 1).sum())
    if num_turned:
        yield (
            f"{split.name} has {_count(num_turned, 'picture')} turned by EXIF, which "
            "training and serving do not apply; task.py convert turns them upright."
        )
    records = split.records[split.is_good]
    shorter = np.minimum(records["width"], records["height"])
    if len(records) and np.median(shorter) >= LARGE_SIDE:
        yield (
            f"{split.name} has pictures of {np.median(shorter):,.0f} pixels on the "
            "shorter side in the median, which each epoch decodes again; task.py "
            "convert --max_shorter_side, at twice --image_size, makes them smaller."
        )


def _warn_of_labels(splits: Sequence[Split], labels: LabelRange) -> Iterator[str]:
    if labels.first == 0 and not labels.is_mixed:
        yield (
            "Labels count from 0, not from 1 as documented: class c of the model is "
            "label c. Give the job --label_offset=0 if this is meant; convert the data "
            "again if it is not."
        )
    for split in splits:
        runs = labels.find_missing(split.count_labels())
        if split.is_labelled.any() and runs and not labels.is_mixed:
            number = sum(last - first + 1 for first, last in runs)
            yield (
                f"{split.name} has no image for {number:,} of {labels.num_classes:,} "
                f"classes: {describe_runs(runs, labels)}; add some, or leave the "
                "classes out of --num_classes."
            )


def describe_runs(runs: Sequence[tuple[int, int]], labels: LabelRange) -> str:
    """For example "3 hat, 7 to 9"."""
    shown = [
        labels.describe(first) if first == last else f"{first} to {last}"
        for first, last in runs[:MAX_RUNS_SHOWN]
    ]
    more = len(runs) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _warn_of_copies(splits: Sequence[Split], copies: Copies) -> Iterator[str]:
    exact, near = count_by_place(copies.exact), count_by_place(copies.near)
    for place in sorted(set(exact) | set(near)):
        if len(place) == 2:
            first, second = (splits[position].name for position in place)
            yield (
                f"{_describe_copies(exact[place], near[place])} in both {first} and "
                f"{second}: what a model scores on them is no forecast; keep each in "
                "one split."
            )
    for noun, groups in (("picture", copies.exact), ("near duplicate", copies.near)):
        number = sum(group.has_conflict for group in groups)
        if number:
            yield (
                f"{_count(number, noun)} with more than one label; correct the labels, "
                "or leave the records out."
            )


def _describe_copies(num_exact: int, num_near: int) -> str:
    exact = _count(num_exact, "picture") if num_exact else ""
    near = f"{_count(num_near, 'near duplicate')}" if num_near else ""
    verb = "is" if num_exact + num_near == 1 else "are"
    return f"{' and '.join(filter(None, (exact, near)))} {verb}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _with_more(sentence: str, count: int, what: str) -> str:
    return f"{sentence.rstrip('.')} ({count:,} more {what})." if count else sentence
