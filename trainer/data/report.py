"""What convert tells of a run: the manifest, and the table at the end."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from trainer.data import class_table, rows, shards


class Source(NamedTuple):
    """Everything there is to convert.

    `rows` can be read once. `ignored` counts the files that were passed over, by
    suffix, and is complete when all rows are read.
    """

    labels: list[str]
    rows: Iterator[rows.Row]
    splits: Sequence[str]
    ignored: Mapping[str, int]


class Written(NamedTuple):
    """What was written of one split: records by file, and images by label."""

    shards: dict[str, int]
    classes: dict[str, int]


def build_manifest(
    source: Source, written: Mapping[str, Written], skipped: Sequence[str]
) -> dict[str, Any]:
    """Says what was written, without times: the same input gives the same manifest."""
    names = [name for split in written.values() for name in split.shards]
    return {
        "complete": True,
        "files": [*names, shards.LABELS],
        "labels": source.labels,
        "splits": {
            split: {
                "images": sum(part.classes.values()),
                "classes": part.classes,
                "shards": part.shards,
            }
            for split, part in written.items()
        },
        "skipped": list(skipped),
        "ignored_files": dict(source.ignored),
    }


def log_summary(
    source: Source, written: Mapping[str, Written], skipped: Sequence[str]
) -> None:
    """Logs what was written, and everything that was not.

    Args:
        source: What there was to convert.
        written: What was written, by split.
        skipped: A sentence for each bad row.
    """
    for split, part in written.items():
        logging.info(
            "convert | %s | %d images | shards %d",
            split,
            sum(part.classes.values()),
            len(part.shards),
        )
    for line in format_classes(source.labels, written):
        logging.info("convert | %s", line)
    empty = [label for label, count in written["train"].classes.items() if not count]
    if empty:
        logging.warning(
            "convert | no image in train for class %s; the model can't learn it",
            ", ".join(empty),
        )
    if source.ignored:
        counts = ", ".join(f"{n} {kind}" for kind, n in sorted(source.ignored.items()))
        logging.info(
            "convert | %d files ignored, no images or in no class folder | %s",
            sum(source.ignored.values()),
            counts,
        )
    if skipped:
        logging.warning("convert | %d bad rows skipped:", len(skipped))
    for message in skipped:
        logging.warning("convert | skipped | %s", message)


def format_classes(
    labels: Sequence[str], written: Mapping[str, Written]
) -> Iterator[str]:
    """Yields a table: label, images in each split, and a bar of those in train."""
    counts = {
        split: [part.classes[label] for label in labels]
        for split, part in written.items()
    }
    yield from class_table.format_class_table(labels, counts, rest="see manifest.json")
