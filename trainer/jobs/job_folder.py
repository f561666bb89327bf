"""What is kept of each job in this user's state folder, and its state, from facts.

A job is alive as long as its supervisor, or the process that does its work, holds the
lock: kill -9 lets go of it as well. Only who holds the lock writes job.json.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from trainer import environment, errors, storage
from trainer.jobs import job as jobs
from trainer.jobs.job import Job

_JOB, _WORK, _LOCK, _CANCEL = "job.json", "work.json", "lock", "cancel"


class JobFolder:
    """The files of one job."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.path = os.path.join(jobs_dir(), job_id)
        self.log_path = os.path.join(self.path, "log")
        self.config_path = os.path.join(self.path, "config.yaml")
        self.supervisor_log_path = os.path.join(self.path, "supervisor.log")

    def claim(self) -> int:
        """Takes the name for a new job.

        Returns:
            The descriptor of its lock, which a supervisor has to hold on to.

        Raises:
            ConfigError: If there is a job of this name.
            StorageError: If the state folder can't be written.
        """
        with storage.writing(self.path):
            lock = storage.try_lock(os.path.join(self.path, _LOCK))
        if lock is not None and self._load() is None:
            return lock
        if lock is not None:
            os.close(lock)
        raise errors.ConfigError(
            f"There is a job {self.job_id} already; give another JOB_ID. Its files "
            f"are in {self.path}."
        )

    def read(self) -> Job:
        """The job as it is now.

        Raises:
            ConfigError: If there is none, or its file is damaged.
        """
        job = self._load()
        if job is None:
            raise errors.ConfigError(
                f"There is no job {self.job_id} in {jobs_dir()}; "
                "`jobs list` names those that are there."
            )
        if jobs.has_ended(job):
            return job
        lock = storage.try_lock(os.path.join(self.path, _LOCK))
        if lock is None:
            return {**job, "state": jobs.CANCELLING} if self.is_cancelled else job
        try:
            return self._bury()
        finally:
            os.close(lock)

    def read_queued(self) -> Job:
        """The job as it was submitted; for who holds the lock."""
        job = self._load()
        assert job is not None
        return job

    def write(self, job: Job) -> None:
        """Replaces job.json; for who holds the lock."""
        storage.write_text(
            os.path.join(self.path, _JOB), json.dumps(job, indent=2) + "\n"
        )

    def read_work(self) -> Mapping[str, Any]:
        """What `write_work` kept."""
        return dict(json.loads(storage.read_text(self._work_path) or "{}"))

    def write_work(self, work: Mapping[str, Any]) -> None:
        """Keeps what the supervisor needs to know and the API does not show."""
        storage.write_text(self._work_path, json.dumps(work, indent=2) + "\n")

    @property
    def exists(self) -> bool:
        """True if there is a job of this name."""
        return self._load() is not None

    @property
    def is_cancelled(self) -> bool:
        """True once someone wants the job to end."""
        return storage.read_bytes(os.path.join(self.path, _CANCEL)) is not None

    def cancel(self) -> None:
        """Says that the job is to end."""
        storage.write_bytes(os.path.join(self.path, _CANCEL), b"")

    @property
    def _work_path(self) -> str:
        return os.path.join(self.path, _WORK)

    def _load(self) -> Job | None:
        path = os.path.join(self.path, _JOB)
        text = storage.read_text(path)
        try:
            return None if text is None else dict(json.loads(text))
        except ValueError as error:
            raise errors.ConfigError(
                f"{path} is damaged ({error}); remove the folder to be rid of the job."
            ) from error

    def _bury(self) -> Job:
        """Ends a job that nobody looks after, unless it has ended meanwhile."""
        job = self._load()
        assert job is not None
        if jobs.has_ended(job):
            return job
        if self.is_cancelled:
            ended = jobs.enter(job, jobs.CANCELLED)
        else:
            ended = jobs.enter(
                job,
                jobs.FAILED,
                error="The process that looked after the job was killed, or the "
                "machine restarted. Submit it under another name with the same "
                f"--job-dir to go on. If it went wrong by itself, "
                f"{self.supervisor_log_path} says how.",
            )
        self.write(ended)
        return ended


def read_all() -> Sequence[Job]:
    """All jobs, the newest first; unfinished folders are none."""
    folders = [JobFolder(name) for name in storage.list_names(jobs_dir())]
    found = [folder.read() for folder in folders if folder.exists]
    return sorted(found, key=lambda job: str(job["createTime"]), reverse=True)


def jobs_dir() -> str:
    """The folder of all jobs' folders."""
    return os.path.join(environment.state_dir(), "jobs")
