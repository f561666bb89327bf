"""The word `jobs cancel`: ends a job once it has saved a checkpoint."""

from trainer import config, errors
from trainer.jobs import job as jobs
from trainer.jobs.job_folder import JobFolder


def run(job: config.CancelJobConfig) -> None:
    """Says that the job is to end, and does not wait for it, as gcloud.

    Args:
        job: Says which.

    Raises:
        ConfigError: If there is no such job, or it has ended.
        StorageError: If its folder can't be written.
    """
    folder = JobFolder(job.job_id)
    state = folder.read()["state"]
    if state in jobs.ENDED:
        raise errors.ConfigError(
            f"Job {job.job_id} is {state}; only a job that has not ended can be "
            "cancelled."
        )
    folder.cancel()
