"""The one place that loads a SavedModel, after a look at its ops."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from google.protobuf import message
from tensorflow.core.protobuf import saved_model_pb2

from trainer import errors, storage
from trainer.saved_models import graph_check

# What a damaged or foreign model raises.
LOADING_ERRORS = (
    message.DecodeError,
    OSError,
    ValueError,
    RuntimeError,
    tf.errors.OpError,
)


@contextlib.contextmanager
def checked_copy(model_dir: str) -> Iterator[str]:
    """A local folder with the files of a SavedModel that only computes.

    Args:
        model_dir: Folder with saved_model.pb, local or gs://.

    Raises:
        StorageError: If there is no SavedModel, or it can't be read.
        DataError: If it is damaged, or has ops that do more than compute.
    """
    with storage.local_dir(model_dir, _list_files(model_dir)) as local_dir:
        with _explained(model_dir):
            _check_ops(model_dir, local_dir)
        yield local_dir


def load(local_dir: str, model_dir: str) -> Any:
    """Loads a SavedModel; what is loaded does not need the files any longer.

    Args:
        local_dir: Its files, as `checked_copy` has them.
        model_dir: Where they are from, for messages.

    Raises:
        DataError: If TensorFlow can't load it.
    """
    with _explained(model_dir):
        return tf.saved_model.load(local_dir)  # noqa: TID251


@contextlib.contextmanager
def _explained(model_dir: str) -> Iterator[None]:
    try:
        yield
    except LOADING_ERRORS as error:
        raise errors.DataError(
            f"{model_dir} is no SavedModel that TensorFlow {tf.__version__} "
            f"loads ({_first_line(error)}); export it again."
        ) from error


def _list_files(model_dir: str) -> list[str]:
    """Files of a SavedModel, relative to its folder."""
    names = storage.list_names(model_dir)
    if tf.saved_model.SAVED_MODEL_FILENAME_PB not in names:
        raise errors.StorageError(
            f"{model_dir} has no {tf.saved_model.SAVED_MODEL_FILENAME_PB}, expected "
            "the folder of a SavedModel; check the path."
        )
    folder = tf.saved_model.VARIABLES_DIRECTORY
    variables = storage.list_names(os.path.join(model_dir, folder))
    return [
        tf.saved_model.SAVED_MODEL_FILENAME_PB,
        *(os.path.join(folder, name) for name in variables),
    ]


def _check_ops(model_dir: str, local_dir: str) -> None:
    """Raises DataError before anything of a model runs that does more than compute."""
    path = os.path.join(local_dir, tf.saved_model.SAVED_MODEL_FILENAME_PB)
    content = storage.read_bytes(path) or b""
    refused = graph_check.find_refused(saved_model_pb2.SavedModel.FromString(content))
    if refused:
        raise errors.DataError(
            f"{model_dir} does more than compute: it has {', '.join(refused)}. Such a "
            "model is not loaded; give another one, or export it without."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
