"""What `inspect` found, for programs: complete lists. docs/contract.md has the keys."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from trainer.data import duplicates, verdict
from trainer.data.copies import Group
from trainer.data.inspect_report import Survey, summarize
from trainer.data.label_range import LabelRange
from trainer.data.survey import Split


def format_json(survey: Survey) -> str:
    """A JSON object, indented, with a line's end."""
    labels, copies = survey.labels, survey.copies
    document = {
        "would_run": not survey.verdict.failures,
        "failures": survey.verdict.failures,
        "warnings": survey.verdict.warnings,
        "labels": {
            "base": "mixed" if labels.is_mixed else labels.first,
            "num_classes": labels.num_classes,
            "num_classes_from": labels.origin,
            "names": list(labels.names),
        },
        "splits": {
            split.name: _describe_split(split, labels) for split in survey.splits
        },
        "duplicates": {
            "max_hash_distance": duplicates.MAX_HASH_DISTANCE,
            "max_colour_distance": duplicates.MAX_COLOUR_DISTANCE,
            "exact": [_describe_group(survey.splits, group) for group in copies.exact],
            "near": [_describe_group(survey.splits, group) for group in copies.near],
        },
        "conflicting_labels": [
            {"kind": kind, "records": _describe_group(survey.splits, group)}
            for kind, group in copies
            if group.has_conflict
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _describe_split(split: Split, labels: LabelRange) -> dict[str, Any]:
    counts = split.count_labels()
    turned = np.flatnonzero(split.records["orientation"] > 1)
    return {
        "pattern": split.pattern,
        "files": len(split.paths) + len(split.bad_files),
        "bytes": split.num_bytes,
        "records": len(split.records),
        "records_by_label": {str(label): count for label, count in counts.items()},
        "missing_labels": [list(run) for run in labels.find_missing(counts)],
        "formats": dict(split.formats),
        "colour_modes": dict(split.modes),
        "width": summarize(split, "width"),
        "height": summarize(split, "height"),
        "turned_by_exif": list(_list_records(split, turned, "orientation")),
        "labels_out_of_range": list(
            _list_records(split, verdict.find_out_of_range(split, labels), "label")
        ),
        "bad_records": [
            {
                "path": bad.path,
                "record": bad.record,
                "offset": bad.offset,
                "kind": bad.status.name.lower(),
                "reason": bad.reason,
            }
            for bad in split.bad_records
        ],
        "bad_files": [file._asdict() for file in split.bad_files],
        "lost": [dataclasses.asdict(lost) for lost in split.lost],
    }


def _list_records(
    split: Split, records: np.ndarray, field: str
) -> Iterator[dict[str, Any]]:
    for record in records.tolist():
        path, number = split.locate(record)
        value = int(split.records[field][record])
        yield {"path": path, "record": number, field: value}


def _describe_group(splits: Sequence[Split], group: Group) -> list[dict[str, Any]]:
    described = []
    for member in group.members:
        split = splits[member.split]
        path, record = split.locate(member.record)
        described.append(
            {
                "split": split.name,
                "path": path,
                "record": record,
                "label": member.label,
            }
        )
    return described
