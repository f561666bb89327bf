"""Convolution whose gradient is fast on a CPU.

TensorFlow's kernel for the gradient of a convolution's input is 2 to 14 times slower on
an AVX2 processor than the same sum computed as a convolution of the output's gradient
with the mirrored kernel (docs/adr/0003-convolution-gradient.md).
"""

from typing import Any

import keras
import tensorflow as tf


class Conv2D(keras.layers.Layer):
    """Convolution with padding SAME or, if strided, with even padding."""

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        kernel_initializer: keras.Initializer,
        strides: int = 1,
        padding: str = "SAME",
        use_bias: bool = False,
        **kwargs: Any,
    ) -> None:
        """Keeps what `build` needs.

        Args:
            filters: Channels of the output.
            kernel_size: Side of the kernel in pixels; odd.
            kernel_initializer: Start of the kernel.
            strides: Pixels between two outputs.
            padding: "SAME", or "EVEN": kernel_size // 2 zeros on each side, where
                SAME pads a strided convolution on one side more than on the other.
            use_bias: Whether to add a bias, which starts at zero.
            **kwargs: Of keras.layers.Layer.
        """
        super().__init__(**kwargs)
        self._filters = filters
        self._kernel_size = kernel_size
        self._kernel_initializer = kernel_initializer
        self._strides = strides
        self._use_bias = use_bias
        margin = [kernel_size // 2] * 2
        is_even = padding == "EVEN" and strides > 1
        self._padding = [[0, 0], margin, margin, [0, 0]] if is_even else "SAME"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the kernel, float32 [side, side, channels, filters], and the bias."""
        side = self._kernel_size
        self.kernel = self.add_weight(
            name="kernel",
            shape=(side, side, input_shape[-1], self._filters),
            initializer=self._kernel_initializer,
        )
        if self._use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self._filters,), initializer="zeros"
            )

    def call(self, inputs: Any) -> Any:
        """Convolves float [batch, height, width, channels]."""
        outputs = self._convolve(inputs, tf.convert_to_tensor(self.kernel))
        return outputs + self.bias if self._use_bias else outputs

    def _convolve(self, inputs: Any, kernel: Any) -> Any:
        if tf.config.list_physical_devices("GPU"):
            return tf.nn.conv2d(inputs, kernel, self._strides, self._padding)
        if self._strides == 1:
            return convolve_same(inputs, kernel)
        if self._kernel_size == 1:
            seen = inputs[:, :: self._strides, :: self._strides]
            return convolve_same(seen, kernel)
        return tf.nn.conv2d(inputs, kernel, self._strides, self._padding)


@tf.custom_gradient
def convolve_same(inputs: Any, kernel: Any) -> Any:
    """Convolves with stride 1 and padding SAME.

    Args:
        inputs: float [batch, height, width, channels].
        kernel: [side, side, channels, filters] of the same type; side is odd.

    Returns:
        [batch, height, width, filters] of the same type.
    """

    def compute_gradients(upstream: Any) -> tuple[Any, Any]:
        mirrored = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
        kernel_gradient = tf.raw_ops.Conv2DBackpropFilter(
            input=inputs,
            filter_sizes=tf.shape(kernel),
            out_backprop=upstream,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        return tf.nn.conv2d(upstream, mirrored, 1, "SAME"), kernel_gradient

    return tf.nn.conv2d(inputs, kernel, 1, "SAME"), compute_gradients
