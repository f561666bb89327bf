"""A loaded SavedModel as a Keras layer whose weights are its variables.

TensorFlow Hub's own layer is one of Keras 2. Here the loaded variables themselves are
the layer's: who changes the one has changed the other, on every replica.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.models.hub.feature_vector import FeatureVector


class AdoptedVariable(keras.Variable):
    """A keras.Variable that is a tf.Variable which was there before."""

    def __init__(self, variable: tf.Variable, path: str, *, trainable: bool) -> None:
        """Shares the variable.

        Args:
            variable: Of any type; it is never cast.
            path: Its name in checkpoints.
            trainable: Whether it is trained.
        """
        super().__init__(
            lambda *_, **__: variable,
            shape=variable.shape,
            dtype=variable.dtype.name,
            trainable=trainable,
            autocast=False,
            name=path.rpartition("/")[2],
        )
        self._path = path

    def _initialize_with_initializer(self, initializer: Any) -> None:
        self._value = initializer(self._shape, dtype=self._dtype)


class Backbone(keras.layers.Layer):
    """Pixels -> features."""

    def __init__(
        self,
        vector: FeatureVector,
        *,
        is_frozen: bool,
        keeps_statistics: bool,
        name: str,
    ) -> None:
        """Loads the SavedModel into the strategy in scope.

        Args:
            vector: What to load.
            is_frozen: Whether no weight of it is trained.
            keeps_statistics: Whether it computes in training as it does in inference.
            name: Name of the layer, and start of the paths of its variables.
        """
        super().__init__(name=name, dtype="float32")
        self._vector = vector
        self._in_training = vector.has_training and not (is_frozen or keeps_statistics)
        self._loaded = vector.load()
        used = [self._loaded.variables[number] for number in vector.used]
        trainable = set() if is_frozen else vector.trainable
        self._adopted = [
            AdoptedVariable(variable, f"{name}/{path}", trainable=number in trainable)
            for number, variable, path in zip(
                vector.used, used, _name_variables(used), strict=True
            )
        ]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Shape of the features of float32 [batch, height, width, 3]."""
        return input_shape[0], self._vector.num_features

    def call(self, pixels: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Computes float32 [batch, num_features] from float32 pixels in 0..1."""
        if not tf.compat.v1.executing_eagerly_outside_functions():
            # An export: a graph without variables, where their values come from Keras.
            values = [variable.value for variable in self._adopted]
            return self._vector.inference.apply(pixels, values)
        if not self._vector.has_training:
            return self._loaded.function(pixels)
        return self._loaded.function(pixels, training=training and self._in_training)


def _name_variables(variables: Sequence[tf.Variable]) -> Iterator[str]:
    """Their names; those that several have with their number as a folder before."""
    names = [variable.name.partition(":")[0] for variable in variables]
    counts = Counter(names)
    for number, name in enumerate(names):
        yield name if counts[name] == 1 else f"{number}/{name}"
