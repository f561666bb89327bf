"""Values of variables, kept in the memory of this process while a step is tried."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

Values = Mapping[str, np.ndarray]


def take(variables: Mapping[str, tf.Variable]) -> Values:
    """Copies values; later changes of the variables leave them alone."""
    return {name: np.copy(variable.numpy()) for name, variable in variables.items()}


def put_back(variables: Mapping[str, tf.Variable], values: Values) -> None:
    """Gives the variables, on all replicas, the values that they had."""
    for name, variable in variables.items():
        # TensorFlow may take an array as its own buffer, and write into it.
        variable.assign(np.copy(values[name]))
