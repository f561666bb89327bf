"""Pixels -> what a network was made for: its first layer, wherever it runs.

Training, evaluation and the exported graph all give pixels 0..255 to the network, so
they can't normalise them in different ways.
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf


class Normalization(NamedTuple):
    """(pixels - means) / deviations, by channel: red, green, blue, in 0..255."""

    means: tuple[float, ...]
    deviations: tuple[float, ...]


# Source: docs/contract.md, "Preprocessing".
IMAGENET = Normalization(
    (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)
)
# Source: tensorflow/tpu models/official/efficientnet/lite.
LITE = Normalization((127.0,) * 3, (128.0,) * 3)
# -1..1. Source: "AdvProp" in tensorflow/tpu models/official/efficientnet/README.md.
HALF = Normalization((127.5,) * 3, (127.5,) * 3)


class Normalize(keras.layers.Layer):
    """Shifts and scales each channel; float32 in every precision."""

    def __init__(self, normalization: Normalization, **kwargs: Any) -> None:
        """Keeps the numbers.

        Args:
            normalization: What to subtract, and to divide by.
            **kwargs: Of keras.layers.Layer.
        """
        super().__init__(dtype="float32", **kwargs)
        self._normalization = normalization

    def call(self, pixels: Any) -> Any:
        """Normalises float32 [batch, height, width, 3], RGB, 0..255."""
        _, height, width, num_channels = pixels.shape
        # Three values at a time would take three times as long as whole lines.
        means, deviations = [tf.constant(one * width) for one in self._normalization]
        lines = tf.reshape(pixels, [-1, height, width * num_channels])
        normalized = (lines - means) / deviations
        return tf.reshape(normalized, [-1, height, width, num_channels])
