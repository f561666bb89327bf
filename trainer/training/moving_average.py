"""Moving averages of what training changes, which are scored in its place."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.models import replicas

# As tf.train.ExponentialMovingAverage names what it keeps.
SUFFIX = "ExponentialMovingAverage"


class MovingAverage:
    """Follows weights and batch-norm statistics with a decay that warms up.

    The decay of a step is min(decay, (1 + step) / (10 + step)), so that the start of
    training is soon forgotten.

    Source: tensorflow/tpu models/official/efficientnet/main.py, which gives
    tf.train.ExponentialMovingAverage the number of steps.
    """

    def __init__(self, variables: Sequence[keras.Variable], decay: float) -> None:
        """Makes an average a variable, equal to it.

        Args:
            variables: All variables of a model; those that are no floats (the state of
                random numbers) are left out.
            decay: Above 0 and below 1.
        """
        self._decay = decay
        self._sources = {
            variable.path: variable.value
            for variable in variables
            if tf.as_dtype(variable.dtype).is_floating
        }
        self._averages = {
            name: tf.Variable(value, trainable=False)
            for name, value in self._sources.items()
        }

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """The averages, by their names in a checkpoint."""
        return {f"{name}/{SUFFIX}": one for name, one in self._averages.items()}

    def restart(self) -> None:
        """Makes the averages equal to what they follow."""
        for name, average in self._averages.items():
            average.assign(self._sources[name])

    def update(self, step: Any) -> None:
        """Moves on by a step; works eagerly and in a tf.function.

        Args:
            step: int64 [], steps done, this one counted.
        """
        done = tf.cast(step, tf.float32)
        share = 1.0 - tf.minimum(self._decay, (1.0 + done) / (10.0 + done))
        for name, average in self._averages.items():
            replicas.subtract(average, share * (average - self._sources[name]))

    def find(self, variable: keras.Variable) -> Any:
        """The average of a variable; the variable itself if it has none."""
        return self._averages.get(variable.path, variable.value)
