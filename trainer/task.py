"""The entrypoint: argv -> word -> exit code, and the one broad except.

Exit codes: 0 done, 1 the owner of the job can mend it, 2 a bug of ours, 143 ended by
SIGTERM after a checkpoint. TensorFlow is imported by the word that needs it, after
its flags were checked.
"""

import errno
import logging
import os
import select
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from trainer import __version__, environment, errors, flags, help_page, words

EXIT_OK = 0
EXIT_JOB_ERROR = 1
EXIT_BUG = 2
# As a shell reports a process that ended by Ctrl-C.
EXIT_INTERRUPTED = 130
# Whose space or quota is used up.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# As a shell reports a process that ended by SIGPIPE.
EXIT_READER_GONE = 141


def main(argv: Sequence[str]) -> int:
    """Runs one word.

    Args:
        argv: Arguments without the program's name. The first one may be a word of
            `words.WORDS`; without one the word is `train`, as in the original image.

    Returns:
        The exit code.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    try:
        code = _run(list(argv))
        # Here, since an error while Python ends could not be caught.
        sys.stdout.flush()
        return code
    except errors.JobError as error:
        for line in str(error).splitlines():
            logging.error("%s: %s", type(error).__name__, line)
        return EXIT_JOB_ERROR
    except KeyboardInterrupt:
        logging.error("Interrupted before there was anything to save.")
        return EXIT_INTERRUPTED
    except Exception as error:
        return _explain(error)


def _explain(error: Exception) -> int:
    """Says what ended the process, if it was no job error; gives the exit code."""
    if isinstance(error, BrokenPipeError) and _has_lost_reader():
        return EXIT_READER_GONE
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        _discard_output()
        logging.error(
            "StorageError: There is no room left to write to (%s); free some where "
            "files and the output go, then run the same command again.",
            error,
        )
        return EXIT_JOB_ERROR
    logging.error(
        "Internal error; this is a bug in the trainer, not in the job.", exc_info=error
    )
    return EXIT_BUG


def _has_lost_reader() -> bool:
    """True if who reads standard output has closed it, as `head` does at its end."""
    output = sys.stdout.fileno()
    poll = select.poll()
    # An error is reported without being asked for.
    poll.register(output, 0)
    if not any(events & select.POLLERR for _, events in poll.poll(0)):
        return False
    _discard_output()
    return True


def _discard_output() -> None:
    """Has what is left to write go nowhere, so that the end is no error of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(argv: list[str]) -> int:
    if any(argument in flags.HELP_FLAGS for argument in argv):
        sys.stdout.write(help_page.format_help(argv))
        return EXIT_OK
    if "--version" in argv:
        sys.stdout.write(f"{__version__}\n")
        return EXIT_OK
    name = words.take_word(argv)
    word = words.WORDS[name]
    job = flags.parse([*_given_by_surroundings(name), *argv], word.config_class)
    environment.check_temporary_dir()
    environment.keep_freed_memory()
    environment.quiet_tensorflow()
    environment.prefer_onednn()
    environment.plain_gcsfs()
    return word.run(job) or EXIT_OK


def _given_by_surroundings(name: str) -> list[str]:
    """Flags that Vertex AI says by variables; those of the command line count more."""
    root_dir = environment.vertex_outputs().root_dir
    return [f"--job-dir={root_dir}"] if name == words.DEFAULT_WORD and root_dir else []


def _end(number: int, _: FrameType | None) -> NoReturn:
    os._exit(128 + number)


if __name__ == "__main__":
    # The kernel spares process 1 of a container from signals that it has no handler
    # for. Words that have something to save set one of their own.
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
