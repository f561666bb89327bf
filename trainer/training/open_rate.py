"""The initial learning rate of a job that looks for it: `--recipe=auto`."""

from typing import Any

import tensorflow as tf


class OpenRate:
    """A rate that is found once, before step 0, and then part of every checkpoint.

    Attributes:
        initial: float32 []; 0 until it is found.
    """

    def __init__(self) -> None:
        self.initial = tf.Variable(0.0, trainable=False)
        # Of a step of the range test; 0 in all others. So both take the same graph.
        self._tried = tf.Variable(0.0, trainable=False)

    @property
    def found(self) -> float | None:
        """The rate; None until it is found."""
        return float(self.initial.numpy()) or None

    def fix(self, rate: float) -> None:
        """Says what was found."""
        self.initial.assign(rate)

    def try_out(self, rate: float) -> None:
        """Has all steps take this rate, whatever the schedule says; 0 ends it."""
        self._tried.assign(rate)

    def or_tried(self, scheduled: Any) -> Any:
        """The rate of a step, float32 []."""
        return tf.where(self._tried > 0, self._tried, scheduled)
