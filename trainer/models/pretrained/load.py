"""Weights of an earlier job, or from elsewhere -> a new model."""

from collections.abc import Mapping

import keras
import numpy as np

from trainer import errors, storage
from trainer.models.pretrained import (
    matching,
    tf_checkpoint,
    torch_efficientnet,
    torch_file,
)
from trainer.models.pretrained.source import UnreadableError

TORCH_SUFFIXES = (".pth", ".pt", ".bin")


def load_pretrained(model: keras.Model, path: str) -> None:
    """Copies the tensors that a file has for the model, and logs a report.

    Args:
        model: Of factory.build_model; variables without a value stay as they are.
        path: A checkpoint's prefix, one of its files, a directory of checkpoints, or
            a PyTorch file.

    Raises:
        ConfigError: If the path can't be read, or has fewer than half of the model's
            variables: the job would train something else than was meant.
    """
    try:
        tensors = _read(path, model.name)
        matching.assign(model, tensors, path)
    except UnreadableError as error:
        raise errors.ConfigError(
            f"--pretrained_checkpoint_path={path} {error}."
        ) from error


def _read(path: str, model_type: str) -> Mapping[str, np.ndarray]:
    if not path.endswith(TORCH_SUFFIXES):
        return tf_checkpoint.read_checkpoint(path)
    if storage.find_size(path) is None:
        raise UnreadableError("is not there; give the path of a file that is")
    with storage.local_file(path) as local:
        return torch_efficientnet.rename_efficientnet(
            torch_file.read_torch_file(local), model_type
        )
