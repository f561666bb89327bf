"""The word convert: folders or CSV lists of images to shards, labels and manifest.

Owns the order of things. All output is staged beside its
place and moved there once the whole run has succeeded.
"""

import collections
import concurrent.futures
import contextlib
import hashlib
import logging
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from trainer import config, errors, storage
from trainer.config.lists import parse_split
from trainer.data import folders, normalize, report, rows, shards

REQUIRED_SPLITS = ("train", "validation")
BYTES_PER_MB = 1_000_000
NUM_WORKERS = 2
# Fewer pictures than this are decoded sooner than worker processes start.
MIN_ROWS_FOR_WORKERS = 200
# Pictures that wait in memory for the writer.
MAX_IN_FLIGHT = 16
SECS_PER_PROGRESS_LINE = 10.0


def run(job: config.ConvertConfig) -> None:
    """Writes `<split>-00000-of-0000N.tfrecord`, labels.txt and manifest.json.

    Records of a split are in an order that looks random and depends on names only, so
    the same input gives the same bytes.

    Args:
        job: What to convert.

    Raises:
        ConfigError: If a folder is unfit, or output would mix with files of others.
        DataError: If an input is wrong, or a split has no image.
        StorageError: If a path can't be read or written.
    """
    started = time.monotonic()
    bad_rows = rows.BadRows(skip=job.skip_bad)
    _check_dirs(job)
    storage.make_writable_dir(job.output_dir, "output_dir")
    source = _read_source(job, bad_rows)
    labels_text = "".join(f"{label}\n" for label in source.labels)
    shards.check_foreign_files(job.output_dir, labels_text)
    storage.remove_stale_staging(job.output_dir)
    with storage.staging_dir(job.output_dir) as staging_dir:
        written = _write_splits(job, source, bad_rows, staging_dir)
        storage.write_text(os.path.join(staging_dir, shards.LABELS), labels_text)
        manifest = report.build_manifest(source, written, bad_rows.messages)
        shards.publish(staging_dir, job.output_dir, manifest)
    report.log_summary(source, written, bad_rows.messages)
    logging.info("convert | %.1f s | %s", time.monotonic() - started, job.output_dir)


def _check_dirs(job: config.ConvertConfig) -> None:
    """Refuses output among the class folders, where it would become a class."""
    if not job.images_dir:
        return
    images_dir, output_dir = map(os.path.realpath, (job.images_dir, job.output_dir))
    if os.path.commonpath([images_dir, output_dir]) == images_dir:
        raise errors.ConfigError(
            f"--output_dir must be outside --images_dir={job.images_dir}, got "
            f"{job.output_dir}, which would become a class; give another folder."
        )


def _read_source(job: config.ConvertConfig, bad_rows: rows.BadRows) -> report.Source:
    labels = rows.read_labels(job.labels_file) if job.labels_file else []
    if job.images_dir:
        shares = parse_split(job.split)
        _check_split_names(shares, job.split)
        labels, found, splits, ignored = folders.read_tree(
            job.images_dir, labels=labels, shares=shares, bad_rows=bad_rows
        )
        return report.Source(labels, found, splits, ignored)
    lists = {"train": job.train_csv, "validation": job.validation_csv}
    found = [
        row
        for split, pattern in lists.items()
        for row in rows.read_csv(
            pattern, flag=f"{split}_csv", split=split, labels=labels, bad_rows=bad_rows
        )
    ]
    return report.Source(labels, found, REQUIRED_SPLITS, {})


def _check_split_names(shares: Mapping[str, float], text: str) -> None:
    missing = set(REQUIRED_SPLITS) - shares.keys()
    if missing or shares.keys() - set(folders.SPLITS):
        raise errors.ConfigError(
            f"--split must have train and validation, and may have test, got {text}; "
            "try train:0.9,validation:0.1."
        )


def _write_splits(
    job: config.ConvertConfig,
    source: report.Source,
    bad_rows: rows.BadRows,
    directory: str,
) -> dict[str, report.Written]:
    by_split: dict[str, list[rows.Row]] = {split: [] for split in source.splits}
    for row in source.rows:
        by_split[row.split].append(row)
    for split, split_rows in by_split.items():
        _check_not_empty(split, len(split_rows), source, bad_rows)
    written = {}
    for split, split_rows in by_split.items():
        with shards.ShardWriter(
            directory, split, max_bytes=job.shard_mb * BYTES_PER_MB
        ) as writer:
            classes = _write_rows(split_rows, source.labels, bad_rows, writer)
            _check_not_empty(split, sum(classes.values()), source, bad_rows)
            written[split] = report.Written(writer.finish(), classes)
    return written


def _check_not_empty(
    split: str, count: int, source: report.Source, bad_rows: rows.BadRows
) -> None:
    if not count:
        ignored = sum(source.ignored.values())
        raise errors.DataError(
            f"{split}: expected at least one image, found none of {len(source.rows)} "
            f"({len(bad_rows.messages)} bad rows skipped, {ignored} other "
            "files ignored); check the paths, or give this split more images."
        )


def _write_rows(
    split_rows: Sequence[rows.Row],
    labels: Sequence[str],
    bad_rows: rows.BadRows,
    writer: shards.ShardWriter,
) -> dict[str, int]:
    """Writes one split; returns images by label, in class order."""
    class_numbers = {label: number for number, label in enumerate(labels, start=1)}
    classes: Counter[str] = Counter()
    progress = Progress(split_rows[0].split, len(split_rows))
    ordered = sorted(split_rows, key=_shuffle_key)
    with contextlib.closing(_load_pictures(ordered)) as loaded:
        for row, picture in loaded:
            progress.advance()
            if isinstance(picture, str):
                bad_rows.add(
                    f"{row.origin}: expected a picture in {row.path}, found {picture}."
                )
                continue
            number = class_numbers[row.label]
            writer.write(shards.build_example(row, picture, number))
            classes[row.label] += 1
    return {label: classes[label] for label in labels}


def _shuffle_key(row: rows.Row) -> bytes:
    """Mixes classes, the same way on every machine."""
    return hashlib.sha256(os.fsencode(row.name)).digest()


Loaded = Generator[tuple[rows.Row, normalize.Picture | str], None, None]


def _load_pictures(ordered: Sequence[rows.Row]) -> Loaded:
    """Yields rows in order, each with its picture or what is wrong with it."""
    if len(ordered) < MIN_ROWS_FOR_WORKERS:
        for row in ordered:
            yield row, normalize.load_picture(row.path)
        return
    # Not forked: a fork of a process with TensorFlow's threads can hang.
    with concurrent.futures.ProcessPoolExecutor(
        NUM_WORKERS, mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        try:
            yield from _load_in_pool(pool, ordered)
        finally:
            pool.shutdown(cancel_futures=True)


def _load_in_pool(
    pool: concurrent.futures.Executor, ordered: Iterable[rows.Row]
) -> Loaded:
    waiting: collections.deque[tuple[rows.Row, concurrent.futures.Future[Any]]]
    waiting = collections.deque()
    for row in ordered:
        waiting.append((row, pool.submit(normalize.load_picture, row.path)))
        if len(waiting) >= MAX_IN_FLIGHT:
            first, future = waiting.popleft()
            yield first, future.result()
    for row, future in waiting:
        yield row, future.result()


class Progress:
    """Logs a line about every ten seconds."""

    def __init__(self, split: str, total: int) -> None:
        self._split = split
        self._total = total
        self._done = 0
        self._start = self._last = time.monotonic()

    def advance(self) -> None:
        """Counts one image."""
        self._done += 1
        now = time.monotonic()
        if now - self._last < SECS_PER_PROGRESS_LINE:
            return
        self._last = now
        logging.info(
            "convert | %s | %d of %d images | %.1f images/s",
            self._split,
            self._done,
            self._total,
            self._done / (now - self._start),
        )
