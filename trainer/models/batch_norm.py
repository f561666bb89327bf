"""Batch normalisation over the batch of all replicas (docs/adr/0024-replicas.md)."""

from typing import Any, NamedTuple

import tensorflow as tf

from trainer.models import replicas


class Normalized(NamedTuple):
    """What a step normalised, and by what.

    Attributes:
        outputs: Of the inputs' type and shape.
        mean: float32 [channels], of the global batch.
        variance: float32 [channels], unbiased, of the global batch.
    """

    outputs: Any
    mean: Any
    variance: Any


def normalize_over_replicas(
    inputs: Any, gamma: Any, beta: Any, *, shift: Any, epsilon: float
) -> Normalized:
    """Normalises as one replica with the whole batch would.

    One sum over replicas in each direction: of the values and their squares forwards,
    and of the two means that the gradient takes backwards.

    Args:
        inputs: float [batch, height, width, channels], this replica's rows.
        gamma: float32 [channels].
        beta: float32 [channels].
        shift: float32 [channels], about the mean: squares of what is left lose no
            digits.
        epsilon: Added to the variance.

    Source: Ioffe & Szegedy 2015, arxiv.org/abs/1502.03167, algorithm 1 and the
    gradients below it.
    """

    @tf.custom_gradient
    def run(inputs: Any, gamma: Any, beta: Any) -> Any:
        count, mean, variance = _measure(inputs, shift)
        outputs, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=gamma,
            offset=beta,
            mean=mean,
            variance=variance,
            epsilon=epsilon,
            is_training=False,
        )
        deviation = tf.sqrt(variance + epsilon)

        def compute_gradients(upstream: Any, *_: Any) -> list[Any]:
            normalized = (tf.cast(inputs, tf.float32) - mean) / deviation
            of_outputs = tf.cast(upstream, tf.float32)
            of_beta = _sum_pixels(of_outputs)
            of_gamma = _sum_pixels(of_outputs * normalized)
            means = replicas.sum_over_all(tf.stack([of_beta, of_gamma])) / count
            of_inputs = of_outputs - means[0] - normalized * means[1]
            scaled = of_inputs * (gamma / deviation)
            return [tf.cast(scaled, inputs.dtype), of_gamma, of_beta]

        unbiased = variance * count / tf.maximum(count - 1.0, 1.0)
        return (outputs, mean, unbiased), compute_gradients

    return Normalized(*run(inputs, gamma, beta))


def _measure(inputs: Any, shift: Any) -> tuple[Any, Any, Any]:
    """Pixels, float32 [1], mean and variance of each channel, of the global batch."""
    shifted = tf.cast(inputs, tf.float32) - shift
    num_channels = inputs.shape[-1]
    num_pixels = tf.cast(tf.size(inputs) // num_channels, tf.float32)
    sums = [_sum_pixels(shifted), _sum_pixels(shifted**2), num_pixels[tf.newaxis]]
    total, total_squares, count = tf.split(
        replicas.sum_over_all(tf.concat(sums, 0)), [num_channels, num_channels, 1]
    )
    mean = total / count
    return count, mean + shift, tf.maximum(total_squares / count - mean**2, 0.0)


def _sum_pixels(tensor: Any) -> Any:
    return tf.reduce_sum(tensor, [0, 1, 2])
