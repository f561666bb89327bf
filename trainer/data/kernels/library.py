"""The compiled kernels, where they were compiled."""

import functools
import logging
import pathlib
from typing import Any

import tensorflow as tf

_CONSEQUENCE = (
    "pictures are decoded by TensorFlow's own, in twice the time. To build them: "
    "python scripts/build_kernels.py"
)


@functools.cache
def load() -> Any:
    """Loads the library that scripts/build_kernels.py made for this TensorFlow.

    Returns:
        A module with the ops `trainer_decode_jpeg_windows` and `trainer_resize_window`;
        None where there is no library, or none that loads, which it logs.
    """
    path = pathlib.Path(__file__).with_name(f"kernels-{tf.__version__}.so")
    if not path.is_file():
        logging.info("data  | no kernels for input: %s", _CONSEQUENCE)
        return None
    try:
        return tf.load_op_library(str(path))
    except tf.errors.NotFoundError as error:
        logging.warning(
            "data  | the kernels for input do not load (%s): %s",
            error.message,
            _CONSEQUENCE,
        )
        return None
