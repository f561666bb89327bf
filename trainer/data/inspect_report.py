"""What `inspect` found, as a page for people: aligned, and long lists cut."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from trainer.data import class_table, text_table
from trainer.data.copies import Copies, Copy, Group, count_by_place
from trainer.data.label_range import LabelRange
from trainer.data.survey import Split
from trainer.data.verdict import Verdict

MAX_SHOWN = 5
MAX_GROUPS_SHOWN = 3
MAX_MEMBERS_SHOWN = 3
BYTES_PER_MB = 1_000_000
_INDENT = "  "
_PlaceT = TypeVar("_PlaceT")


class Survey(NamedTuple):
    """All that `inspect` found."""

    splits: Sequence[Split]
    labels: LabelRange
    copies: Copies
    verdict: Verdict


def format_report(survey: Survey) -> str:
    """The page; ends with whether a train job would run."""
    sections = [
        _format_splits(survey.splits),
        _format_classes(survey),
        _format_pictures(survey.splits),
        _format_turned(survey.splits),
        _format_bad(survey.splits),
        _format_copies(survey),
        _format_conflicts(survey),
        _format_verdict(survey.verdict),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _format_splits(splits: Sequence[Split]) -> list[str]:
    rows = [["", "records", "bad", "files", "bad files", "MB"]]
    rows += [
        [
            split.name,
            f"{len(split.records):,}",
            f"{len(split.bad_records):,}",
            f"{len(split.paths) + len(split.bad_files):,}",
            f"{len(split.bad_files):,}",
            f"{split.num_bytes / BYTES_PER_MB:,.1f}",
        ]
        for split in splits
    ]
    return text_table.align(rows)


def _format_classes(survey: Survey) -> list[str]:
    labels = survey.labels
    if labels.num_classes < 1:
        return []
    shown = range(labels.first, labels.last + 1)
    width = len(str(shown[: class_table.MAX_CLASSES_SHOWN][-1]))
    names = [_name_class(labels, label, width) for label in shown]
    counts = {}
    for split in survey.splits:
        found = split.count_labels()
        counts[split.name] = [found.get(label, 0) for label in shown]
    base = "0 and 1 mixed" if labels.is_mixed else str(labels.first)
    return [
        f"{labels.num_classes:,} classes (from {labels.origin}), labels count from "
        f"{base}",
        *class_table.format_class_table(names, counts, rest="see --json"),
    ]


def _name_class(labels: LabelRange, label: int, width: int) -> str:
    number, _, name = labels.describe(label).partition(" ")
    return f"{number:>{width}} {name}".rstrip()


def _format_pictures(splits: Sequence[Split]) -> list[str]:
    rows = [["pictures", *(split.name for split in splits)]]
    for name, counters in (
        ("format", [split.formats for split in splits]),
        ("colour", [split.modes for split in splits]),
    ):
        for value in sorted({value for counter in counters for value in counter}):
            numbers = [f"{counter[value]:,}" for counter in counters]
            rows.append([f"{name} {value}", *numbers])
    for side in ("width", "height"):
        for statistic in ("min", "median", "max"):
            numbers = [
                f"{sizes[statistic]:,}" if (sizes := summarize(split, side)) else "-"
                for split in splits
            ]
            rows.append([f"{side} {statistic}", *numbers])
    return text_table.align(rows)


def summarize(split: Split, side: str) -> dict[str, int]:
    """Smallest, median and largest `width` or `height`; empty if none is known."""
    sizes = split.records[side]
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return {}
    return {
        "min": int(sizes.min()),
        "median": int(np.median(sizes)),
        "max": int(sizes.max()),
    }


def _format_turned(splits: Sequence[Split]) -> list[str]:
    turned = [
        (split, record)
        for split in splits
        for record in np.flatnonzero(split.records["orientation"] > 1).tolist()
    ]
    return _format_places(
        "turned by EXIF", turned, lambda place: place[0].describe(place[1])
    )


def _format_bad(splits: Sequence[Split]) -> list[str]:
    bad = [one for split in splits for one in split.bad_records]
    return _format_places("bad records", bad, str)


def _format_places(
    title: str, places: Sequence[_PlaceT], describe: Callable[[_PlaceT], str]
) -> list[str]:
    """A list of some length under its title, or nothing."""
    if not places:
        return []
    lines = [f"{title}: {len(places):,}"]
    lines += [_INDENT + describe(place) for place in places[:MAX_SHOWN]]
    if len(places) > MAX_SHOWN:
        lines.append(f"{_INDENT}and {len(places) - MAX_SHOWN:,} more, see --json")
    return lines


def _format_copies(survey: Survey) -> list[str]:
    exact = count_by_place(survey.copies.exact)
    near = count_by_place(survey.copies.near)
    places = sorted(set(+exact) | set(+near), key=lambda place: (len(place), place))
    if not places:
        return ["duplicates: none"]
    rows = [["pictures that are there twice or more", "exact", "near"]]
    rows += [
        [_name_place(survey.splits, place), f"{exact[place]:,}", f"{near[place]:,}"]
        for place in places
    ]
    return [*text_table.align(rows), *_format_groups(survey.splits, survey.copies)]


def _name_place(splits: Sequence[Split], place: tuple[int, ...]) -> str:
    names = " and ".join(splits[position].name for position in place)
    return f"in {'both ' if len(place) > 1 else ''}{names}"


def _format_groups(splits: Sequence[Split], copies: Copies) -> Iterator[str]:
    for kind, groups in (("exact", copies.exact), ("near", copies.near)):
        # What is in two splits spoils the evaluation, so it is shown first.
        ordered = sorted(groups, key=lambda group: -len(group.splits))
        for group in ordered[:MAX_GROUPS_SHOWN]:
            yield f"{_INDENT}{kind}:"
            yield from _format_members(splits, group)
        more = len(ordered) - MAX_GROUPS_SHOWN
        if more > 0:
            yield f"{_INDENT}and {more:,} more {kind}, see --json"


def _format_members(splits: Sequence[Split], group: Group) -> Iterator[str]:
    for member in group.members[:MAX_MEMBERS_SHOWN]:
        yield 2 * _INDENT + splits[member.split].describe(member.record)
    if len(group.members) > MAX_MEMBERS_SHOWN:
        yield f"{2 * _INDENT}and {len(group.members) - MAX_MEMBERS_SHOWN:,} more"


def _format_conflicts(survey: Survey) -> list[str]:
    conflicts = [one for one in survey.copies if one[1].has_conflict]

    def describe(conflict: tuple[str, Group]) -> str:
        kind, group = conflict
        lines = [
            f"{2 * _INDENT}{survey.splits[member.split].describe(member.record)} is "
            f"{survey.labels.describe(member.label)}"
            for member in _pick_contrary(group)
        ]
        return "\n".join([f"{kind}:", *lines])

    return _format_places("one picture, different labels", conflicts, describe)


def _pick_contrary(group: Group) -> list[Copy]:
    """One member of each label, the first ones."""
    first = {member.label: member for member in reversed(group.members)}
    return sorted(first.values())[:MAX_MEMBERS_SHOWN]


def _format_verdict(verdict: Verdict) -> list[str]:
    lines = [f"warning: {warning}" for warning in verdict.warnings]
    if not verdict.failures:
        return [*lines, "A train job on this data would run."]
    return [
        *lines,
        "A train job on this data would fail:",
        *(_INDENT + failure for failure in verdict.failures),
    ]
