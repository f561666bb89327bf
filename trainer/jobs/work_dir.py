"""The tuner's own local folder: locks, and of each trial its log and metric file."""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator

from trainer import errors, storage

# Held by the tuner alone.
TUNER_LOCK = "tuner.lock"
# Held by its trials as well, so that those of a tuner that was killed are noticed.
TRIALS_LOCK = "trials.lock"
# They are asked to end, and save a checkpoint first.
ORPHAN_SECS = 60.0
POLL_SECS = 0.2


def find_work_dir(job_dir: str) -> str:
    """Below the job-dir, or where files can't grow, in the temporary folder."""
    if not storage.takes_whole_files(job_dir):
        return os.path.join(os.path.abspath(job_dir), "tuning")
    name = hashlib.sha256(storage.absolute(job_dir).encode()).hexdigest()[:16]
    place = f"image-classification-tuning-{os.getuid()}"
    return os.path.join(tempfile.gettempdir(), place, name)


@contextlib.contextmanager
def claimed(work: str, job_dir: str) -> Iterator[int]:
    """Keeps other tuners away.

    Args:
        work: The folder.
        job_dir: Of the tuning, for sentences.

    Yields:
        The descriptor of a lock that trials have to hold as well.

    Raises:
        ConfigError: If another tuner is at work, or trials of one that was killed.
        StorageError: If the folder can't be written.
    """
    with contextlib.ExitStack() as held:
        tuner_lock = _try_lock(work, TUNER_LOCK)
        if tuner_lock is None:
            raise errors.ConfigError(
                f"--job-dir={job_dir} is being tuned by another process; wait for its "
                "end, or give another --job-dir."
            )
        held.callback(os.close, tuner_lock)
        trials_lock = _wait_for_trials(work, job_dir)
        held.callback(os.close, trials_lock)
        yield trials_lock


def _wait_for_trials(work: str, job_dir: str) -> int:
    deadline = time.monotonic() + ORPHAN_SECS
    while (lock := _try_lock(work, TRIALS_LOCK)) is None:
        if time.monotonic() > deadline:
            raise errors.ConfigError(
                f"--job-dir={job_dir}: trials of a tuner that was killed still run; "
                "end them, then run the same command again."
            )
        time.sleep(POLL_SECS)
    return lock


def _try_lock(work: str, name: str) -> int | None:
    with storage.writing(work):
        return storage.try_lock(os.path.join(work, name))
