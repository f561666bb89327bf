"""Convolution whose gradients are fast on a CPU.

Some of oneDNN's kernels fall behind what the same processor does otherwise, so the sum
they compute is stated in another form there (docs/adr/0003-convolution-gradients.md).
"""

from typing import Any

import keras
import tensorflow as tf

from trainer import environment

# Up to this side of the output, matrix products compute the gradient of the kernel up
# to nine times as fast as the convolution's own kernel. The first side is that of wide
# kernels, the second that of kernels of one pixel.
MAX_SIDES_IN_BFLOAT16_ON_AMX = (12, 56)
MAX_SIDES_IN_BFLOAT16 = (14, 14)
MAX_SIDES_IN_FLOAT32_WITHOUT_AVX512 = (14, 7)


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
        is_even = padding == "EVEN" and strides > 1
        self._margin = kernel_size // 2 if is_even else None

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
        padding = "SAME"
        if self._margin is not None:
            # As an attribute of the convolution, margins keep its gradients off oneDNN.
            margins = [self._margin] * 2
            inputs = tf.pad(inputs, [[0, 0], margins, margins, [0, 0]])
            padding = "VALID"
        outputs = convolve(
            inputs,
            tf.convert_to_tensor(self.kernel),
            strides=self._strides,
            padding=padding,
        )
        return outputs + self.bias if self._use_bias else outputs


def convolve(inputs: Any, kernel: Any, *, strides: int, padding: str) -> Any:
    """Convolves as tf.nn.conv2d does, and derives by the fastest kernels.

    Args:
        inputs: float [batch, height, width, channels].
        kernel: [side, side, channels, filters] of the same type; side is odd.
        strides: Pixels between two outputs.
        padding: "SAME" or "VALID".

    Returns:
        [batch, height', width', filters] of the same type.
    """
    if inputs.shape[1:3] == kernel.shape[:2] == (1, 1):
        return _multiply_pixels(inputs, kernel)
    if tf.config.list_physical_devices("GPU"):
        return tf.nn.conv2d(inputs, kernel, strides, padding)
    if strides > 1 and kernel.shape[:2] == (1, 1):
        return convolve(_skip(inputs, strides), kernel, strides=1, padding="SAME")

    @tf.custom_gradient
    def run(inputs: Any, kernel: Any) -> Any:
        outputs = tf.nn.conv2d(inputs, kernel, strides, padding)

        def compute_gradients(upstream: Any) -> list[Any]:
            options = {"strides": [1, strides, strides, 1], "padding": padding}
            is_same = strides == 1 and padding == "SAME"
            tensors = (exact(inputs), exact(kernel), exact(upstream))
            gradients = [
                _input_gradient(*tensors, options, is_same=is_same),
                _kernel_gradient(*tensors, options, is_same=is_same),
            ]
            return [tf.cast(gradient, inputs.dtype) for gradient in gradients]

        return outputs, compute_gradients

    return run(inputs, kernel)


def _multiply_pixels(inputs: Any, kernel: Any) -> Any:
    """Convolves pictures of one pixel, as a gate of squeeze and excitation has them.

    A product of matrices starts in a tenth of the time that a convolution takes to.
    """
    products = tf.squeeze(exact(inputs), [1, 2]) @ tf.squeeze(exact(kernel), [0, 1])
    return tf.cast(products[:, tf.newaxis, tf.newaxis], inputs.dtype)


def _skip(inputs: Any, strides: int) -> Any:
    """Every `strides`-th pixel of each row and column, the first among them.

    A slice of pixels that lie in blocks is several times as fast as one with strides.
    """
    _, height, width, num_channels = inputs.shape
    rows, columns = -(-height // strides), -(-width // strides)
    margins = [[0, rows * strides - height], [0, columns * strides - width]]
    padded = tf.pad(inputs, [[0, 0], *margins, [0, 0]])
    blocks = tf.reshape(padded, [-1, rows, strides, columns, strides, num_channels])
    firsts = tf.slice(blocks, [0] * 6, [-1, rows, 1, columns, 1, num_channels])
    return tf.reshape(firsts, [-1, rows, columns, num_channels])


def exact(tensor: Any) -> Any:
    """Casts what TensorFlow would sum in bfloat16, wrong by 5 %, to float32.

    It does so without instructions for bfloat16.

    Args:
        tensor: float, of any shape.
    """
    has_bfloat16 = environment.cpu_flags() & environment.BFLOAT16_CPU_FLAGS
    is_inexact = tensor.dtype == tf.bfloat16 and not has_bfloat16
    return tf.cast(tensor, tf.float32) if is_inexact else tensor


def _input_gradient(
    inputs: Any, kernel: Any, upstream: Any, options: dict[str, Any], *, is_same: bool
) -> Any:
    """Without AVX-512, a convolution with the mirrored kernel is much faster."""
    if is_same and not _has_avx512():
        mirrored = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
        return tf.nn.conv2d(upstream, mirrored, **options)
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.shape(inputs), filter=kernel, out_backprop=upstream, **options
    )


def _kernel_gradient(
    inputs: Any, kernel: Any, upstream: Any, options: dict[str, Any], *, is_same: bool
) -> Any:
    side = kernel.shape[0]
    if max(upstream.shape[1:3]) > _max_side_for_products(inputs.dtype, side):
        return tf.raw_ops.Conv2DBackpropFilter(
            input=inputs,
            filter_sizes=tf.shape(kernel),
            out_backprop=upstream,
            **options,
        )
    if is_same:
        columns = _shifted(inputs, side)
    else:
        window, one = [1, side, side, 1], [1, 1, 1, 1]
        columns = [tf.image.extract_patches(inputs, window, rates=one, **options)]
    rows = _as_matrix(upstream)
    products = [tf.matmul(_as_matrix(one), rows, transpose_a=True) for one in columns]
    return tf.reshape(tf.stack(products), kernel.shape)


def _max_side_for_products(dtype: Any, kernel_size: int) -> int:
    if dtype == tf.bfloat16:
        has_amx = "amx_bf16" in environment.cpu_flags()
        sides = MAX_SIDES_IN_BFLOAT16_ON_AMX if has_amx else MAX_SIDES_IN_BFLOAT16
    elif _has_avx512() or not environment.has_onednn():
        return 0
    else:
        sides = MAX_SIDES_IN_FLOAT32_WITHOUT_AVX512
    return sides[kernel_size == 1]


def _shifted(inputs: Any, side: int) -> list[Any]:
    """What each of the side**2 weights of a kernel sees, row by row."""
    margins = [side // 2] * 2
    padded = tf.pad(inputs, [[0, 0], margins, margins, [0, 0]])
    height, width = inputs.shape[1:3]
    return [
        padded[:, top : top + height, left : left + width]
        for top in range(side)
        for left in range(side)
    ]


def _has_avx512() -> bool:
    return "avx512f" in environment.cpu_flags()


def _as_matrix(tensor: Any) -> Any:
    """[batch, height, width, channels] -> [pixels, channels]."""
    return tf.reshape(tensor, [-1, tensor.shape[-1]])
