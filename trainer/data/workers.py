"""Processes of this machine that do the work of a conversion's stages.

In threads Python's lock holds two processors to 1.4 times the speed of one
(docs/adr/0012-conversion-in-processes.md).
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

from trainer import errors
from trainer.data import progress

T = TypeVar("T")


class Workers:
    """Runs functions in other processes while some are open, else in the caller's."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    @contextlib.contextmanager
    def opened(self, num_processes: int) -> Iterator[None]:
        """Starts processes, which end with the context or with this process.

        Enter it in the main thread; `call` is for all threads.
        """
        # Not forked: Beam's threads may hold locks.
        context = multiprocessing.get_context("spawn")
        stop = context.Event()
        with (
            progress.CURRENT.stopped_by(stop),
            ProcessPoolExecutor(
                num_processes, context, initializer=_start, initargs=(stop,)
            ) as pool,
        ):
            with _ignored_interrupts():
                for _ in range(num_processes):
                    pool.submit(os.getpid)
            self._pool = pool
            try:
                yield
            finally:
                self._pool = None

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs a function, and waits for it.

        Args:
            function: It and its arguments are copied to where it runs.
            *args: Its arguments.

        Returns:
            What it returned.

        Raises:
            DataError: If the process died.
            Exception: What the function raised.
        """
        if self._pool is None:
            return function(*args)
        try:
            return self._pool.submit(function, *args).result()
        except BrokenProcessPool as error:
            raise errors.DataError(
                "A process that converts pictures died, probably for lack of memory; "
                "give it more, or leave the largest pictures out."
            ) from error


def _start(stop: Event) -> None:
    """Makes a new process stop with the others, and end with the one that started it.

    A process that waits for work does not notice that nobody is left to give it any.
    """
    progress.CURRENT.stop = stop
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
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


# Beam copies its stages for each thread, so what they share in a process is here.
CURRENT = Workers()
