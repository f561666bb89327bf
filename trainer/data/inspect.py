"""The word inspect: reads all records once, in parallel, and says what is in them.

Owns the order of things. TensorFlow is imported only where records are read: in the
worker processes, or here if there are few.
"""

import collections
import concurrent.futures
import contextlib
import itertools
import logging
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import numpy as np

from trainer import config, environment, errors, storage
from trainer.data import (
    copies,
    inspect_json,
    inspect_progress,
    inspect_report,
    label_range,
    tfrecord,
    verdict,
)
from trainer.data.survey import BadFile, Chunk, Split

LABELS = "labels.txt"
RECORDS_PER_CHUNK = 64
# Fewer records than this are read sooner than worker processes start.
MIN_RECORDS_FOR_WORKERS = 1000
# Each worker holds a TensorFlow, about 400 MB.
MAX_WORKERS = 16
# Chunks that are under way, a worker: enough that none waits for the next.
CHUNKS_PER_WORKER = 4
EXIT_JOB_WOULD_RUN = 0
EXIT_JOB_WOULD_FAIL = 1


class Task(NamedTuple):
    """Records `start` up to but not including `stop` of a file."""

    path: str
    start: int
    stop: int


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
    splits = [
        _open_split(name, pattern)
        for name, pattern in zip(
            _name_splits(job.data_path), job.data_path, strict=True
        )
    ]
    _read_records(splits)
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


def _open_split(name: str, pattern: str) -> Split:
    """Finds the files and how many records each has."""
    split = Split(name, pattern)
    if storage.is_gs(pattern):
        raise errors.StorageError(
            f"--data_path={pattern}: inspect reads local files; copy them first, or "
            "mount the bucket and give /gcs/BUCKET/..."
        )
    for path in storage.match_files(pattern, "data_path"):
        split.num_bytes += os.path.getsize(path)
        try:
            index = tfrecord.index_files([path])
        except errors.DataError as error:
            split.bad_files.append(BadFile(path, str(error)))
            continue
        split.paths.append(path)
        split.file_records.append(len(index))
        split.lost += index.lost
    return split


def _read_records(splits: Sequence[Split]) -> None:
    """Fills in what the records of each split hold."""
    num_records = sum(sum(split.file_records) for split in splits)
    tasks = [task for split in splits for task in _plan(split)]
    reader = _read_in_pool if num_records >= MIN_RECORDS_FOR_WORKERS else _read_here
    with (
        inspect_progress.showing(num_records) as advance,
        contextlib.closing(reader(tasks)) as chunks,
    ):
        for split in splits:
            found = []
            for chunk in itertools.islice(chunks, len(list(_plan(split)))):
                found.append(chunk.records)
                split.bad_records += chunk.bad
                split.formats += chunk.formats
                split.modes += chunk.modes
                advance(len(chunk.records))
            split.records = np.concatenate([split.records, *found])


def _plan(split: Split) -> Iterator[Task]:
    for path, count in zip(split.paths, split.file_records, strict=True):
        for start in range(0, count, RECORDS_PER_CHUNK):
            yield Task(path, start, min(start + RECORDS_PER_CHUNK, count))


Chunks = Generator[Chunk, None, None]


def _read_here(tasks: Sequence[Task]) -> Chunks:
    _import_reader()
    from trainer.data import record_reader

    try:
        for task in tasks:
            yield record_reader.read_chunk(*task)
    finally:
        record_reader.close_files()


def _read_in_pool(tasks: Sequence[Task]) -> Chunks:
    """Yields chunks in order; some are read ahead."""
    num_workers = min(MAX_WORKERS, environment.num_cores())
    # Not forked: a fork of a process with TensorFlow's threads can hang.
    with concurrent.futures.ProcessPoolExecutor(
        num_workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_import_reader,
    ) as pool:
        waiting: collections.deque[concurrent.futures.Future[Chunk]]
        waiting = collections.deque()
        rest = iter(tasks)
        try:
            with _ignored_interrupts():
                for task in itertools.islice(rest, num_workers * CHUNKS_PER_WORKER):
                    waiting.append(pool.submit(_read, task))
            for task in tasks:
                yield _await_chunk(waiting.popleft(), task)
                for following in itertools.islice(rest, 1):
                    waiting.append(pool.submit(_read, following))
        finally:
            pool.shutdown(cancel_futures=True)


def _await_chunk(future: concurrent.futures.Future[Chunk], task: Task) -> Chunk:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise errors.DataError(
            f"A process that read {task.path} died near records {task.start} to "
            f"{task.stop - 1}, probably for lack of memory; give it more, or leave the "
            "largest pictures out."
        ) from error


@contextlib.contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """Lets processes start that ignore Ctrl-C.

    A terminal sends it to all of them; this one ends the others in order.
    """
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _import_reader() -> None:
    with environment.hidden_native_stderr():
        from trainer.data import record_reader  # noqa: F401 - imported to be there


def _read(task: Task) -> Chunk:
    from trainer.data import record_reader

    return record_reader.read_chunk(*task)


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
