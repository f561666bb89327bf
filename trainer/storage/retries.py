"""The one policy for calls that fail now and may work in a moment.

Only calls to Cloud Storage are repeated: what a disk refuses once, it refuses again.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

NUM_ATTEMPTS = 8
FIRST_SECS = 0.5
MAX_SECS = 32.0
# Until a call has worked, the network or the address may be wrong, and who started the
# job still looks at it.
# Leaves room in half a minute for the import of TensorFlow.
CONTACT_SECS = 20.0
# What an attempt gets even if no time is left.
LEAST_SECS = 2.0


class GaveUpError(Exception):
    """An error that may pass, and did not in as many attempts as it was given."""

    def __init__(self, error: Exception, num_attempts: int) -> None:
        super().__init__(describe(error))
        self.num_attempts = num_attempts


class Contact:
    """Whether a server was ever reached; until then, time is short."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts the time.

        Args:
            clock: Seconds from some point on; tests give another.
        """
        self._clock = clock
        self._deadline: float | None = clock() + CONTACT_SECS

    @property
    def secs_left(self) -> float | None:
        """How long to try on; None without limit."""
        return None if self._deadline is None else self._deadline - self._clock()

    def limit(self) -> asyncio.Timeout:
        """Bounds an attempt, which may hang for longer than there is time."""
        left = self.secs_left
        return asyncio.timeout(None if left is None else max(left, LEAST_SECS))

    def allows(self, delay: float) -> bool:
        """True if an attempt after a wait of so many seconds is in time."""
        left = self.secs_left
        return left is None or delay < left

    def was_made(self) -> None:
        """Takes note of a call that worked: from now on an outage is waited for."""
        self._deadline = None


def iterate_delays() -> Iterator[float]:
    """Seconds to wait before each further attempt; at most 63.5 in all.

    They double. Up to half is left out at random, so that many workers which failed
    together do not come back together.
    """
    for attempt in range(NUM_ATTEMPTS - 1):
        yield min(FIRST_SECS * 2**attempt, MAX_SECS) * random.uniform(0.5, 1.0)


async def retry(
    call: Callable[[], Awaitable[T]],
    *,
    what: str,
    is_transient: Callable[[Exception], bool],
    contact: Contact,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Awaits a call, and again while its error may pass.

    Args:
        call: Starts the call anew each time.
        what: Names the call in the log.
        is_transient: True for an error that may pass; TimeoutError has to be one.
        contact: With the server that is called.
        sleep: Waits; tests give another.

    Returns:
        What the call returned.

    Raises:
        GaveUpError: If attempts or time ran out.
        Exception: An error that does not pass.
    """
    delays = iterate_delays()
    attempt = 0
    while True:
        attempt += 1
        try:
            async with contact.limit():
                answer = await call()
        except Exception as error:
            if not is_transient(error):
                raise
            delay = next(delays, None)
            if delay is None or not contact.allows(delay):
                raise GaveUpError(error, attempt) from error
            _log_failure(what, error, attempt, delay)
            await sleep(delay)
        else:
            contact.was_made()
            return answer


def _log_failure(what: str, error: Exception, attempt: int, delay: float) -> None:
    logging.warning(
        "storage | %s: %s; attempt %d of %d follows in %.1f s",
        what,
        describe(error),
        attempt + 1,
        NUM_ATTEMPTS,
        delay,
    )


def describe(error: Exception) -> str:
    """One line for an error, which some libraries leave empty."""
    text = str(error).strip()
    if not text and isinstance(error, TimeoutError):
        return "no answer in time"
    return text.splitlines()[0] if text else type(error).__name__
