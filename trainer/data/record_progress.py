"""Shows how far a pass over records is: a bar on a terminal, else lines."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from trainer import environment

SECS_PER_LINE = 10.0


@contextlib.contextmanager
def showing(
    word: str, num_records: int, unit: str = "record"
) -> Iterator[Callable[[int, int], object]]:
    """Gives a function to call with the records that were read since, and with all.

    Args:
        word: What the program was asked to do, for the start of each line.
        num_records: All, as far as is known: of files that are still to come it is an
            estimate.
        unit: What a record is called.
    """
    if not environment.is_terminal():
        yield _Lines(word, unit).advance
        return
    with (
        logging_redirect_tqdm(),
        tqdm(
            total=num_records,
            desc=word,
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}% |{bar}| " + unit + " {n}/{total}, "
            "{rate_noinv_fmt}, {remaining} left",
            unit=" images",
        ) as bar,
    ):

        def advance(count: int, num_records: int) -> None:
            bar.total = num_records
            bar.update(count)

        yield advance


class _Lines:
    """Counts records, and logs a line about every ten seconds."""

    def __init__(self, word: str, unit: str) -> None:
        self._word = word
        self._unit = unit
        self._done = 0
        self._start = self._shown = time.monotonic()

    def advance(self, count: int, num_records: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._shown < SECS_PER_LINE:
            return
        self._shown = now
        rate = self._done / (now - self._start)
        logging.info(
            "%s | %s %d/%d | %.1f images/s | %.0f s left",
            self._word,
            self._unit,
            self._done,
            num_records,
            rate,
            (num_records - self._done) / rate,
        )
