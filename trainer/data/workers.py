"""Who does the work of a conversion's stages on this machine.

In threads Python's lock holds two processors to 1.4 times the speed of one
(docs/adr/0012-conversion-in-processes.md).
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

from trainer import errors
from trainer.data import process_pool, progress

T = TypeVar("T")


class Workers:
    """Runs functions in other processes while some are open, else in the caller's."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    @contextlib.contextmanager
    def opened(self, num_processes: int) -> Iterator[None]:
        """Starts processes, which stop with this one. Enter it in the main thread."""
        stop = process_pool.CONTEXT.Event()
        with (
            progress.CURRENT.stopped_by(stop),
            process_pool.opened(num_processes, _share_stop, stop) as pool,
        ):
            self._pool = pool
            try:
                yield
            except BaseException:
                # Nobody waits for what still runs.
                stop.set()
                raise
            finally:
                self._pool = None

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs a function, and waits for it; safe to call from several threads.

        Args:
            function: It and its arguments are copied to where it runs.
            *args: Its arguments.

        Returns:
            What it returned.

        Raises:
            DataError: If the process died.
            Exception: What the function raised.
        """
        return self.submit(function, *args)()

    def submit(self, function: Callable[..., T], *args: Any) -> Callable[[], T]:
        """Has a process run a function while the caller does something else.

        Returns:
            What waits for it, and then returns or raises as `call` does. Where the
            caller does the work, it does it then.
        """
        if self._pool is None:
            return functools.partial(function, *args)
        return functools.partial(_wait, self._pool.submit(function, *args))


def _wait(future: Future[T]) -> T:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise errors.DataError(
            "A process that converts pictures died, probably for lack of memory; "
            "give it more, or leave the largest pictures out."
        ) from error


def _share_stop(stop: Event) -> None:
    progress.CURRENT.stop = stop


# Beam copies its stages for each thread, so what they share in a process is here.
CURRENT = Workers()
