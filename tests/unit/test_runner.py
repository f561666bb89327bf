import itertools
import math
from typing import ClassVar

import pytest
import tensorflow as tf

from trainer import errors
from trainer.training import cluster, profiling, runner, steps, team
from trainer.training.agreement import Agreement
from trainer.training.interruption import Interrupted, Interruption
from trainer.training.micro_batches import MicroBatches


class Trainer:
    """Takes steps of a set duration on a clock of its own."""

    batch_size = 10
    num_micro_batches = 1
    variables: ClassVar = {}

    def __init__(self, clock, *, secs_a_step=0.5, nan_at=None):
        self.num_steps_done = 0
        self.calls = []
        self._clock = clock
        self._secs_a_step = secs_a_step
        self._nan_at = nan_at

    def use_micro_batches(self, count):
        self.num_micro_batches = count

    def learning_rate_at(self, step):
        return 0.1 * step

    def train_steps(self, batches, num_steps):
        steps_left = range(self.num_steps_done, self.num_steps_done + num_steps)
        for step in steps_left:
            if step in next(batches):
                self.num_steps_done = step
                raise tf.errors.InvalidArgumentError(None, None, "no picture")
        self.calls.append(num_steps)
        self._clock.now += num_steps * self._secs_a_step
        self.num_steps_done += num_steps
        is_broken = self._nan_at is not None and self.num_steps_done > self._nan_at
        loss = math.nan if is_broken else 2.0
        return steps.Progress(num_steps, loss, 0.25, wait_secs=0.1 * num_steps)


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    fake = Clock()
    monkeypatch.setattr(runner, "time", fake)
    return fake


class Batches:
    """Has batches that do not decode at some steps, until they were marked."""

    def __init__(self, *, undecodable=()):
        self.opened = []
        self.undecodable = set(undecodable)

    def open(self, step):
        self.opened.append(step)
        return itertools.repeat(self.undecodable)

    def mark_undecodable(self, step):
        is_new = step in self.undecodable
        self.undecodable.discard(step)
        return is_new


def build(
    trainer,
    windows=None,
    interruption=None,
    report_secs=10,
    batches=None,
    recorded=None,
):
    return runner.Runner(
        trainer,
        batches or Batches(),
        micro_batches=MicroBatches(trainer, [1, 2, 4], is_fixed=False, is_alone=True),
        agreement=Agreement(
            team.Team(cluster.Cluster(), None), interruption or Interruption(), {}
        ),
        profiler=profiling.Profiler(None, ""),
        record=(recorded if recorded is not None else []).append,
        observers=[] if windows is None else [windows.append],
        report_secs=report_secs,
    )


def ignore():
    pass


def test_it_stops_at_the_step(clock):
    trainer = Trainer(clock)
    build(trainer).train(7, save=ignore, save_secs=100)
    assert trainer.num_steps_done == 7
    assert sum(trainer.calls) == 7


def test_a_call_takes_about_a_second(clock):
    trainer = Trainer(clock, secs_a_step=0.125)
    build(trainer).train(30, save=ignore, save_secs=100)
    assert trainer.calls == [1, 2, 4, 8, 8, 7]


def test_a_slow_step_is_a_call_of_its_own(clock):
    trainer = Trainer(clock, secs_a_step=30)
    build(trainer).train(3, save=ignore, save_secs=1000)
    assert trainer.calls == [1, 1, 1]


def test_windows_cover_the_report_interval(clock):
    windows = []
    build(Trainer(clock), windows).train(50, save=ignore, save_secs=100)
    assert [window.step for window in windows] == [21, 41, 50]
    window = windows[0]
    assert window.loss == 2.0
    assert window.accuracy == 0.25
    assert window.images_per_second == pytest.approx(20)
    assert window.learning_rate == pytest.approx(2.0)
    assert (window.num_steps, window.secs) == (21, 10.5)
    assert window.wait_secs == pytest.approx(2.1)


def test_it_saves_at_the_interval(clock):
    saved, trainer = [], Trainer(clock)
    build(trainer).train(60, save=lambda: saved.append(clock.now), save_secs=10)
    assert saved == [10.5, 20.5]


def test_each_step_is_recorded_before_it_is_saved(clock):
    recorded, found = [], []
    trainer = Trainer(clock)

    def save():
        found.append((sum(one.num_steps for one in recorded), trainer.num_steps_done))

    build(trainer, recorded=recorded).train(60, save=save, save_secs=10)
    assert len(found) == 2
    assert all(num_recorded == num_done for num_recorded, num_done in found)
    assert [one.step for one in recorded] == [1, *range(3, 60, 2), 60]


def test_a_signal_does_not_lose_the_record_of_the_steps_before_it(clock):
    recorded, interruption = [], Interruption()
    interruption.defer()
    trainer = Trainer(clock)
    take_steps = trainer.train_steps

    def take_and_signal(*arguments):
        if trainer.num_steps_done >= 5:
            interruption._receive(15, None)
        return take_steps(*arguments)

    trainer.train_steps = take_and_signal
    job = build(trainer, interruption=interruption, recorded=recorded)
    with pytest.raises(Interrupted):
        job.train(50, save=ignore, save_secs=100)
    assert sum(one.num_steps for one in recorded) == trainer.num_steps_done > 0


def test_a_loss_that_is_no_number_ends_the_job(clock):
    trainer = Trainer(clock, nan_at=0)
    with pytest.raises(errors.TrainingError, match="The loss is nan at step 0, with a"):
        build(trainer).train(10, save=ignore, save_secs=100)


def test_a_signal_ends_it_between_calls(clock):
    interruption = Interruption()
    interruption.defer()
    trainer = Trainer(clock)
    interruption._receive(15, None)
    with pytest.raises(Interrupted) as caught:
        build(trainer, interruption=interruption).train(10, save=ignore, save_secs=100)
    assert caught.value.exit_code == 143
    assert trainer.calls == []


def test_a_batch_that_does_not_decode_is_read_again_without_its_bad_record(clock):
    trainer, batches = Trainer(clock), Batches(undecodable=[2, 5])
    build(trainer, batches=batches).train(8, save=ignore, save_secs=10)
    assert trainer.num_steps_done == 8
    assert batches.opened == [0, 2, 5]


def test_a_batch_that_fails_for_another_reason_ends_the_job(clock):
    batches = Batches(undecodable=[2])
    batches.mark_undecodable = lambda _: False
    with pytest.raises(tf.errors.InvalidArgumentError):
        build(Trainer(clock), batches=batches).train(8, save=ignore, save_secs=10)


class ShortOfMemory(Trainer):
    """Fails in steps of fewer micro-batches than a number, from a step on."""

    def __init__(self, clock, *, needed, from_step=0):
        super().__init__(clock)
        self._needed, self._from_step = needed, from_step

    def train_steps(self, batches, num_steps):
        is_hard = self.num_steps_done >= self._from_step
        if is_hard and self.num_micro_batches < self._needed:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")
        return super().train_steps(batches, num_steps)


def test_a_step_that_does_not_fit_is_taken_again_in_parts_and_that_is_saved(clock):
    trainer, batches, saved = ShortOfMemory(clock, needed=3), Batches(), []
    build(trainer, batches=batches).train(
        8,
        save=lambda: saved.append((trainer.num_steps_done, trainer.num_micro_batches)),
        save_secs=100,
    )
    assert trainer.num_steps_done == 8
    # Each time the batch is read again.
    assert batches.opened == [0, 0, 0]
    assert saved == [(0, 2), (0, 4)]


def test_memory_that_runs_out_after_a_step_has_fitted_ends_the_job(clock):
    trainer = ShortOfMemory(clock, needed=2, from_step=1)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        build(trainer).train(8, save=ignore, save_secs=100)
    assert trainer.num_micro_batches == 1


def test_it_takes_no_more_steps_when_it_is_late(clock):
    trainer = Trainer(clock)
    build(trainer).train(
        70, save=ignore, save_secs=600, is_late=lambda: trainer.num_steps_done > 9
    )
    assert 9 < trainer.num_steps_done < 70
