"""The word inspect: reads all records once, in parallel, and says what is in them.

Owns the order of things.
"""

import contextlib
import logging
import os
import re
import sys
import time
from collections.abc import Sequence

import numpy as np

from trainer import config, storage
from trainer.data import (
    copies,
    inspect_json,
    inspect_plan,
    inspect_reading,
    inspect_report,
    label_range,
    record_progress,
    shard_cache,
    verdict,
)
from trainer.data.shard_cache import ShardCache
from trainer.data.survey import Split

LABELS = "labels.txt"
EXIT_JOB_WOULD_RUN = 0
EXIT_JOB_WOULD_FAIL = 1


def run(job: config.InspectConfig) -> int:
    """Prints the report, and writes it as JSON if asked to.

    Args:
        job: What to read.

    Returns:
        The exit code: 0 if a train job on the data would run, else 1.

    Raises:
        StorageError: If a path matches nothing, or can't be read or written.
        DataError: If a worker process died.
    """
    started = time.monotonic()
    names = _name_splits(job.data_path)
    splits = [
        Split(name, pattern, storage.find_files(pattern, "data_path"))
        for name, pattern in zip(names, job.data_path, strict=True)
    ]
    files = [file for split in splits for file in split.files]
    with shard_cache.open_cache(job, files) or contextlib.nullcontext() as cache:
        _read_records(splits, cache)
    survey = _conclude(job, splits)
    num_records = sum(len(split.records) for split in splits)
    logging.info(
        "inspect | %d records | %.1f s", num_records, time.monotonic() - started
    )
    sys.stdout.write(inspect_report.format_report(survey))
    if job.json:
        storage.write_text(job.json, inspect_json.format_json(survey))
    return EXIT_JOB_WOULD_FAIL if survey.verdict.failures else EXIT_JOB_WOULD_RUN


def _name_splits(patterns: Sequence[str]) -> list[str]:
    """The start of the file names (train, validation), else the patterns."""
    starts = [
        re.match(r"[A-Za-z][A-Za-z_]*", os.path.basename(text)) for text in patterns
    ]
    names = [
        start.group() if start else pattern
        for start, pattern in zip(starts, patterns, strict=True)
    ]
    return [
        name if names.count(name) == 1 else pattern
        for name, pattern in zip(names, patterns, strict=True)
    ]


def _read_records(splits: Sequence[Split], cache: ShardCache | None) -> None:
    """Fills in what the records of each split hold."""
    plan = inspect_plan.Plan(splits, cache)
    found: list[list[np.ndarray]] = [[] for _ in splits]
    with (
        contextlib.closing(inspect_reading.read(plan)) as chunks,
        record_progress.showing("inspect", plan.num_records) as advance,
    ):
        for task, chunk in chunks:
            split = splits[task.split]
            found[task.split].append(chunk.records)
            split.bad_records += chunk.bad
            split.formats += chunk.formats
            split.modes += chunk.modes
            advance(len(chunk.records), plan.num_records)
    for split, records in zip(splits, found, strict=True):
        split.records = np.concatenate([split.records, *records])


def _conclude(
    job: config.InspectConfig, splits: Sequence[Split]
) -> inspect_report.Survey:
    labels = label_range.infer(
        [split.count_labels() for split in splits],
        num_classes=job.num_classes,
        names=_read_names(splits),
    )
    found = copies.find(splits)
    return inspect_report.Survey(
        splits, labels, found, verdict.judge(splits, labels, found)
    )


def _read_names(splits: Sequence[Split]) -> list[str]:
    """Lines of the first labels.txt beside the data; empty if there is none."""
    for split in splits:
        directory = os.path.dirname(split.pattern)
        text = storage.read_text(os.path.join(directory, LABELS))
        if text is not None:
            return text.splitlines()
    return []
