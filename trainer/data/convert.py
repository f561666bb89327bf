"""The word convert: folders or CSV lists of images to shards, labels and manifest.

Owns the order of things. All output is staged beside its
place and moved there once the whole run has succeeded.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from trainer import config, environment, errors, storage
from trainer.data import (
    assembly,
    beam_pipeline,
    beam_runner,
    folders,
    listing,
    progress,
    report,
    rows,
    shards,
    stages,
    workers,
)

# Fewer images than this are converted sooner than processes start.
MIN_IMAGES_FOR_WORKERS = 50


def run(job: config.ConvertConfig) -> None:
    """Writes `<split>-00000-of-0000N.tfrecord`, labels.txt and manifest.json.

    Records of a split are in an order that looks random and depends on names only, so
    the same input gives the same bytes.

    Args:
        job: What to convert.

    Raises:
        ConfigError: If a folder is unfit, output would mix with files of others, or
            Apache Beam is not installed.
        DataError: If an input is wrong, or a split has no image.
        StorageError: If a path can't be read or written.
    """
    started = time.monotonic()
    progress.CURRENT.reset("convert")
    _check_dirs(job)
    storage.make_writable_dir(job.output_dir, "output_dir")
    source = listing.read_source(job, rows.BadRows(skip=True))
    labels_text = "".join(f"{label}\n" for label in source.labels)
    shards.check_foreign_files(job.output_dir, labels_text)
    storage.remove_stale_staging(job.output_dir)
    with (
        beam_runner.scratch_dirs(job, job.output_dir, "convert") as scratch_dirs,
        _workers(job, source.rows),
    ):
        work_dir, staging_dir = scratch_dirs
        pipeline, listed = _prepare(job, source, work_dir, staging_dir)
        source = source._replace(ignored=listed.ignored)
        written = _write_shards(pipeline, source, listed, work_dir)
        storage.write_text(os.path.join(staging_dir, shards.LABELS), labels_text)
        manifest = report.build_manifest(source, written, listed.bad_rows.messages)
        if staging_dir == job.output_dir:
            shards.write_manifest(job.output_dir, manifest)
        else:
            shards.publish(staging_dir, job.output_dir, manifest)
    report.log_summary(source, written, listed.bad_rows.messages)
    logging.info("convert | %.1f s | %s", time.monotonic() - started, job.output_dir)


def _check_dirs(job: config.ConvertConfig) -> None:
    """Refuses output among the class folders, where it would become a class."""
    for flag in ("output_dir", "temp_location"):
        path = getattr(job, flag)
        if job.images_dir and path and storage.is_within(path, job.images_dir):
            raise errors.ConfigError(
                f"--{flag} must be outside --images_dir={job.images_dir}, got {path}, "
                "which would become a class; give another folder."
            )


@contextlib.contextmanager
def _workers(job: config.ConvertConfig, found: Iterator[rows.Row]) -> Iterator[None]:
    """Has processes of this machine do the work, where that is worth it."""
    are_many = any(islice(found, MIN_IMAGES_FOR_WORKERS - 1, None))
    if job.is_on_dataflow or not are_many:
        yield
        return
    with workers.CURRENT.opened(environment.num_cores()):
        yield


def _prepare(
    job: config.ConvertConfig, source: report.Source, work_dir: str, staging_dir: str
) -> tuple[Any, listing.Listed]:
    """Builds the pipeline and has the rows listed, which take about as long."""
    wait_for_rows = workers.CURRENT.submit(listing.list_rows, job, work_dir)
    beam_runner.check_installed(job, "convert")
    steps = stages.build(job, source, work_dir=work_dir, staging_dir=staging_dir)
    pipeline = beam_pipeline.build(steps, work_dir, job)
    return pipeline, wait_for_rows()


def _write_shards(
    pipeline: Any, source: report.Source, listed: listing.Listed, work_dir: str
) -> dict[str, report.Written]:
    """Runs the pipeline; returns what it wrote, by split."""
    num_rows, bad_rows = listed.num_rows.total(), listed.bad_rows
    has_splits = num_rows and not listed.num_rows[folders.WHOLE]
    for split in source.splits if has_splits else []:
        _check_not_empty(split, listed.num_rows[split], num_rows, source, bad_rows)
    progress.CURRENT.expect(progress.EXAMINE, num_rows)
    beam_runner.run(pipeline)
    summary = assembly.read_summary(work_dir, source.splits)
    for message in summary.messages:
        bad_rows.add(message)
    for split, part in summary.written.items():
        num_images = sum(part.classes.values())
        _check_not_empty(split, num_images, num_rows, source, bad_rows)
    return summary.written


def _check_not_empty(
    split: str,
    count: int,
    num_rows: int,
    source: report.Source,
    bad_rows: rows.BadRows,
) -> None:
    if not count:
        ignored = sum(source.ignored.values())
        raise errors.DataError(
            f"{split}: expected at least one image, found none of {num_rows} "
            f"({len(bad_rows.messages)} bad rows skipped, {ignored} other "
            "files ignored); check the paths, or give this split more images."
        )
