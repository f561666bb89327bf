"""Activations whose gradients pass over the tensor once on a CPU.

TensorFlow's gradient of swish is five elementwise kernels, each of which reads and
writes the whole tensor, and its gradient of ReLU is slow in bfloat16; compiled by XLA,
either is one pass (docs/adr/0004-compiled-gradients.md).
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


class Relu(keras.layers.Layer):
    """max(x, 0)."""

    def call(self, inputs: Any) -> Any:
        """Activates float [batch, ...]."""
        return relu(inputs)


class Relu6(keras.layers.Layer):
    """min(max(x, 0), 6)."""

    def call(self, inputs: Any) -> Any:
        """Activates float [batch, ...]."""
        return relu6(inputs)


class Swish(keras.layers.Layer):
    """x * sigmoid(x), also known as SiLU.

    Source: Ramachandran et al. 2017, arxiv.org/abs/1710.05941.
    """

    def call(self, inputs: Any) -> Any:
        """Activates float [batch, ...]."""
        return swish(inputs)


def _one_pass(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles elementwise code for the CPU; a GPU runs it op by op.

    On a GPU, XLA needs files of CUDA that not every installation has.
    """
    compiled = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*tensors: Any) -> Any:
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        return (function if has_gpu else compiled)(*tensors)

    return call


@tf.custom_gradient
def relu(inputs: Any) -> Any:
    """Computes max(x, 0) of a float tensor of any shape."""
    outputs = tf.nn.relu(inputs)
    return outputs, lambda upstream: _relu_gradient(outputs, upstream)


@_one_pass
def _relu_gradient(outputs: Any, upstream: Any) -> Any:
    return tf.where(outputs > 0, upstream, tf.zeros([], upstream.dtype))


@tf.custom_gradient
def relu6(inputs: Any) -> Any:
    """Computes min(max(x, 0), 6) of a float tensor of any shape."""
    outputs = tf.nn.relu6(inputs)
    return outputs, lambda upstream: _relu6_gradient(outputs, upstream)


@_one_pass
def _relu6_gradient(outputs: Any, upstream: Any) -> Any:
    is_between = tf.logical_and(outputs > 0, outputs < 6)
    return tf.where(is_between, upstream, tf.zeros([], upstream.dtype))


@tf.custom_gradient
def swish(inputs: Any) -> Any:
    """Computes x * sigmoid(x) of a float tensor of any shape."""
    # TensorFlow fuses these two into one kernel.
    outputs = inputs * tf.sigmoid(inputs)
    return outputs, lambda upstream: _swish_gradient(inputs, upstream)


@_one_pass
def _swish_gradient(inputs: Any, upstream: Any) -> Any:
    gate = tf.sigmoid(inputs)
    return upstream * (gate * (1 + inputs * (1 - gate)))
