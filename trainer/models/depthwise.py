"""Depthwise convolution whose gradients are fast on a CPU.

oneDNN has a kernel for gradients of filters up to three columns wide and takes two to
eight times as long for wider ones, so those are put together from two that it has one
for (docs/adr/0033-onednn.md). In bfloat16 all its kernels are faster than in float32
but one, which stays in float32 (docs/adr/0038-depthwise-in-bfloat16.md).
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
    """In float32 where outputs skip pixels: there bfloat16 has no kernel."""
    dtype = tf.float32 if max(options["strides"]) > 1 else inputs.dtype
    gradient = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
        input_sizes=tf.shape(inputs),
        filter=tf.cast(kernel, dtype),
        out_backprop=tf.cast(upstream, dtype),
        **options,
    )
    return tf.cast(gradient, inputs.dtype)


def _kernel_gradient(
    inputs: Any, kernel: Any, upstream: Any, options: dict[str, Any]
) -> Any:
    if kernel.shape[1] == WIDE:
        return _wide_kernel_gradient(inputs, upstream, options)
    return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=inputs,
        filter_sizes=tf.shape(kernel),
        out_backprop=upstream,
        **options,
    )


def _wide_kernel_gradient(inputs: Any, upstream: Any, options: dict[str, Any]) -> Any:
    """Of the kernel's first three columns, and of its last three.

    What the last columns see at an output, the first ones see some outputs later.
    """
    stride = max(options["strides"])
    none, later = [0, 0], (WIDE - NARROW) // stride
    if options["padding"] == "SAME":
        sides = zip(inputs.shape[1:3], upstream.shape[1:3], strict=True)
        margins = [_same_margins(before, after, stride) for before, after in sides]
        inputs = tf.pad(inputs, [none, *margins, none])
    first, last = [
        tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=inputs,
            filter_sizes=[WIDE, NARROW, inputs.shape[-1], 1],
            out_backprop=tf.pad(upstream, [none, none, columns, none]),
            strides=options["strides"],
            padding="VALID",
        )
        for columns in ([0, later], [later, 0])
    ]
    return tf.concat([first, last[:, 2 * NARROW - WIDE :]], 1)


def _same_margins(size: int, output_size: int, stride: int) -> list[int]:
    """Zeros before and behind, as padding SAME has them; tensorflow.org/api_docs."""
    total = max((output_size - 1) * stride + WIDE - size, 0)
    return [total // 2, total - total // 2]
