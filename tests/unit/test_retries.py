import asyncio

import pytest

from trainer.storage import retries


class Flaky:
    """Fails a number of times, each after some seconds, then gives an answer."""

    def __init__(self, failures, error=None, secs=0.0):
        self.failures = failures
        self.error = error or ConnectionError("dropped")
        self.waits = []
        self.secs = secs
        self.now = 0.0
        self.contact = retries.Contact(lambda: self.now)

    async def call(self):
        self.now += self.secs
        if self.failures:
            self.failures -= 1
            raise self.error
        return "answer"

    async def sleep(self, secs):
        self.waits.append(secs)
        self.now += secs

    def run(self):
        return asyncio.run(
            retries.retry(
                self.call,
                what="gs://bucket/file",
                is_transient=lambda error: isinstance(error, OSError),
                contact=self.contact,
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
    flaky.contact.was_made()
    with pytest.raises(retries.GaveUpError, match="dropped") as caught:
        flaky.run()
    assert 99 - flaky.failures == caught.value.num_attempts == retries.NUM_ATTEMPTS
    assert 31 < sum(flaky.waits) <= 63.5


@pytest.mark.parametrize("secs", [0.0, 4.0, 10.0])
def test_who_was_never_reached_is_given_up_sooner(secs):
    flaky = Flaky(99, secs=secs)
    with pytest.raises(retries.GaveUpError) as caught:
        flaky.run()
    assert flaky.now <= retries.CONTACT_SECS + secs
    assert 99 - flaky.failures == caught.value.num_attempts >= 2


def test_after_one_call_that_worked_an_outage_is_waited_for():
    flaky = Flaky(0)
    flaky.run()
    flaky.failures, flaky.now = 7, 10_000.0
    assert flaky.run() == "answer"
    assert len(flaky.waits) == 7


def test_an_attempt_that_hangs_ends_with_the_time(monkeypatch):
    monkeypatch.setattr(retries, "CONTACT_SECS", 0.05)
    monkeypatch.setattr(retries, "LEAST_SECS", 0.05)
    flaky = Flaky(0)
    flaky.call = lambda: asyncio.sleep(60)
    with pytest.raises(retries.GaveUpError, match="no answer in time"):
        flaky.run()


def test_without_time_left_there_is_one_attempt():
    flaky = Flaky(1)
    flaky.now = 10_000.0
    with pytest.raises(retries.GaveUpError) as caught:
        flaky.run()
    assert caught.value.num_attempts == 1
    assert flaky.run() == "answer"


def test_an_error_that_stays_is_not_repeated():
    flaky = Flaky(1, ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        flaky.run()
    assert flaky.waits == []


def test_an_error_without_a_text_has_its_name():
    assert retries.describe(ConnectionError()) == "ConnectionError"
