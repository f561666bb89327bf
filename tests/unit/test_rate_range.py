import itertools
import math

import pytest

from trainer.training import rate_range

RATE = 0.01


class Network:
    """Takes steps on a clock of its own; its loss rises from a rate on."""

    def __init__(self, *, limit=math.inf, risen=9.0, secs=0.0):
        self.now = 0.0
        self.rates = []
        self._limit, self._risen, self._secs = limit, risen, secs

    def monotonic(self):
        return self.now

    def take_step(self, rate):
        # The first builds the graph.
        self.now += self._secs if self.rates else 100.0
        self.rates.append(rate)
        return self._risen if rate > self._limit else 2.0


def find(network, *, max_steps=10_000, secs=math.inf):
    return rate_range.find_rate(RATE, network.take_step, max_steps=max_steps, secs=secs)


def test_rates_rise_by_one_factor_around_that_of_the_recipe():
    rates = rate_range.plan_rates(RATE, 21)
    assert rates[0] == pytest.approx(RATE / 16)
    assert rates[10] == pytest.approx(RATE)
    assert rates[-1] == pytest.approx(16 * RATE)
    factors = [high / low for low, high in itertools.pairwise(rates)]
    assert factors == pytest.approx([factors[0]] * 20)


@pytest.mark.parametrize("risen", [9.0, math.nan, math.inf])
def test_it_keeps_clear_of_the_rate_at_which_the_loss_rises(risen, caplog):
    caplog.set_level("INFO")
    network = Network(limit=4 * RATE, risen=risen)
    found = find(network)
    # Little higher was tried.
    last = network.rates[-1]
    assert 4 * RATE < last < 8 * RATE
    assert found == float(f"{last / rate_range.MARGIN:.2g}")
    assert f"--initial_learning_rate={found:.2g} | range test: the loss rises" in (
        caplog.text
    )
    assert "take it in place of 0.01" in caplog.text


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(0.01, 0.25), (4.0, 0.5), (7.2, 0.9), (8.0, 1.0), (16.0, 1.0), (None, 1.0)],
)
def test_it_lowers_what_is_too_high_and_raises_nothing(limit, expected):
    found = rate_range.choose(RATE, limit and limit * RATE)
    assert found == pytest.approx(expected * RATE)


def test_a_single_high_loss_is_no_end():
    losses = iter([2.0] * 5 + [2.9] + [2.0] * 100)
    network = Network()
    network.take_step = lambda rate: network.rates.append(rate) or next(losses)
    assert find(network) == RATE
    assert len(network.rates) == rate_range.NUM_STEPS


@pytest.mark.parametrize(("max_steps", "expected"), [(499, 0), (700, 28), (9999, 40)])
def test_it_takes_a_small_share_of_the_steps(max_steps, expected, caplog):
    caplog.set_level("INFO")
    network = Network()
    assert find(network, max_steps=max_steps) == RATE
    assert len(network.rates) == expected
    assert ("too short for a range test" in caplog.text) == (not expected)


@pytest.mark.parametrize(("secs", "expected"), [(10, 3), (300, 3 + 24), (9999, 3 + 40)])
def test_it_takes_a_small_share_of_the_time(secs, expected, monkeypatch):
    network = Network(secs=0.5)
    monkeypatch.setattr(rate_range, "time", network)
    find(network, secs=secs)
    assert len(network.rates) == expected
