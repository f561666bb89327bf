"""What a person or a log collector sees while a job trains.

On a terminal a bar; elsewhere one line an interval in a fixed form. No TensorFlow.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

BAR_SECS = 1.0
LINE_SECS = 10.0


class TrainingWindow(NamedTuple):
    """Means over the steps since the last report.

    Attributes:
        step: The last one of them.
        num_steps: How many they are.
        loss: Mean training loss.
        accuracy: Mean accuracy on the batches that were trained on.
        learning_rate: Of the last step.
        secs: Time that the steps took, evaluations and checkpoints left out.
        wait_secs: Part of it in which steps waited for their batches.
        images_per_second: Speed in that time.
        steps_per_second: Speed in that time.
    """

    step: int
    num_steps: int
    loss: float
    accuracy: float
    learning_rate: float
    secs: float
    wait_secs: float
    images_per_second: float
    steps_per_second: float


class Progress(Protocol):
    """Shows training windows every `report_secs` seconds."""

    report_secs: float

    def show(self, window: TrainingWindow) -> None:
        """Shows where training is."""


class Lines:
    """One line a window: `train | step 400/3000 | loss 0.512 | ...`."""

    report_secs = LINE_SECS

    def __init__(self, max_steps: int) -> None:
        self._max_steps = max_steps

    def show(self, window: TrainingWindow) -> None:
        """Logs the line."""
        secs_left = (self._max_steps - window.step) / window.steps_per_second
        logging.info(
            "train | step %d/%d | loss %.3f | accuracy %.3f | learning rate %.3g | "
            "%.1f images/s | %s left",
            window.step,
            self._max_steps,
            window.loss,
            window.accuracy,
            window.learning_rate,
            window.images_per_second,
            format_secs(secs_left),
        )


class Bar:
    """A bar with step, loss, accuracy, images/s and time left."""

    report_secs = BAR_SECS

    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar

    def show(self, window: TrainingWindow) -> None:
        """Moves the bar."""
        self._bar.set_postfix_str(
            f"loss {window.loss:.3f}, accuracy {window.accuracy:.3f}, "
            f"{window.images_per_second:.1f} images/s",
            refresh=False,
        )
        self._bar.update(window.step - self._bar.n)


@contextlib.contextmanager
def bar(start_step: int, max_steps: int) -> Iterator[Bar]:
    """Keeps a bar on the last line of the terminal, log lines above it."""
    with (
        logging_redirect_tqdm(),
        tqdm(
            initial=start_step,
            total=max_steps,
            desc="train",
            unit="step",
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}% |{bar}| step {n}/{total}{postfix}, "
            "{remaining} left",
        ) as shown,
    ):
        yield Bar(shown)


def log_evaluation(
    step: int, max_steps: int, metrics: Mapping[str, float], *, is_best: bool
) -> None:
    """Logs the line of an evaluation."""
    logging.info(
        "eval  | step %d/%d | loss %.3f | top_1_accuracy %.4f | top_5_accuracy %.4f | "
        "%d images in %s%s",
        step,
        max_steps,
        metrics["loss"],
        metrics["top_1_accuracy"],
        metrics["top_5_accuracy"],
        metrics["num_images"],
        format_secs(metrics["secs"]),
        " | best so far" if is_best else "",
    )


def format_secs(secs: float) -> str:
    """For example "12.3s", "4m05s" or "2h07m"."""
    if secs < 60:
        return f"{secs:.1f}s"
    minutes, rest = divmod(round(secs), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    return f"{minutes // 60}h{minutes % 60:02}m"
