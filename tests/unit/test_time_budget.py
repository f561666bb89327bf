import time

import pytest

from trainer import environment
from trainer.training import time_budget


class FakeClock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(environment, "process_secs", lambda: 20.0)


@pytest.fixture
def clock(monkeypatch):
    return FakeClock(monkeypatch)


class FakeTraining:
    """Takes 5 steps of 2 seconds a call; the first one takes 30 more."""

    def __init__(self, clock):
        self.clock = clock
        self.done = 0

    def __call__(self):
        self.clock.now += 10.0 + (0.0 if self.done else 30.0)
        self.done += 5
        return self.done


def plan(clock, *, max_minutes=20, warmup_steps=0, max_steps=10**6):
    budget = time_budget.TimeBudget(max_minutes)
    training = FakeTraining(clock)
    num_steps = budget.plan(
        training, eval_steps=3.0, warmup_steps=warmup_steps, max_steps=max_steps
    )
    return budget, training, num_steps


def test_steps_and_evaluations_fit_into_the_time(clock):
    budget, training, num_steps = plan(clock)
    evaluation = 2.0 + time_budget.EXPORT_SECS
    rest = 2.0 * (num_steps - training.done)
    # An evaluation more than the four, for the report.
    assert rest + 5 * evaluation < budget.secs_left
    assert rest + 5 * evaluation > 0.85 * budget.secs_left


def test_the_first_call_builds_the_graph_and_does_not_count(clock):
    num_steps = plan(clock)[2]
    # With its 30 seconds it would be a step of 4.67 seconds.
    assert num_steps > 400


def test_time_before_the_clock_counts(clock):
    budget = time_budget.TimeBudget(1)
    assert budget.secs == 20.0
    budget.restore(25.0)
    clock.now += 2.0
    assert budget.secs_left == pytest.approx(13.0)


def test_it_is_late_when_only_an_evaluation_has_time(clock):
    budget = time_budget.TimeBudget(1)
    assert not budget.is_late()
    clock.now += 40.0 - time_budget.EXPORT_SECS + 0.1
    assert budget.is_late()


def test_without_a_limit_it_is_never_late(clock):
    budget = time_budget.TimeBudget(0)
    clock.now += 1e9
    assert not budget.is_late()


def test_a_job_without_time_takes_a_step(clock):
    _, training, num_steps = plan(clock, max_minutes=0.1)
    assert num_steps == training.done + 1


@pytest.mark.parametrize("max_steps", [5, 10])
def test_it_takes_no_more_than_the_steps_that_are_asked_for(clock, max_steps):
    _, training, num_steps = plan(clock, max_steps=max_steps)
    assert (training.done, num_steps) == (max_steps, max_steps)


def test_it_measures_within_the_warmup_where_it_can(clock):
    assert plan(clock, max_minutes=1000, warmup_steps=10)[1].done == 10
    assert plan(clock, max_minutes=1000, warmup_steps=0)[1].done == 10
