"""A SavedModel, as TensorFlow Hub and Kaggle Models have them -> our weights."""

import os

import tensorflow as tf

from trainer import storage
from trainer.models import factory
from trainer.models.pretrained import tpu_names
from trainer.models.pretrained.source import UnreadableError, Weights

FILE = "saved_model.pb"
VARIABLES = tuple(
    f"variables/variables.{one}" for one in ("index", "data-00000-of-00001")
)


def is_saved_model(path: str) -> bool:
    """Whether a folder holds a SavedModel."""
    return storage.find_size(os.path.join(path, FILE)) is not None


def read_saved_model(path: str, model_type: str) -> Weights:
    """Reads the variables of a SavedModel that has tensorflow/tpu's names, or ours.

    Args:
        path: A folder that `is_saved_model`.
        model_type: A key of config.MODEL_IMAGE_SIZES.

    Raises:
        UnreadableError: If it can't be loaded, or has no variables.
    """
    with storage.local_dir(path, [FILE, *VARIABLES]) as local:
        try:
            loaded = tf.saved_model.load(local)
            tensors = {
                variable.name.partition(":")[0]: variable.numpy()
                for variable in getattr(loaded, "variables", ())
            }
        except (OSError, tf.errors.OpError, ValueError, LookupError) as error:
            raise UnreadableError("is no SavedModel that can be loaded") from error
    if not tensors:
        raise UnreadableError(
            "is a SavedModel without variables, as jobs export them; give the "
            "checkpoints/ of the job that it is from"
        )
    variant = factory.default_variant(model_type)
    if tpu_names.is_tpu_checkpoint(tensors):
        renamed = tpu_names.rename_tpu(tensors, model_type)
        return Weights(renamed, variant, "SavedModel of tensorflow/tpu")
    return Weights(tensors, variant, "SavedModel")
