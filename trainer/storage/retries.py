"""The one policy for calls that fail now and may work in a moment.

Only calls to Cloud Storage are repeated: what a disk refuses once, it refuses again.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

NUM_ATTEMPTS = 8
FIRST_SECS = 0.5
MAX_SECS = 32.0


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
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Awaits a call, and again while its error may pass.

    Args:
        call: Starts the call anew each time.
        what: Names the call in the log.
        is_transient: True for an error that may pass.
        sleep: Waits; tests give another.

    Returns:
        What the call returned.

    Raises:
        Exception: The last error, if it does not pass or attempts ran out.
    """
    for attempt, delay in enumerate(iterate_delays(), 1):
        try:
            return await call()
        except Exception as error:
            if not is_transient(error):
                raise
            logging.warning(
                "storage | %s: %s; attempt %d of %d follows in %.1f s",
                what,
                describe(error),
                attempt + 1,
                NUM_ATTEMPTS,
                delay,
            )
        await sleep(delay)
    return await call()


def describe(error: Exception) -> str:
    """One line for an error, which some libraries leave empty."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
