"""Weights of an earlier job -> a new model, with a report of what matched."""

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from trainer import errors, storage

SHOWN_NAMES = 5
# In which TensorFlow says which checkpoint is the newest.
STATE_FILE = "checkpoint"
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
    with _open(path) as reader:
        _load(model, path, reader)


def _load(model: keras.Model, path: str, reader: Any) -> None:
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


@contextlib.contextmanager
def _open(path: str) -> Iterator[Any]:
    """TensorFlow's reader of a checkpoint, from a local copy if it is on gs://."""
    directory, prefix = _locate(path)
    names = [
        name for name in storage.list_names(directory) if name.startswith(f"{prefix}.")
    ]
    with storage.local_dir(directory, names) as local_dir:
        try:
            reader = tf.train.load_checkpoint(os.path.join(local_dir, prefix))
        except UNREADABLE as error:
            raise errors.ConfigError(
                f"--pretrained_checkpoint_path={path} is no readable checkpoint; "
                "expected a prefix such as DIR/model.ckpt-1000, or a directory of "
                "checkpoints."
            ) from error
        yield reader


def _locate(path: str) -> tuple[str, str]:
    """Directory and prefix of a checkpoint; of a directory, its newest one."""
    if storage.is_dir(path):
        with storage.local_dir(path, [STATE_FILE]) as local_dir:
            state = tf.train.get_checkpoint_state(local_dir)
        newest = state.model_checkpoint_path if state else ""
        return path, os.path.basename(newest)
    directory, name = os.path.split(path)
    return directory or ".", name.removesuffix(".index").split(".data-")[0]


def _abridge(names: list[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(names[:SHOWN_NAMES])
    rest = len(names) - SHOWN_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown
