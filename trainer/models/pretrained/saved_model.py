"""A SavedModel, as TensorFlow Hub and Kaggle Models have them -> our weights.

Its variables are a checkpoint, and are read as one: the graph is neither loaded nor
run.
"""

import os

from trainer import storage
from trainer.models.pretrained import tf_checkpoint
from trainer.models.pretrained.source import UnreadableError, Weights

FILE = "saved_model.pb"
PREFIX = "variables/variables"


def is_saved_model(path: str) -> bool:
    """Whether a folder holds a SavedModel."""
    return storage.find_size(os.path.join(path, FILE)) is not None


def read_saved_model(path: str, model_type: str, *, name: str = "") -> Weights:
    """Reads the variables of a SavedModel that has tensorflow/tpu's names, or ours.

    Args:
        path: Its folder.
        model_type: A key of config.MODEL_IMAGE_SIZES.
        name: What the user calls it, if that is not its path.

    Raises:
        UnreadableError: If it is none, has no variables, or they can't be read.
    """
    prefix = os.path.join(path, PREFIX)
    if storage.find_size(f"{prefix}.index") is None:
        if not is_saved_model(path):
            raise UnreadableError(
                f"has no {FILE}; give the address or the archive of a SavedModel"
            )
        raise UnreadableError(
            "is a SavedModel without variables, as jobs export them; give the "
            "checkpoints/ of the job that it is from"
        )
    return tf_checkpoint.read_checkpoint(prefix, model_type, name=name)
