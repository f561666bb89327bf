"""Takes steps in calls of about a second, and looks around between them.

Between two calls it reports, saves in time, and meets signals and losses that are no
numbers, so that one call into TensorFlow stays short whatever the model.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from trainer import errors
from trainer.data.pipeline import TrainingInput
from trainer.training import steps
from trainer.training.agreement import Agreement
from trainer.training.micro_batches import MicroBatches
from trainer.training.profiling import Profiler
from trainer.training.progress import TrainingWindow

CALL_SECS = 1.0
MAX_STEPS_A_CALL = 100

Observer = Callable[[TrainingWindow], None]


class Runner:
    """Moves a trainer on to a given step."""

    def __init__(  # noqa: PLR0913
        self,
        trainer: steps.Trainer,
        batches: TrainingInput,
        *,
        micro_batches: MicroBatches,
        agreement: Agreement,
        profiler: Profiler,
        record: Observer,
        observers: Sequence[Observer],
        report_secs: float,
    ) -> None:
        """Takes what training needs; trains nothing yet.

        Args:
            trainer: Has the step that training goes on from.
            batches: Are opened at the trainer's step, and again there if a batch has
                a picture that does not decode.
            micro_batches: Splits the trainer's batches if they do not fit into memory.
            agreement: Is checked between calls.
            profiler: Records some of the steps.
            record: Called with a window for each call into TensorFlow, so with every
                step before it is saved.
            observers: Called with each window and at the end of `train`.
            report_secs: Seconds that a window covers.
        """
        self._trainer = trainer
        self._input = batches
        self._batches: Iterator[Any] | None = None
        self._micro_batches = micro_batches
        self._agreement = agreement
        self._profiler = profiler
        self._record = record
        self._observers = observers
        self._report_secs = report_secs
        self._steps_a_call = 1

    def train(
        self,
        to_step: int,
        *,
        save: Callable[[], None],
        save_secs: float,
        is_late: Callable[[], bool] = lambda: False,
    ) -> None:
        """Trains up to a step, or until it is late.

        Args:
            to_step: Step to stop at.
            save: Called every `save_secs` seconds between two calls, and when a batch
                has to be split, so that a job that is killed goes on with that.
            save_secs: Seconds between saves.
            is_late: Asked between calls: whether to take no more steps.

        Raises:
            Interrupted: If a signal came; the trainer's state is whole.
            TrainingError: If the loss is no number.
        """
        window = _Window()
        saved_at = time.monotonic()
        while self._trainer.num_steps_done < to_step and not is_late():
            self._agreement.check()
            self._profiler.update(self._trainer.num_steps_done)
            taken = self._take_steps(to_step, save)
            window.add(*taken)
            self._record(self._summarize(_window_of(*taken)))
            if window.secs >= self._report_secs:
                self._report(window)
                window = _Window()
            if time.monotonic() - saved_at >= save_secs:
                save()
                saved_at = time.monotonic()
        self._profiler.update(to_step)
        if window.num_steps:
            self._report(window)

    def take_step(self) -> steps.Progress:
        """Takes one step, whatever its loss; it is neither reported nor saved.

        Raises:
            Interrupted: If a signal came.
        """
        self._agreement.check()
        return self._train_steps(self._trainer.num_steps_done + 1, lambda: None)

    def _take_steps(
        self, to_step: int, save: Callable[[], None]
    ) -> tuple[steps.Progress, float]:
        """Takes steps, and adapts how many the next call takes to their duration."""
        started_at = time.monotonic()
        progress = self._train_steps(to_step, save)
        secs = time.monotonic() - started_at
        if not math.isfinite(progress.loss):
            self._raise_for_loss(progress.loss)
        fitting = int(CALL_SECS / max(secs / progress.num_steps, 1e-9))
        # Grows slowly, since the first call also builds the graph.
        self._steps_a_call = max(
            1, min(fitting, 2 * self._steps_a_call, MAX_STEPS_A_CALL)
        )
        return progress, secs

    def _train_steps(self, to_step: int, save: Callable[[], None]) -> steps.Progress:
        while True:
            step = self._trainer.num_steps_done
            if self._batches is None:
                self._batches = iter(self._input.open(step))
            stop = self._profiler.next_stop(step, to_step)
            wanted = min(self._steps_a_call, stop - step)
            num_steps = self._agreement.agree_on_steps(wanted)
            self._micro_batches.before_steps()
            try:
                progress = self._trainer.train_steps(self._batches, num_steps)
            except tf.errors.InvalidArgumentError:
                self._batches = None
                # The steps before the batch that failed are done.
                if not self._input.mark_undecodable(self._trainer.num_steps_done):
                    raise
            except tf.errors.ResourceExhaustedError:
                # The same images are read again.
                self._batches = None
                if not self._micro_batches.split_further():
                    raise
                save()
            else:
                self._micro_batches.after_steps()
                return progress

    def _raise_for_loss(self, loss: float) -> None:
        step = self._trainer.num_steps_done - 1
        rate = self._trainer.learning_rate_at(step)
        raise errors.TrainingError(
            f"The loss is {loss} at step {step}, with a learning rate of {rate:.3g}; "
            "lower --initial_learning_rate or raise --warmup_steps, and give another "
            "--job-dir to start over."
        )

    def _report(self, window: "_Window") -> None:
        shown = self._summarize(window)
        for observer in self._observers:
            observer(shown)

    def _summarize(self, window: "_Window") -> TrainingWindow:
        step = self._trainer.num_steps_done
        rate = self._trainer.learning_rate_at(step - 1)
        return window.summarize(step, rate, self._trainer.batch_size)


class _Window:
    """Sums over the steps since the last report."""

    def __init__(self) -> None:
        self.num_steps = 0
        self.secs = 0.0
        self._wait_secs = 0.0
        self._loss = 0.0
        self._accuracy = 0.0

    def add(self, progress: steps.Progress, secs: float) -> None:
        self.num_steps += progress.num_steps
        self.secs += secs
        self._wait_secs += progress.wait_secs
        self._loss += progress.loss * progress.num_steps
        self._accuracy += progress.accuracy * progress.num_steps

    def summarize(
        self, step: int, learning_rate: float, batch_size: int
    ) -> TrainingWindow:
        steps_per_second = self.num_steps / max(self.secs, 1e-9)
        return TrainingWindow(
            step=step,
            num_steps=self.num_steps,
            loss=self._loss / self.num_steps,
            accuracy=self._accuracy / self.num_steps,
            learning_rate=learning_rate,
            secs=self.secs,
            wait_secs=self._wait_secs,
            images_per_second=steps_per_second * batch_size,
            steps_per_second=steps_per_second,
        )


def _window_of(progress: steps.Progress, secs: float) -> _Window:
    window = _Window()
    window.add(progress, secs)
    return window
