import os
import signal

import pytest

from trainer.training.interruption import Interrupted, Interruption


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_at_once_while_there_is_nothing_to_save(number, exit_code):
    with Interruption(), pytest.raises(Interrupted) as caught:
        os.kill(os.getpid(), number)
    assert caught.value.exit_code == exit_code


def test_a_deferred_signal_waits_for_the_check():
    with Interruption() as interruption:
        interruption.defer()
        interruption.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted, match="SIGTERM"):
            interruption.check()


def test_a_second_signal_does_not_wait():
    with Interruption() as interruption:
        interruption.defer()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)


def test_watching_stops_between_items():
    with Interruption() as interruption:
        interruption.defer()
        items = interruption.watch(range(5))
        assert next(items) == 0
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted):
            next(items)


def test_no_broad_except_takes_it_for_an_error():
    assert not issubclass(Interrupted, Exception)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
