"""Where a block and the shortcut around it meet, and the next two part.

TensorFlow's kernels pass over the pictures eleven times there in a step; these do so
seven times (docs/adr/0037-channels-sums-and-joins.md).
"""

from typing import Any

import keras
import tensorflow as tf

from trainer.models import activations, one_pass


class Join(keras.layers.Layer):
    """The sum of two, activated, once for each of two readers.

    Who reads it twice takes both: so their gradients are added in one loop.
    """

    def __init__(self, activation: str, **kwargs: Any) -> None:
        """Keeps what `call` needs.

        Args:
            activation: A key of activations.ACTIVATIONS whose outputs tell its slope.
            **kwargs: Of keras.layers.Layer.
        """
        super().__init__(**kwargs)
        assert activations.ACTIVATIONS[activation].outputs_tell
        self._activation = activation

    def call(self, inputs: list[Any], training: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Adds.

        Args:
            inputs: Two float [batch, height, width, channels].
            training: Whether there will be gradients.

        Returns:
            The same twice, of the inputs' shape.
        """
        first, second = inputs
        if training and one_pass.pays(first):
            return _join(first, second, self._activation)
        joined = activations.activate(first + second, self._activation)
        return joined, joined


def _join(first: Any, second: Any, activation: str) -> Any:
    @tf.custom_gradient
    def run(first: Any, second: Any) -> Any:
        joined = _add(first, second, activation)

        def compute_gradients(upstream: Any, other: Any) -> list[Any]:
            of_sum = _differentiate(joined, upstream, other, activation)
            return [of_sum, of_sum]

        return (joined, tf.identity(joined)), compute_gradients

    return run(first, second)


@one_pass.compiled
def _add(first: Any, second: Any, activation: str) -> Any:
    total = tf.cast(first, tf.float32) + tf.cast(second, tf.float32)
    return one_pass.cast(
        activations.ACTIVATIONS[activation].compute(total), first.dtype
    )


@one_pass.compiled
def _differentiate(joined: Any, upstream: Any, other: Any, activation: str) -> Any:
    total = tf.cast(upstream, tf.float32) + tf.cast(other, tf.float32)
    slope = activations.ACTIVATIONS[activation].slope(tf.cast(joined, tf.float32))
    return one_pass.cast(total * slope, joined.dtype)
