"""The word `jobs submit training`: starts a job that outlives this process."""

import logging
import os
import subprocess
import sys

from trainer import config, storage
from trainer.jobs import api_form, described_job, formats, log_stream, worker
from trainer.jobs import job as jobs
from trainer.jobs.described_job import Description
from trainer.jobs.job_folder import JobFolder

COMMAND = "python -m trainer.task jobs"
EXIT_NOT_SUCCEEDED = 1
_SHOWN = ("jobId", "state")


def run(job: config.SubmitConfig) -> int:
    """Checks and starts a job, and waits for its end if it is to show the log.

    Args:
        job: The command.

    Returns:
        0; with --stream-logs 1 if the job did not succeed, as gcloud's.

    Raises:
        JobError: If the job can't be done as it is. Nothing is left of it then.
    """
    description = described_job.join(job)
    train = worker.check(job, description)
    folder = JobFolder(job.job_id)
    lock = folder.claim()
    try:
        _write(job, description, train, folder)
        _start_supervisor(folder, lock)
    finally:
        os.close(lock)
    _announce(job.job_id, description)
    if job.stream_logs:
        log_stream.follow(folder, sys.stderr, secs_between=log_stream.SECS_BETWEEN)
    shown = folder.read()
    sys.stdout.write(
        formats.format_content(shown, job.format)
        if job.format
        else formats.format_content({key: shown[key] for key in _SHOWN}, "yaml")
    )
    is_failure = job.stream_logs and shown["state"] != jobs.SUCCEEDED
    return EXIT_NOT_SUCCEEDED if is_failure else 0


def _write(
    job: config.SubmitConfig,
    description: Description,
    train: config.TrainConfig,
    folder: JobFolder,
) -> None:
    """Keeps all that the supervisor needs; job.json last, since it makes the job."""
    if job.config:
        storage.write_bytes(folder.config_path, storage.read_bytes(job.config) or b"")
    scheduling = description.training_input.scheduling
    folder.write_work(
        {
            "command": worker.build_command(job, description, train, folder),
            "variables": dict(worker.build_variables(job.job_id, description)),
            "jobDir": storage.absolute(train.job_dir),
            "isTuning": description.is_tuning,
            "isContainer": bool(description.image) and not description.is_tuning,
            "maxRunningSecs": scheduling.max_running_secs if scheduling else None,
        }
    )
    folder.write(
        jobs.queue(
            job.job_id,
            labels=description.labels,
            training_input=api_form.to_api(description.training_input),
        )
    )


def _start_supervisor(folder: JobFolder, lock: int) -> None:
    """Starts the process that has the lock from now on."""
    with storage.writing(folder.supervisor_log_path):
        log = open(folder.supervisor_log_path, "ab")  # noqa: SIM115 (closed below)
    with log:
        subprocess.Popen(
            [
                *(sys.executable, "-m", "trainer.jobs.supervisor"),
                *(folder.job_id, str(lock)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            # The end of the shell, and its signals, are nothing to the job.
            start_new_session=True,
        )


def _announce(job_id: str, description: Description) -> None:
    if asked := worker.unheard(description):
        logging.warning(
            "The job runs on this machine; %s have no effect.", ", ".join(asked)
        )
    logging.info("The work is done by %s.", worker.describe_place(description))
    sys.stderr.write(
        f"Job [{job_id}] submitted successfully.\n"
        "Your job is still active. You may view the status of your job with the "
        f"command\n\n  $ {COMMAND} describe {job_id}\n\n"
        f"or continue streaming the logs with the command\n\n"
        f"  $ {COMMAND} stream-logs {job_id}\n\n"
    )
    sys.stderr.flush()
