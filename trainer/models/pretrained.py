"""Weights of an earlier job -> a new model, with a report of what matched."""

import logging
import os
from typing import Any

import keras
import tensorflow as tf

from trainer import errors

SHOWN_NAMES = 5
# What TensorFlow raises for damaged, absent and foreign files, and for no path at all.
UNREADABLE = (tf.errors.OpError, ValueError, LookupError, RuntimeError, TypeError)


def load_pretrained(model: keras.Model, path: str) -> None:
    """Copies the tensors that the checkpoint has under the same name and shape.

    Args:
        model: Model whose variables take the values; others stay as they are.
        path: A checkpoint's prefix, one of its files, or a directory of checkpoints.

    Raises:
        ConfigError: If there is no checkpoint, or it has fewer than half of the
            model's variables: the job would train something else than was meant.
    """
    reader = _open(path)
    shapes = reader.get_variable_to_shape_map()
    variables = {variable.path: variable for variable in model.weights}
    matching = [
        name
        for name, variable in variables.items()
        if shapes.get(name) == list(variable.shape)
    ]
    if 2 * len(matching) < len(variables):
        raise errors.ConfigError(
            f"--pretrained_checkpoint_path={path} has {len(matching)} of the model's "
            f"{len(variables)} variables under the same name and shape, expected at "
            "least half; give a checkpoint of the same --model_type."
        )
    for name in matching:
        variables[name].assign(reader.get_tensor(name))
    skipped = [name for name in variables if name not in matching]
    logging.info(
        "Pretrained: %d of %d variables from %s; at random: %s",
        len(matching),
        len(variables),
        path,
        _abridge(skipped),
    )


def _open(path: str) -> Any:
    prefix = tf.train.latest_checkpoint(path) if os.path.isdir(path) else path
    if prefix and not os.path.isdir(path):
        prefix = prefix.removesuffix(".index").split(".data-")[0]
    try:
        return tf.train.load_checkpoint(prefix)
    except UNREADABLE as error:
        raise errors.ConfigError(
            f"--pretrained_checkpoint_path={path} is no readable checkpoint; expected "
            "a prefix such as DIR/model.ckpt-1000, or a directory of checkpoints."
        ) from error


def _abridge(names: list[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(names[:SHOWN_NAMES])
    rest = len(names) - SHOWN_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown
