"""Looks after one job from its submission to its end; a process of its own.

Writes the job's states, restarts its work, and ends it when it is to be cancelled. It
holds the job's lock; so does the work, which gets SIGTERM if this process dies.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from trainer import environment, errors
from trainer.jobs import child_process, job_output
from trainer.jobs import job as jobs
from trainer.jobs.job_folder import JobFolder

POLL_SECS = 0.2
# Source: docs/contract.md, "Jobs": restarts of a worker, as the service had them.
MAX_RESTARTS = 5
# The owner's mistake, and those of `docker run`: another start would end the same.
FINAL_CODES = frozenset({1, 125, 126, 127})
# For a checkpoint to be saved, and put on Cloud Storage.
CANCEL_SECS = 120.0


class Supervisor:
    """One job's states, and the process that does its work."""

    def __init__(self, folder: JobFolder, lock: int) -> None:
        """Starts nothing.

        Args:
            folder: Of a job that is queued.
            lock: Descriptor of its lock, held by this process.
        """
        self._folder = folder
        self._lock = lock
        self._job = folder.read_queued()
        self._work: Mapping[str, Any] = folder.read_work()
        self._deadline: float | None = None

    def run(self) -> None:
        """Runs the job to its end."""
        self._enter(jobs.PREPARING)
        try:
            self._run_work()
        except errors.JobError as error:
            self._end(jobs.FAILED, str(error))

    def _run_work(self) -> None:
        for restart in range(MAX_RESTARTS + 1):
            if restart:
                logging.info(
                    "service | The work starts again (restart %d of %d).",
                    restart,
                    MAX_RESTARTS,
                )
            code = self._wait(self._start())
            if code == 0:
                return self._end(jobs.SUCCEEDED)
            if self._is_to_stop():
                return self._end(jobs.CANCELLED)
            logging.info("service | The work ended: %s.", _describe_end(code))
            if code in FINAL_CODES:
                break
        return self._end(jobs.FAILED, self._describe_failure(code))

    def _start(self) -> subprocess.Popen[bytes]:
        if self._job["state"] != jobs.RUNNING:
            self._enter(jobs.RUNNING)
            if secs := self._work["maxRunningSecs"]:
                self._deadline = time.monotonic() + secs
        return child_process.start(
            self._work["command"],
            log_path=self._folder.log_path,
            variables=environment.child_variables(self._work["variables"], defaults={}),
            lock=self._lock,
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Waits for the work's end, and sees to it once it is to stop."""
        kill_at: float | None = None
        while (code := child_process.poll(process)) is None:
            if kill_at is None and self._is_to_stop():
                self._enter(jobs.CANCELLING)
                process.terminate()
                kill_at = time.monotonic() + CANCEL_SECS
            if kill_at is not None and time.monotonic() > kill_at:
                self._kill(process)
            time.sleep(POLL_SECS)
        return code

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        logging.warning("service | The work did not end when asked; it is killed.")
        if self._work["isContainer"]:
            # Else Docker's client ends, and the container goes on.
            subprocess.run(["docker", "kill", self._folder.job_id], check=False)
        process.kill()
        process.wait()

    def _is_to_stop(self) -> bool:
        is_late = self._deadline is not None and time.monotonic() > self._deadline
        return is_late or self._folder.is_cancelled

    def _enter(self, state: str, error: str = "") -> None:
        self._job = jobs.enter(self._job, state, error=error)
        self._folder.write(self._job)
        logging.info("service | The job is %s.", state)

    def _end(self, state: str, error: str = "") -> None:
        if output := self._read_output():
            self._job = {**self._job, "trainingOutput": output}
        if error:
            logging.error("service | %s", error.splitlines()[0])
        self._enter(state, error)

    def _read_output(self) -> Mapping[str, Any]:
        try:
            return job_output.read_output(
                self._work["jobDir"], is_tuning=self._work["isTuning"]
            )
        except errors.StorageError as error:
            logging.warning("service | trainingOutput is left out: %s", error)
            return {}

    def _describe_failure(self, code: int) -> str:
        lines = "\n".join(child_process.read_last_lines(self._folder.log_path))
        return (
            f"The replica master 0 ended: {_describe_end(code)}. The log's last "
            f"lines:\n{lines}"
        )


def _describe_end(code: int) -> str:
    if code < 0:
        return f"signal {-code} ended it"
    return f"exited with a non-zero status of {code}"


def main(job_id: str, lock: int) -> None:
    """The whole life of the process; its own lines are in the job's log.

    Args:
        job_id: Name of the job.
        lock: Descriptor of its lock.
    """
    folder = JobFolder(job_id)
    logging.basicConfig(
        filename=folder.log_path,
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
    )
    Supervisor(folder, lock).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
