"""Batch normalisation and the activation behind it, over the batch of all replicas.

TensorFlow's kernels of the two read or write a tensor fourteen times in a step,
and keep what is between them; these do so eight times and keep the inputs alone
(docs/adr/0030-normalisation-in-few-passes.md).

Squeeze and excitation (Hu et al. 2017, arxiv.org/abs/1709.01507) needs the mean of each
picture besides. It is taken here, so that its gradient is read in the loops that read
that of the picture (docs/adr/0042-gated-convolutions.md).
"""

from typing import Any, NamedTuple

import tensorflow as tf

from trainer.models import one_pass, replicas
from trainer.models.activations import ACTIVATIONS

# oneDNN's kernels are for channels in whole vectors; others take it up to ten times as
# long, so that smaller layers pay (docs/adr/0037-channels-sums-and-joins.md).
VECTOR, MIN_VALUES_OF_OTHERS = 16, 2**18


class Normalized(NamedTuple):
    """What a step normalised, and by what.

    Attributes:
        outputs: Of the inputs' shape, activated.
        squeezed: Of their type, the mean of each picture: [batch, 1, 1, channels].
        mean: float32 [channels].
        variance: float32 [channels]; of a batch it is the unbiased one.
    """

    outputs: Any
    squeezed: Any
    mean: Any
    variance: Any


class Form(NamedTuple):
    """What a layer computes beside its variables.

    Attributes:
        epsilon: Added to the variance.
        activation: A key of ACTIVATIONS.
        dtype: Of the outputs.
        squeezes: Whether there is a gradient of what is squeezed, too.
    """

    epsilon: float
    activation: str
    dtype: str
    squeezes: bool = False


class Statistics(NamedTuple):
    """Of values: each float32 [channels]."""

    mean: Any
    variance: Any


class _Line(NamedTuple):
    """(inputs - mean) * scale + beta, of each channel."""

    mean: Any
    scale: Any
    beta: Any


class _Debt(NamedTuple):
    """What each input owes to the statistics that it is part of, of each channel.

    As a line: (inputs - mean) * by_value + constant.
    """

    by_value: Any
    constant: Any


def pays(inputs: Any) -> bool:
    """Whether this module is faster than TensorFlow's kernels on one replica.

    Args:
        inputs: float [batch, height, width, channels]; the batch may be unknown.
    """
    has_kernel = inputs.shape[-1] % VECTOR == 0
    return one_pass.pays(inputs, None if has_kernel else MIN_VALUES_OF_OTHERS)


def normalize_by_batch(
    inputs: Any, gamma: Any, beta: Any, *, shift: Any, form: Form
) -> Normalized:
    """Normalises by the statistics of the global batch, and activates.

    One sum over replicas in each direction: of the values and their squares forwards,
    and of the two means that the gradient takes backwards.

    Args:
        inputs: float [batch, height, width, channels], this replica's rows.
        gamma: float32 [channels].
        beta: float32 [channels].
        shift: float32 [channels], about the mean: squares of what is left lose no
            digits.
        form: Of the layer.

    Source: Ioffe & Szegedy 2015, arxiv.org/abs/1502.03167, algorithm 1 and the
    gradients below it.
    """

    @tf.custom_gradient
    def run(inputs: Any, gamma: Any, beta: Any) -> Any:
        count, mean, variance = _measure(inputs, shift)
        deviation = tf.sqrt(variance + form.epsilon)
        line = _Line(mean, gamma / deviation, beta)

        def compute_gradients(upstream: Any, of_squeezed: Any, *_: Any) -> list[Any]:
            share = _share(of_squeezed, inputs) if form.squeezes else None
            sums = _sum_slopes(inputs, upstream, share, line, form.activation)
            of_beta, of_gamma = sums[0], sums[1] / deviation
            means = replicas.sum_over_all(tf.stack([of_beta, of_gamma])) / count
            debt = _Debt(-line.scale * means[1] / deviation, -line.scale * means[0])
            of_inputs = _differentiate(
                inputs, upstream, share, line, debt, form.activation
            )
            return [of_inputs, of_gamma, of_beta]

        unbiased = variance * count / tf.maximum(count - 1.0, 1.0)
        outputs = _normalize(inputs, line, form)
        return (outputs, _squeeze(outputs), mean, unbiased), compute_gradients

    return Normalized(*run(inputs, gamma, beta))


def normalize_by_statistics(
    inputs: Any, gamma: Any, beta: Any, *, statistics: Statistics, form: Form
) -> Normalized:
    """Normalises by given statistics, and activates.

    Args:
        inputs: float [batch, height, width, channels].
        gamma: float32 [channels].
        beta: float32 [channels].
        statistics: What to normalise by.
        form: Of the layer.

    Returns:
        With the given statistics.
    """

    @tf.custom_gradient
    def run(inputs: Any, gamma: Any, beta: Any) -> Any:
        mean, variance = statistics
        deviation = tf.sqrt(variance + form.epsilon)
        line = _Line(mean, gamma / deviation, beta)

        def compute_gradients(upstream: Any, of_squeezed: Any) -> list[Any]:
            share = _share(of_squeezed, inputs) if form.squeezes else None
            sums = _sum_slopes(inputs, upstream, share, line, form.activation)
            nothing = _Debt(tf.zeros_like(mean), tf.zeros_like(mean))
            of_inputs = _differentiate(
                inputs, upstream, share, line, nothing, form.activation
            )
            return [of_inputs, sums[1] / deviation, sums[0]]

        outputs = _normalize(inputs, line, form)
        return (outputs, _squeeze(outputs)), compute_gradients

    outputs, squeezed = run(inputs, gamma, beta)
    return Normalized(outputs, squeezed, *statistics)


def _squeeze(pictures: Any) -> Any:
    """By the kernel that takes half of the time that the one for means does."""
    return tf.nn.avg_pool2d(pictures, pictures.shape[1:3], strides=1, padding="VALID")


def _share(of_squeezed: Any, pictures: Any) -> Any:
    """What each pixel has of the gradient of the mean."""
    _, height, width, _ = pictures.shape
    return tf.cast(of_squeezed, tf.float32) / (height * width)


def _measure(inputs: Any, shift: Any) -> tuple[Any, Any, Any]:
    """Pixels, float32 [1], mean and variance of each channel, of the global batch."""
    num_channels = inputs.shape[-1]
    num_pixels = tf.cast(tf.size(inputs) // num_channels, tf.float32)
    sums = [*tf.unstack(_sum_values(inputs, shift)), num_pixels[tf.newaxis]]
    total, total_squares, count = tf.split(
        replicas.sum_over_all(tf.concat(sums, 0)), [num_channels, num_channels, 1]
    )
    mean = total / count
    return count, mean + shift, tf.maximum(total_squares / count - mean**2, 0.0)


@one_pass.summed
def _sum_values(inputs: Any, shift: Any) -> tuple[Any, Any]:
    """What is left of the values, and its squares."""
    shifted = tf.cast(inputs, tf.float32) - shift
    return shifted, shifted**2


@one_pass.compiled
def _normalize(inputs: Any, line: _Line, form: Form) -> Any:
    normalized = _centre(inputs, line) * line.scale + line.beta
    activated = ACTIVATIONS[form.activation].compute(normalized)
    return one_pass.cast_fractions(activated, form.dtype)


@one_pass.summed
def _sum_slopes(
    inputs: Any, upstream: Any, share: Any | None, line: _Line, activation: str
) -> tuple[Any, Any]:
    """The gradient of the line, and it times the values."""
    centred = _centre(inputs, line)
    slopes = _slope(centred, upstream, share, line, activation)
    return slopes, slopes * centred


@one_pass.compiled
def _differentiate(
    inputs: Any,
    upstream: Any,
    share: Any | None,
    line: _Line,
    debt: _Debt,
    activation: str,
) -> Any:
    centred = _centre(inputs, line)
    slopes = _slope(centred, upstream, share, line, activation)
    of_inputs = slopes * line.scale + centred * debt.by_value + debt.constant
    return one_pass.cast_fractions(of_inputs, inputs.dtype)


def _centre(inputs: Any, line: _Line) -> Any:
    return tf.cast(inputs, tf.float32) - line.mean


def _slope(
    centred: Any, upstream: Any, share: Any | None, line: _Line, activation: str
) -> Any:
    slope = ACTIVATIONS[activation].slope(centred * line.scale + line.beta)
    upstream = tf.cast(upstream, tf.float32)
    return (upstream if share is None else upstream + share) * slope
