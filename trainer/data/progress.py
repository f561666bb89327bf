"""How far the pipeline in this process is, and what went wrong in its threads."""

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.synchronize import Event

from trainer import errors

SECS_PER_PROGRESS_LINE = 10.0
# More than one picture takes, also from a bucket.
SECS_TO_HALT = 30.0
# The phase before images are assigned to shards; later ones are named as the splits.
EXAMINE = "look at files"


class Progress:
    """Counts images by phase, and logs a line about every ten seconds."""

    def __init__(self) -> None:
        self.stop: threading.Event | Event = threading.Event()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._num_working = 0
        self.reset("")

    def reset(self, word: str) -> None:
        """Forgets an earlier run; `word` says in the log what runs now."""
        self._word = word
        self.stop.clear()
        self.error: errors.JobError | None = None
        self._totals: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._starts: dict[str, float] = {}
        self._last = time.monotonic()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Counts a thread as working; a user's error stops all, and stays as it is."""
        with self._lock:
            self._num_working += 1
        try:
            yield
        except errors.JobError as error:
            self.fail(error)
            raise
        finally:
            with self._idle:
                self._num_working -= 1
                self._idle.notify_all()

    @contextlib.contextmanager
    def stopped_by(self, stop: Event) -> Iterator[None]:
        """Has one event stop this process and others for a while."""
        own, self.stop = self.stop, stop
        try:
            yield
        finally:
            self.stop = own

    def halt(self) -> None:
        """Stops the threads, and waits until none writes files any more."""
        self.stop.set()
        with self._idle:
            self._idle.wait_for(lambda: not self._num_working, SECS_TO_HALT)

    def fail(self, error: errors.JobError) -> None:
        """Keeps the first error, and stops the other threads."""
        with self._lock:
            self.error = self.error or error
        self.stop.set()

    def expect(self, phase: str, count: int) -> None:
        """Adds to the images that a phase has; one that has none logs nothing."""
        with self._lock:
            self._totals[phase] += count

    def advance(self, phase: str, count: int = 1) -> None:
        """Counts images."""
        with self._lock:
            now = time.monotonic()
            start = self._starts.setdefault(phase, now)
            self._done[phase] += count
            due = now - self._last >= SECS_PER_PROGRESS_LINE
            if not due or not self._totals[phase]:
                return
            self._last = now
            logging.info(
                "%s | %s | %d of %d images | %.1f images/s",
                self._word,
                phase,
                self._done[phase],
                self._totals[phase],
                self._done[phase] / max(now - start, 1e-9),
            )


# Stages travel to their workers as copies, so what they share in a process is here.
CURRENT = Progress()
