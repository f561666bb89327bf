"""Tensors under our names -> variables, with a report of what matched and what not."""

import logging
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from trainer import errors

SHOWN_NAMES = 5
HEAD = "predictions/"


def load_weights(
    model: keras.Model, tensors: Mapping[str, np.ndarray], path: str
) -> None:
    """Copies each tensor into the variable of its name and shape, and logs a report.

    Args:
        model: Variables without a tensor stay as they are.
        tensors: By paths of variables.
        path: Where they are from, for messages.

    Raises:
        ConfigError: If fewer than half of the variables have a tensor.
    """
    variables = {variable.path: variable for variable in model.weights}
    matched = [
        name
        for name, variable in variables.items()
        if name in tensors and tensors[name].shape == tuple(variable.shape)
    ]
    if 2 * len(matched) < len(variables):
        raise errors.ConfigError(
            f"--pretrained_checkpoint_path={path} has {len(matched)} of the model's "
            f"{len(variables)} variables under the same name and shape, expected at "
            "least half; give weights of the same --model_type."
        )
    for name in matched:
        variables[name].assign(np.asarray(tensors[name], np.float32))
    logging.info(
        "start | %d of %d variables from %s", len(matched), len(variables), path
    )
    skipped = {name: variables[name] for name in variables if name not in matched}
    _report_reshaped(skipped, tensors)
    _report_absent([name for name in skipped if name not in tensors])
    if not all(name.startswith(HEAD) for name in skipped):
        logging.warning(
            "%s lacks more than the classes: the network is not quite its source; "
            "compare --model_type with it.",
            path,
        )


def _report_reshaped(
    skipped: Mapping[str, keras.Variable], tensors: Mapping[str, np.ndarray]
) -> None:
    for name, variable in skipped.items():
        if name in tensors:
            logging.info(
                "start | %s starts at random: %s there, %s here%s",
                name,
                list(tensors[name].shape),
                list(variable.shape),
                " (other classes)" if name.startswith(HEAD) else "",
            )


def _report_absent(names: Sequence[str]) -> None:
    if names:
        logging.info("start | at random, absent there: %s", _abridge(names))


def _abridge(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES])
    rest = len(names) - SHOWN_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown
