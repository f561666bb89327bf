import asyncio

import pytest

from trainer.storage import retries


class Flaky:
    """Fails a number of times, then gives an answer."""

    def __init__(self, failures, error=None):
        self.failures = failures
        self.error = error or ConnectionError("dropped")
        self.waits = []

    async def call(self):
        if self.failures:
            self.failures -= 1
            raise self.error
        return "answer"

    async def sleep(self, secs):
        self.waits.append(secs)

    def run(self):
        return asyncio.run(
            retries.retry(
                self.call,
                what="gs://bucket/file",
                is_transient=lambda error: isinstance(error, ConnectionError),
                sleep=self.sleep,
            )
        )


def test_an_error_that_passes_costs_a_wait(caplog):
    flaky = Flaky(2)
    assert flaky.run() == "answer"
    assert 0.25 <= flaky.waits[0] <= 0.5
    assert 0.5 <= flaky.waits[1] <= 1.0
    assert "gs://bucket/file: dropped; attempt 3 of 8 follows in" in caplog.text


def test_attempts_and_waits_are_bounded():
    flaky = Flaky(99)
    with pytest.raises(ConnectionError):
        flaky.run()
    assert 99 - flaky.failures == retries.NUM_ATTEMPTS
    assert sum(flaky.waits) <= 63.5


def test_an_error_that_stays_is_not_repeated():
    flaky = Flaky(1, ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        flaky.run()
    assert flaky.waits == []


def test_an_error_without_a_text_has_its_name():
    assert retries.describe(ConnectionError()) == "ConnectionError"
