"""Follows a job's log, as tail does, until the job has ended."""

import codecs
import time
from typing import TextIO

from trainer import storage
from trainer.jobs import job as jobs
from trainer.jobs.job_folder import JobFolder

SECS_BETWEEN = 0.5


def follow(folder: JobFolder, out: TextIO, *, secs_between: float) -> None:
    """Writes the log from its start on.

    Args:
        folder: The job.
        out: Takes the lines.
        secs_between: Between looks for new ones.

    Raises:
        ConfigError: If there is no such job.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    folder.read()
    with storage.writing(folder.log_path), open(folder.log_path, "a+b") as log:
        log.seek(0)
        while True:
            # In this order: what was written before the end is there by then.
            has_ended = jobs.has_ended(folder.read())
            out.write(decoder.decode(log.read(), final=has_ended))
            out.flush()
            if has_ended:
                return
            time.sleep(secs_between)
