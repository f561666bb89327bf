"""Excitation: a convolution of pictures whose channels have a gate each.

Gates scale the kernel in place of the pictures, which takes no pass over these
(docs/adr/0042-gated-convolutions.md).

Source: Hu et al. 2017, arxiv.org/abs/1709.01507.
"""

from typing import Any

import keras
import tensorflow as tf

from trainer.models import convolution, one_pass


class GatedConv2D(keras.layers.Layer):
    """Scales each channel of a picture by its gate, and convolves its single pixels."""

    def __init__(
        self, filters: int, *, kernel_initializer: keras.Initializer, **kwargs: Any
    ) -> None:
        """Keeps what `build` needs.

        Args:
            filters: Channels of the output.
            kernel_initializer: Start of the kernel.
            **kwargs: Of keras.layers.Layer.
        """
        super().__init__(**kwargs)
        self._filters = filters
        self._kernel_initializer = kernel_initializer

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Makes the kernel, float32 [1, 1, channels, filters]."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(1, 1, input_shape[0][-1], self._filters),
            initializer=self._kernel_initializer,
        )

    def call(self, inputs: list[Any], training: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Scales and convolves.

        Args:
            inputs: float [batch, height, width, channels], and gates of the same type,
                [batch, 1, 1, channels].
            training: Whether there will be gradients.
        """
        values, gates = inputs
        kernel = tf.convert_to_tensor(self.kernel)
        if training and _pays(values, kernel):
            return _convolve(values, gates, kernel)
        return convolution.convolve(values * gates, kernel, strides=1, padding="SAME")


def _pays(values: Any, kernel: Any) -> bool:
    """Whether the product of a kernel and a picture has fewer values than the picture.

    An accelerator has its own kernels.
    """
    _, height, width, _ = values.shape
    return height * width >= kernel.shape[-1] and not one_pass.has_accelerator()


@tf.custom_gradient
def _convolve(values: Any, gates: Any, kernel: Any) -> Any:
    """By a kernel for each picture: nothing passes over pictures but products."""
    _, height, width, num_channels = values.shape
    values, gates, weights = map(convolution.exact, (values, gates, kernel[0, 0]))
    pixels = tf.reshape(values, [-1, height * width, num_channels])
    gates = tf.reshape(gates, [-1, num_channels, 1])
    kernels = gates * weights

    def compute_gradients(upstream: Any) -> list[Any]:
        of_pixels = convolution.exact(upstream)
        of_pixels = tf.reshape(of_pixels, [-1, height * width, upstream.shape[-1]])
        of_values = tf.matmul(of_pixels, kernels, transpose_b=True)
        # Transposed they are faster, as are sums of lines of channels.
        of_kernels = tf.matmul(of_pixels, pixels, transpose_a=True)
        of_gates, of_weights = _sum_products(of_kernels, gates, weights)
        gradients = [
            tf.reshape(of_values, [-1, height, width, num_channels]),
            of_gates[:, tf.newaxis, tf.newaxis],
            tf.transpose(of_weights)[tf.newaxis, tf.newaxis],
        ]
        return [tf.cast(one, kernel.dtype) for one in gradients]

    outputs = tf.matmul(pixels, kernels)
    outputs = tf.reshape(outputs, [-1, height, width, weights.shape[-1]])
    return tf.cast(outputs, kernel.dtype), compute_gradients


@one_pass.compiled
def _sum_products(of_kernels: Any, gates: Any, weights: Any) -> tuple[Any, Any]:
    """Of [batch, filters, channels]: float32 [batch, channels], [filters, channels]."""
    of_kernels = tf.cast(of_kernels, tf.float32)
    gates = tf.cast(tf.transpose(gates, [0, 2, 1]), tf.float32)
    weights = tf.cast(tf.transpose(weights), tf.float32)
    of_gates = tf.reduce_sum(of_kernels * weights, 1)
    return of_gates, tf.reduce_sum(of_kernels * gates, 0)
