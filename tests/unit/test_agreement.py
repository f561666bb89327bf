import signal
import threading

import pytest

from trainer.training.agreement import Agreement
from trainer.training.interruption import Interrupted, Interruption


class Bad:
    """The bad records of a split, as far as an agreement asks."""

    def __init__(self, *records):
        self.found = {("file", record) for record in records}

    def export(self):
        return [{"path": path, "record": record} for path, record in sorted(self.found)]

    def restore(self, exported):
        self.found |= {(one["path"], one["record"]) for one in exported}


class Mates:
    """Processes that are threads."""

    is_alone = False

    def __init__(self, size):
        self._barrier = threading.Barrier(size)
        self._values = {}
        self.sent = []

    def gather(self, value):
        self.sent.append(value)
        self._values[threading.get_ident()] = value
        self._barrier.wait(10)
        found = list(self._values.values())
        self._barrier.wait(10)
        return found


def run_all(*functions):
    results = [None] * len(functions)

    def call(number):
        try:
            results[number] = functions[number]()
        except BaseException as error:  # noqa: BLE001
            results[number] = error

    threads = [
        threading.Thread(target=call, args=[one]) for one in range(len(functions))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def build(mates, *records):
    interruption, bad = Interruption(), Bad(*records)
    interruption.defer()
    return Agreement(mates, interruption, {"training": bad}), interruption, bad


def test_all_take_as_many_steps_as_the_slowest():
    mates = Mates(2)
    one, other = build(mates)[0], build(mates)[0]
    found = run_all(lambda: one.agree_on_steps(7), lambda: other.agree_on_steps(3))
    assert found == [3, 3]


def test_a_signal_to_one_ends_all():
    mates = Mates(2)
    (one, interruption, _), (other, *_) = build(mates), build(mates)
    assert run_all(one.check, other.check) == [None, None]
    interruption._receive(signal.SIGTERM, None)
    found = run_all(one.check, other.check)
    assert all(isinstance(error, Interrupted) for error in found)
    assert [error.exit_code for error in found] == [143, 143]


def test_what_one_finds_bad_all_know_and_it_is_told_once():
    mates = Mates(2)
    (one, _, mine), (other, _, theirs) = build(mates, 1), build(mates, 5)
    run_all(one.check, other.check)
    assert mine.found == theirs.found == {("file", 1), ("file", 5)}
    run_all(one.check, other.check)
    mates.sent.clear()
    run_all(one.check, other.check)
    assert [value["bad"] for value in mates.sent] == [{}, {}]


def test_a_batch_is_passed_on_after_a_check():
    mates = Mates(1)
    agreement, interruption, _ = build(mates)
    batches = agreement.watch(["a", "b"])
    assert next(batches) == "a"
    interruption._receive(signal.SIGINT, None)
    with pytest.raises(Interrupted):
        next(batches)
