"""What the micro-batches of a step add up to (docs/adr/0026-micro-batches.md)."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.models import replicas


class StepSums:
    """Gradients, loss and accuracy of the micro-batches so far, on each replica.

    They begin anew with each step, so no checkpoint has them.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        """Makes room; within the scope of the strategy.

        Args:
            variables: float32; those that are trained.
        """
        self._gradients = [_zeros(variable.shape) for variable in variables]
        # Loss, accuracy.
        self._scores = _zeros([2])

    def restart(self) -> None:
        """Begins a step."""
        for total in [*self._gradients, self._scores]:
            replicas.assign(total, tf.zeros(total.shape))

    def add(self, gradients: Sequence[Any], scores: Any) -> None:
        """Adds those of a micro-batch.

        Args:
            gradients: float32, one for each variable, in order and of its shape.
            scores: float32 [2], its parts of loss and accuracy.
        """
        for total, value in zip(self._gradients, gradients, strict=True):
            replicas.add(total, value)
        replicas.add(self._scores, scores)

    def over_all(self) -> tuple[list[Any], list[Any]]:
        """The gradients, and loss and accuracy, summed over all replicas."""
        gradients = [tf.convert_to_tensor(one) for one in self._gradients]
        scores = tf.unstack(tf.convert_to_tensor(self._scores))
        return replicas.sum_over_all(gradients), replicas.sum_over_all(scores)


def _zeros(shape: Any) -> tf.Variable:
    return tf.Variable(tf.zeros(shape), trainable=False)
