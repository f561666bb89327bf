"""Squeeze and excitation: a gate for each channel of a picture, that sees all of it.

TensorFlow's kernels pass over the pictures fifteen times in a step, most of them one
value at a time in bfloat16; these do so nine times (docs/adr/0035-gates.md).

Source: Hu et al. 2017, arxiv.org/abs/1709.01507.
"""

from typing import Any

import keras
import tensorflow as tf

from trainer.models import one_pass


class Squeeze(keras.layers.Layer):
    """The mean of each channel, behind the inputs as they are.

    Who uses both takes both from here: so their gradients are added in one loop.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Squeezes.

        Args:
            inputs: float [batch, height, width, channels].
            training: Whether there will be gradients.

        Returns:
            The inputs, and [batch, 1, 1, channels] of their type.
        """
        if training and one_pass.pays(inputs):
            return _squeeze(inputs)
        return inputs, _mean(inputs)


class Excite(keras.layers.Layer):
    """Scales each channel by its gate."""

    def call(self, inputs: list[Any], training: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Multiplies.

        Args:
            inputs: float [batch, height, width, channels], and gates of the same type,
                [batch, 1, 1, channels].
            training: Whether there will be gradients.
        """
        values, gates = inputs
        if training and one_pass.pays(values):
            return _excite(values, gates)
        return values * gates


def _mean(inputs: Any) -> Any:
    return tf.reduce_mean(inputs, [1, 2], keepdims=True)


@tf.custom_gradient
def _squeeze(inputs: Any) -> Any:
    def compute_gradients(of_inputs: Any, of_means: Any) -> Any:
        return _add_share(of_inputs, of_means)

    return (tf.identity(inputs), _mean(inputs)), compute_gradients


@one_pass.compiled
def _add_share(of_inputs: Any, of_means: Any) -> Any:
    """Each pixel's share of the gradient of the mean, and its own."""
    _, height, width, _ = of_inputs.shape
    share = tf.cast(of_means, tf.float32) / (height * width)
    return one_pass.cast(tf.cast(of_inputs, tf.float32) + share, of_inputs.dtype)


@tf.custom_gradient
def _excite(values: Any, gates: Any) -> Any:
    def compute_gradients(upstream: Any) -> list[Any]:
        groups = map(one_pass.group_rows, (values, upstream))
        of_gates = tf.reduce_sum(_sum_some_products(*groups), 1)
        of_gates = of_gates[:, tf.newaxis, tf.newaxis]
        return [_multiply(upstream, gates), tf.cast(of_gates, gates.dtype)]

    return _multiply(values, gates), compute_gradients


@one_pass.compiled
def _multiply(values: Any, gates: Any) -> Any:
    return one_pass.cast(_product(values, gates), values.dtype)


@one_pass.compiled
def _sum_some_products(first: Any, second: Any) -> Any:
    """[batch, groups, rows, channels] -> float32 [batch, groups, channels]."""
    return tf.reduce_sum(_product(first, second), 2)


def _product(first: Any, second: Any) -> Any:
    return tf.cast(first, tf.float32) * tf.cast(second, tf.float32)
