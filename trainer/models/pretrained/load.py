"""Weights of an earlier job, or from elsewhere -> a new model."""

import logging

from trainer import config, errors, saved_models
from trainer.models.pretrained import (
    imagenet_weights,
    keras_file,
    keras_weights,
    kerashub_preset,
    saved_model,
    tf_checkpoint,
    timm_config,
    torch_weights,
)
from trainer.models.pretrained.source import UnreadableError, Weights


def read_weights(path: str, model_type: str) -> Weights:
    """Reads weights, and finds out how the network computes that they are from.

    Args:
        path: What --pretrained_checkpoint_path may be.
        model_type: A key of config.MODEL_IMAGE_SIZES.

    Raises:
        ConfigError: If the path can't be read, or has nothing of such a network.
    """
    try:
        weights = _read(path, model_type)
    except (UnreadableError, saved_models.UnusableError) as error:
        raise errors.ConfigError(
            f"--pretrained_checkpoint_path={path} {error}."
        ) from error
    logging.info(
        "start | %s: %s | %s", weights.origin, path, weights.variant.describe()
    )
    return weights


def _read(path: str, model_type: str) -> Weights:
    if saved_models.is_packed(path):
        with saved_models.local_copy(path) as folder:
            return saved_model.read_saved_model(folder, model_type, name=path)
    torch_path = timm_config.find_weights(path)
    if torch_path.endswith(torch_weights.SUFFIXES):
        return torch_weights.read_torch_weights(torch_path, model_type)
    if path.endswith(keras_file.SUFFIXES):
        return keras_weights.read_keras_weights(path, model_type)
    if path == config.IMAGENET:
        return imagenet_weights.download_imagenet_weights(model_type)
    if kerashub_preset.is_preset(path):
        return kerashub_preset.read_preset(path)
    if saved_model.is_saved_model(path):
        return saved_model.read_saved_model(path, model_type)
    return tf_checkpoint.read_checkpoint(path, model_type)
