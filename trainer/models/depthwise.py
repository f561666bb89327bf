"""Depthwise convolution whose gradients are fast on a CPU.

oneDNN has a kernel for gradients of filters up to three columns wide and takes two to
eight times as long for wider ones, so those are put together from two that it has one
for (docs/adr/0033-onednn.md). In bfloat16 all its kernels are faster than in float32
(docs/adr/0038-depthwise-in-bfloat16.md) but one, for which another stands in
(docs/adr/0042-gated-convolutions.md).
"""

from typing import Any

import keras
import tensorflow as tf

from trainer import environment
from trainer.models import one_pass

# Columns that oneDNN has a kernel for, and those that two of them span.
NARROW, WIDE = 3, 5


def choose_precision(precision: str) -> str:
    """What the depthwise convolutions of a network compute in.

    Args:
        precision: Of the network.

    Returns:
        "float32" or, where it is faster, "bfloat16".
    """
    has_kernels = environment.has_onednn() and not one_pass.has_accelerator()
    has_bfloat16 = environment.cpu_flags() & environment.BFLOAT16_CPU_FLAGS
    is_fast = precision == "bfloat16" and has_kernels and has_bfloat16
    return "bfloat16" if is_fast else "float32"


class DepthwiseConv2D(keras.layers.Layer):
    """One filter a channel."""

    def __init__(
        self,
        kernel_size: int,
        *,
        strides: int,
        padding: str,
        kernel_initializer: keras.Initializer,
        **kwargs: Any,
    ) -> None:
        """Keeps what `build` needs.

        Args:
            kernel_size: Side of the kernel in pixels.
            strides: Pixels between two outputs.
            padding: "SAME" or "VALID".
            kernel_initializer: Start of the kernel.
            **kwargs: Of keras.layers.Layer.
        """
        super().__init__(**kwargs)
        self._kernel_size = kernel_size
        self._strides = strides
        self._padding = padding
        self._kernel_initializer = kernel_initializer

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the kernel, float32 [side, side, channels, 1]."""
        side = self._kernel_size
        self.kernel = self.add_weight(
            name="kernel",
            shape=(side, side, input_shape[-1], 1),
            initializer=self._kernel_initializer,
        )

    def call(self, inputs: Any) -> Any:
        """Convolves float [batch, height, width, channels]."""
        kernel = tf.convert_to_tensor(self.kernel)
        return convolve(inputs, kernel, strides=self._strides, padding=self._padding)


def convolve(inputs: Any, kernel: Any, *, strides: int, padding: str) -> Any:
    """Convolves as tf.nn.depthwise_conv2d does, and derives by the fastest kernels.

    Args:
        inputs: float [batch, height, width, channels].
        kernel: [side, side, channels, 1] of the same type.
        strides: Pixels between two outputs.
        padding: "SAME" or "VALID".

    Returns:
        [batch, height', width', channels] of the same type.
    """
    options = {"strides": [1, strides, strides, 1], "padding": padding}
    if not environment.has_onednn() or one_pass.has_accelerator():
        return tf.nn.depthwise_conv2d(inputs, kernel, **options)

    @tf.custom_gradient
    def run(inputs: Any, kernel: Any) -> Any:
        def compute_gradients(upstream: Any) -> list[Any]:
            return [
                _input_gradient(inputs, kernel, upstream, options),
                _kernel_gradient(inputs, kernel, upstream, options),
            ]

        return tf.nn.depthwise_conv2d(inputs, kernel, **options), compute_gradients

    return run(inputs, kernel)


def _input_gradient(
    inputs: Any, kernel: Any, upstream: Any, options: dict[str, Any]
) -> Any:
    """Where outputs skip pixels, oneDNN has a kernel for float32 alone."""
    if max(options["strides"]) > 1 and inputs.dtype == tf.bfloat16:
        return _spread_input_gradient(inputs, kernel, upstream, options)
    return tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
        input_sizes=tf.shape(inputs), filter=kernel, out_backprop=upstream, **options
    )


def _spread_input_gradient(
    inputs: Any, kernel: Any, upstream: Any, options: dict[str, Any]
) -> Any:
    """A convolution, by the mirrored kernel, of what is upstream.

    That has zeros where outputs skipped pixels, and around it as many as bring the
    gradient to the size of the inputs.
    """
    stride, side = max(options["strides"]), kernel.shape[0]
    _, height, width, num_channels = upstream.shape
    none, skipped = [0, 0], [0, stride - 1]
    pixels = tf.reshape(upstream, [-1, height, 1, width, 1, num_channels])
    spread = tf.pad(pixels, [none, none, skipped, none, skipped, none])
    spread = tf.reshape(spread, [-1, height * stride, width * stride, num_channels])
    margins = [
        [side - 1 - before, size + before - output_size * stride]
        for size, output_size, (before, _) in _list_sides(
            inputs, kernel, upstream, options
        )
    ]
    return tf.nn.depthwise_conv2d(
        spread, tf.reverse(kernel, [0, 1]), [1] * 4, padding=[none, *margins, none]
    )


def _kernel_gradient(
    inputs: Any, kernel: Any, upstream: Any, options: dict[str, Any]
) -> Any:
    if kernel.shape[1] == WIDE:
        return _wide_kernel_gradient(inputs, kernel, upstream, options)
    return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=inputs,
        filter_sizes=tf.shape(kernel),
        out_backprop=upstream,
        **options,
    )


def _wide_kernel_gradient(
    inputs: Any, kernel: Any, upstream: Any, options: dict[str, Any]
) -> Any:
    """Of the kernel's first three columns, and of its last three."""
    first, last = [
        tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=seen,
            filter_sizes=[WIDE, NARROW, inputs.shape[-1], 1],
            out_backprop=upstream,
            strides=options["strides"],
            padding="VALID",
        )
        for seen in _list_seen(inputs, kernel, upstream, options)
    ]
    return tf.concat([first, last[:, 2 * NARROW - WIDE :]], 1)


def _list_seen(
    inputs: Any, kernel: Any, upstream: Any, options: dict[str, Any]
) -> list[Any]:
    """What the first columns of a wide kernel see, and what the last ones do.

    Both are the inputs, of which the last columns see other pixels: so many later.
    """
    later = WIDE - NARROW
    if options["padding"] == "VALID":
        return [inputs[:, :, :-later], inputs[:, :, later:]]
    rows, (before, behind) = [
        margins for *_, margins in _list_sides(inputs, kernel, upstream, options)
    ]
    # Zeros before a line are behind the line above it, too. So both are the same padded
    # pixels without a copy; one picture more has those behind the last line.
    columns = [before, behind - before]
    padded = tf.pad(inputs, [[0, 1], rows, columns, [0, 0]])
    pixels = tf.reshape(padded, [-1])
    shape = tf.concat([tf.shape(inputs)[:1], padded.shape[1:]], 0)
    size, skipped = tf.reduce_prod(shape), later * inputs.shape[-1]
    return [tf.reshape(pixels[start : start + size], shape) for start in (0, skipped)]


def _list_sides(
    inputs: Any, kernel: Any, upstream: Any, options: dict[str, Any]
) -> list[tuple[int, int, list[int]]]:
    """Height and width of inputs and outputs, and the zeros before and behind.

    Source: tensorflow.org/api_docs/python/tf/nn, notes on padding.
    """
    stride, found = max(options["strides"]), []
    for axis in (1, 2):
        size, output_size = inputs.shape[axis], upstream.shape[axis]
        total = max((output_size - 1) * stride + kernel.shape[0] - size, 0)
        margins = [total // 2, total - total // 2]
        found.append((size, output_size, margins))
    return found
