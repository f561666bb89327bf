"""Activations whose gradients pass over the tensor once on a CPU.

TensorFlow's gradient of swish is five elementwise kernels, each of which reads and
writes the whole tensor, and its gradient of ReLU is slow in bfloat16
(docs/adr/0004-compiled-gradients.md).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from trainer.models import one_pass


class Activation(NamedTuple):
    """A function of each value.

    Attributes:
        compute: Float tensor of any shape -> the same.
        slope: Its derivative at these inputs.
        outputs_tell: Whether `slope` is the same at the outputs, so that nobody has to
            keep the inputs.
    """

    compute: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    outputs_tell: bool = True


def _swish_slope(inputs: Any) -> Any:
    gate = tf.sigmoid(inputs)
    return gate * (1 + inputs * (1 - gate))


ACTIVATIONS = {
    "linear": Activation(lambda inputs: inputs, tf.ones_like),
    "relu": Activation(tf.nn.relu, lambda at: tf.cast(at > 0, at.dtype)),
    "relu6": Activation(
        tf.nn.relu6,
        lambda at: tf.cast(tf.logical_and(at > 0, at < 6), at.dtype),
    ),
    # x * sigmoid(x), also known as SiLU: Ramachandran et al. 2017,
    # arxiv.org/abs/1710.05941. TensorFlow fuses these two into one kernel.
    "swish": Activation(
        lambda inputs: inputs * tf.sigmoid(inputs), _swish_slope, outputs_tell=False
    ),
}


class Activate(keras.layers.Layer):
    """Applies a function to each value."""

    def __init__(self, activation: str, **kwargs: Any) -> None:
        """Keeps what `call` needs.

        Args:
            activation: A key of ACTIVATIONS.
            **kwargs: Of keras.layers.Layer.
        """
        super().__init__(**kwargs)
        self._activation = activation

    def call(self, inputs: Any) -> Any:
        """Activates float [batch, ...]."""
        return activate(inputs, self._activation)


def activate(inputs: Any, activation: str) -> Any:
    """Applies a function to each value.

    Args:
        inputs: float, of any shape.
        activation: A key of ACTIVATIONS.
    """
    if activation == "linear":
        return inputs
    compute, _, outputs_tell = ACTIVATIONS[activation]

    @tf.custom_gradient
    def run(inputs: Any) -> Any:
        outputs = compute(inputs)
        kept = outputs if outputs_tell else inputs
        return outputs, lambda upstream: _differentiate(kept, upstream, activation)

    return run(inputs)


@one_pass.compiled
def _differentiate(kept: Any, upstream: Any, activation: str) -> Any:
    return upstream * ACTIVATIONS[activation].slope(kept)
