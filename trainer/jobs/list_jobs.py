"""The word `jobs list`: the jobs of this user, newest first."""

import sys
from collections.abc import Sequence

from trainer import config
from trainer.jobs import formats, job_folder
from trainer.jobs.job import Job

# Columns of gcloud's table, and where their texts are.
COLUMNS = {"JOB_ID": "jobId", "STATUS": "state", "CREATED": "createTime"}


def run(job: config.ListJobsConfig) -> None:
    """Prints the jobs.

    Args:
        job: Says how many, and how.
    """
    found = list(job_folder.read_all())[: job.limit]
    if job.format:
        sys.stdout.write(formats.format_content(found, job.format))
    elif found:
        sys.stdout.write(format_table(found))
    else:
        sys.stderr.write("Listed 0 items.\n")


def format_table(found: Sequence[Job]) -> str:
    """The jobs, a line each, under a line with names of columns."""
    rows = [list(COLUMNS)]
    rows += [[str(one[key]) for key in COLUMNS.values()] for one in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)
