"""Dynamic loss scaling, which keeps small float16 gradients from becoming zero."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.models import replicas

INITIAL_SCALE = 2.0**15
STEPS_TO_DOUBLE = 2000


class LossScale:
    """A factor on the loss: halved after an overflow, doubled after a quiet time.

    Source: Micikevicius et al. 2018, arxiv.org/abs/1710.03740, section 3.2; the
    constants are those of tf.mixed_precision.experimental.DynamicLossScale.
    """

    def __init__(self) -> None:
        self._scale = tf.Variable(INITIAL_SCALE, trainable=False)
        self._good_steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """Variables to save, by their names in a checkpoint."""
        return {
            "loss_scale/scale": self._scale,
            "loss_scale/good_steps": self._good_steps,
        }

    def scale(self, loss: Any) -> Any:
        """The loss, float32 [], times the current factor."""
        return loss * self._scale

    def unscale(self, gradients: Sequence[Any]) -> tuple[list[Any], Any]:
        """Divides gradients by the factor and adapts it.

        Returns:
            The gradients, and bool []: whether all of them are finite. If not, the
            step must not be applied.
        """
        inverse = 1.0 / self._scale
        unscaled = [gradient * inverse for gradient in gradients]
        is_finite = tf.reduce_all(
            [tf.reduce_all(tf.math.is_finite(gradient)) for gradient in unscaled]
        )
        good_steps = tf.where(is_finite, self._good_steps + 1, tf.zeros((), tf.int64))
        is_quiet = good_steps >= STEPS_TO_DOUBLE
        grown = tf.where(is_quiet, self._scale * 2.0, self._scale)
        scale = tf.where(is_finite, grown, self._scale / 2.0)
        replicas.assign(self._scale, scale)
        left = tf.where(is_quiet, tf.zeros((), tf.int64), good_steps)
        replicas.assign(self._good_steps, left)
        return unscaled, is_finite
