"""Processes of this machine for work that Python's lock would queue up in threads."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

# Not forked: a fork of a process that has threads can hang on their locks.
CONTEXT = multiprocessing.get_context("spawn")


@contextlib.contextmanager
def opened(
    num_processes: int, prepare: Callable[..., object], *args: Any
) -> Iterator[ProcessPoolExecutor]:
    """Starts processes, which end with the context or with this process.

    Enter it in the main thread; any may submit work then. What is submitted when the
    context ends is done before; where it should not be, shut the pool down.

    Args:
        num_processes: How many.
        prepare: Called first in each process.
        *args: Its arguments; events and locks have to be of CONTEXT.
    """
    with ProcessPoolExecutor(
        num_processes, CONTEXT, initializer=_start, initargs=(prepare, *args)
    ) as pool:
        with _ignored_interrupts():
            # A process is started for each task that finds none idle.
            for _ in range(num_processes):
                pool.submit(os.getpid)
        yield pool


def _start(prepare: Callable[..., object], *args: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(*args)


def _end_with_parent() -> None:
    """A process that waits for work does not notice that nobody is left to give it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """Lets processes start that ignore Ctrl-C.

    A terminal sends it to all of them; this one ends the others in order.
    """
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
