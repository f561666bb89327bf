"""A process that works for this one, with its output in a file of its own."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from trainer import errors, storage

LAST_LINES = 12
TAIL_BYTES = 16_384
# Above these a shell, and Docker, reports a process that a signal ended.
_SIGNALLED = 128
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def start(
    command: Sequence[str], *, log_path: str, variables: Mapping[str, str], lock: int
) -> subprocess.Popen[bytes]:
    """Starts it in a session of its own: Ctrl-C on a terminal is for its parent.

    Args:
        command: Program and arguments.
        log_path: Takes standard output and standard error, after what is there.
        variables: Its whole environment.
        lock: Descriptor of a lock that it holds as well.

    Returns:
        The process, which gets SIGTERM if this one dies: checkpoint, then end.

    Raises:
        ConfigError: If there is no such program.
        StorageError: If its log can't be written.
    """
    with storage.writing(log_path):
        log = open(log_path, "ab")  # noqa: SIM115 (closed below)
    with log:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables,
                pass_fds=[lock],
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        except FileNotFoundError as error:
            raise errors.ConfigError(
                f"--image needs the command {command[0]}, which is not on PATH; "
                "install Docker, or leave --image out."
            ) from error


def poll(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code; negative if a signal ended it, None while it runs."""
    code = process.poll()
    if code is not None and code > _SIGNALLED:
        return _SIGNALLED - code
    return code


def read_last_lines(log_path: str) -> list[str]:
    """The end of a log."""
    with open(log_path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return text.splitlines()[-LAST_LINES:]


def _end_with_parent() -> None:
    """Has the kernel send SIGTERM if the parent is killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
