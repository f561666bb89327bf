"""The word `jobs describe`: a job as the service's API shows it."""

import sys

from trainer import config
from trainer.jobs import formats, job_output
from trainer.jobs import job as jobs
from trainer.jobs.job_folder import JobFolder


def run(job: config.DescribeJobConfig) -> None:
    """Prints a job; of one that runs, also what it has brought so far.

    Args:
        job: Says which.

    Raises:
        ConfigError: If there is no such job.
        StorageError: If its job-dir can't be read.
    """
    folder = JobFolder(job.job_id)
    found = folder.read()
    if not jobs.has_ended(found):
        work = folder.read_work()
        output = job_output.read_output(work["jobDir"], is_tuning=work["isTuning"])
        found = {**found, "trainingOutput": output} if output else found
    sys.stdout.write(formats.format_content(found, job.format or "yaml"))
