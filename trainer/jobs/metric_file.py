"""Reads what a trial's cloudml-hypertune writes: one JSON object a line.

Source: docs/contract.md, "Trials"; github.com/GoogleCloudPlatform/cloudml-hypertune.
"""

import json
import math
from typing import Any, NamedTuple

from trainer import storage

# What a record has beside its metric.
_KEYS = {"checkpoint_path", "global_step", "timestamp", "trial"}


class Report(NamedTuple):
    """What was reported so far.

    Attributes:
        measurements: Steps to the metric that was asked for.
        other_tags: Names of all else that was reported.
        other_steps: Steps at which it was.
    """

    measurements: dict[int, float]
    other_tags: frozenset[str]
    other_steps: frozenset[int]


def read(path: str, tag: str) -> Report:
    """Reads a metric file, which may be being written.

    Args:
        path: A local file; one that is not there has no records.
        tag: The metric that is asked for.
    """
    measurements: dict[int, float] = {}
    others: set[str] = set()
    other_steps: set[int] = set()
    content = storage.read_bytes(path) or b""
    for line in content.splitlines():
        record = _parse(line)
        step = int(_parse_number(record.get("global_step")) or 0)
        value = _parse_number(record.get(tag))
        if value is not None:
            measurements[step] = value
        elif found := record.keys() - _KEYS - {tag}:
            others.update(found)
            other_steps.add(step)
    return Report(measurements, frozenset(others), frozenset(other_steps))


def _parse(line: bytes) -> dict[str, Any]:
    """The record; empty if the line is not whole yet."""
    try:
        record = json.loads(line)
    # A RecursionError comes of a thousand brackets.
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _parse_number(text: Any) -> float | None:
    """The number, or None if there is none or it is not finite."""
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None
