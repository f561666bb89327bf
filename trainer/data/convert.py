"""The word convert: folders or CSV lists of images to shards, labels and manifest.

Owns the order of things. All output is staged beside its
place and moved there once the whole run has succeeded.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping

from trainer import config, environment, errors, storage
from trainer.config.lists import parse_split
from trainer.data import (
    assembly,
    beam_pipeline,
    beam_runner,
    folders,
    progress,
    report,
    row_lists,
    rows,
    shards,
    stages,
    workers,
)

# Fewer images than this are converted sooner than processes start.
MIN_IMAGES_FOR_WORKERS = 50
REQUIRED_SPLITS = ("train", "validation")


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
    bad_rows = rows.BadRows(skip=job.skip_bad)
    _check_dirs(job)
    beam_runner.check_installed(job, "convert")
    storage.make_writable_dir(job.output_dir, "output_dir")
    source = _read_source(job, bad_rows)
    labels_text = "".join(f"{label}\n" for label in source.labels)
    shards.check_foreign_files(job.output_dir, labels_text)
    storage.remove_stale_staging(job.output_dir)
    with beam_runner.scratch_dirs(job, job.output_dir, "convert") as (
        work_dir,
        staging_dir,
    ):
        written = _write_shards(job, source, bad_rows, work_dir, staging_dir)
        storage.write_text(os.path.join(staging_dir, shards.LABELS), labels_text)
        manifest = report.build_manifest(source, written, bad_rows.messages)
        if staging_dir == job.output_dir:
            shards.write_manifest(job.output_dir, manifest)
        else:
            shards.publish(staging_dir, job.output_dir, manifest)
    report.log_summary(source, written, bad_rows.messages)
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
    # A generator: rows are read when they are written to lists.
    found = (
        row
        for split, pattern in lists.items()
        for row in rows.read_csv(
            pattern, flag=f"{split}_csv", split=split, labels=labels, bad_rows=bad_rows
        )
    )
    return report.Source(labels, found, REQUIRED_SPLITS, {})


def _check_split_names(shares: Mapping[str, float], text: str) -> None:
    missing = set(REQUIRED_SPLITS) - shares.keys()
    if missing or shares.keys() - set(folders.SPLITS):
        raise errors.ConfigError(
            f"--split must have train and validation, and may have test, got {text}; "
            "try train:0.9,validation:0.1."
        )


def _write_shards(
    job: config.ConvertConfig,
    source: report.Source,
    bad_rows: rows.BadRows,
    work_dir: str,
    staging_dir: str,
) -> dict[str, report.Written]:
    """Fills the staging directory; returns what is in it, by split."""
    progress.CURRENT.reset("convert")
    lists = row_lists.write(source.rows, work_dir)
    num_rows = lists.counts.total()
    has_splits = num_rows and not lists.counts[folders.WHOLE]
    for split in source.splits if has_splits else []:
        _check_not_empty(split, lists.counts[split], num_rows, source, bad_rows)
    progress.CURRENT.expect(progress.EXAMINE, num_rows)
    steps = stages.build(job, source, work_dir=work_dir, staging_dir=staging_dir)
    with _workers(job, num_rows):
        beam_pipeline.run(steps, lists.paths, job)
    summary = assembly.read_summary(work_dir, source.splits)
    for message in summary.messages:
        bad_rows.add(message)
    for split, part in summary.written.items():
        num_images = sum(part.classes.values())
        _check_not_empty(split, num_images, num_rows, source, bad_rows)
    return summary.written


@contextlib.contextmanager
def _workers(job: config.ConvertConfig, num_images: int) -> Iterator[None]:
    """Has processes of this machine do the work, where that is worth it."""
    if job.is_on_dataflow or num_images < MIN_IMAGES_FOR_WORKERS:
        yield
        return
    with workers.CURRENT.opened(environment.num_cores()):
        yield


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
