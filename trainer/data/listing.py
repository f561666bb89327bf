"""The first stage of a conversion: from folders or CSV lists to files with rows.

On this machine it runs in a worker, while the process that waits for it imports Beam.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from trainer import config, errors
from trainer.config.lists import parse_split
from trainer.data import folders, report, row_lists, rows

REQUIRED_SPLITS = ("train", "validation")


class Listed(NamedTuple):
    """How many rows of each split there are, and what was passed over on the way.

    `ignored` counts files by suffix; `bad_rows` has the rows that were unfit.
    """

    num_rows: Counter[str]
    ignored: Mapping[str, int]
    bad_rows: rows.BadRows


def list_rows(job: config.ConvertConfig, work_dir: str) -> Listed:
    """Writes every row that there is to convert to files.

    Args:
        job: What to convert.
        work_dir: Where the files go.

    Raises:
        DataError: If a row is bad, and such rows are not to be skipped.
        StorageError: If a path can't be read or written.
    """
    bad_rows = rows.BadRows(skip=job.skip_bad)
    source = read_source(job, bad_rows)
    num_rows = row_lists.write(source.rows, work_dir)
    return Listed(num_rows, source.ignored, bad_rows)


def read_source(job: config.ConvertConfig, bad_rows: rows.BadRows) -> report.Source:
    """Says what there is to convert; its rows are looked for as they are read.

    Args:
        job: What to convert.
        bad_rows: Takes what is wrong with rows.

    Raises:
        ConfigError: If a folder or the shares of its splits are unfit.
        DataError: If the labels are unfit, or a split has a class that train lacks.
        StorageError: If a path can't be read.
    """
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
