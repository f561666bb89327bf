"""The word `jobs stream-logs`: a job's log, from its start to the job's end."""

import signal
import sys

from trainer import config
from trainer.jobs import log_stream
from trainer.jobs.job_folder import JobFolder

# As a shell reports a process that ended by Ctrl-C.
EXIT_INTERRUPTED = 130


def run(job: config.StreamLogsConfig) -> int:
    """Shows the log; Ctrl-C ends that, not the job.

    Args:
        job: Says which.

    Returns:
        0 however the job ended, as gcloud's; 130 after Ctrl-C.

    Raises:
        ConfigError: If there is no such job.
    """
    # `| head` ends this process, quietly, as it does others.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        log_stream.follow(
            JobFolder(job.job_id), sys.stdout, secs_between=job.polling_interval
        )
    except KeyboardInterrupt:
        sys.stderr.write("The job goes on; the same command shows its log again.\n")
        return EXIT_INTERRUPTED
    return 0
