"""A local file that one process at a time holds."""

import fcntl
import os


def try_lock(path: str) -> int | None:
    """Takes the lock of a local file.

    The lock ends with the last process that has the descriptor open: one that was
    started with it keeps the lock after this one.

    Args:
        path: A local file; made if it is not there.

    Returns:
        A file descriptor that holds the lock, or None if another one does.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
