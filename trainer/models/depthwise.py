"""Depthwise convolution whose gradient is fast on a CPU.

oneDNN has a kernel for gradients of filters up to three columns wide and takes two to
four times as long for wider ones, so those are put together from two that it has one
for (docs/adr/0033-onednn.md).
"""

from typing import Any

import keras
import tensorflow as tf

from trainer import environment
from trainer.models import one_pass

# Columns that oneDNN has a kernel for, and those that two of them span.
NARROW, WIDE = 3, 5


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
    is_wide = kernel.shape[1] == WIDE and strides == 1 and padding == "SAME"
    if not is_wide or not environment.has_onednn() or one_pass.has_accelerator():
        return tf.nn.depthwise_conv2d(inputs, kernel, **options)

    @tf.custom_gradient
    def run(inputs: Any, kernel: Any) -> Any:
        def compute_gradients(upstream: Any) -> list[Any]:
            of_inputs = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(inputs),
                filter=kernel,
                out_backprop=upstream,
                **options,
            )
            return [of_inputs, _kernel_gradient(inputs, upstream)]

        return tf.nn.depthwise_conv2d(inputs, kernel, **options), compute_gradients

    return run(inputs, kernel)


def _kernel_gradient(inputs: Any, upstream: Any) -> Any:
    """Of the kernel's first three columns, and of its last three."""
    none, margin = [0, 0], WIDE // 2
    first, last = [
        tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=tf.pad(inputs, [none, [margin, margin], columns, none]),
            filter_sizes=[WIDE, NARROW, inputs.shape[-1], 1],
            out_backprop=upstream,
            strides=[1, 1, 1, 1],
            padding="VALID",
        )
        for columns in ([margin, 0], [0, margin])
    ]
    return tf.concat([first, last[:, 2 * NARROW - WIDE :]], 1)
