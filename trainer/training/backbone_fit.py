"""Whether a job and the SavedModel of its --hub_handle fit each other."""

import dataclasses
import logging

from trainer import errors
from trainer.config import TrainConfig
from trainer.models import hub


def fit(
    config: TrainConfig, backbone: hub.FeatureVector, num_replicas: int
) -> TrainConfig:
    """Gives the job the image size of its backbone, and says what is not exact.

    Args:
        config: The job, completed by its recipe.
        backbone: What it trains.
        num_replicas: How many share a step.

    Returns:
        The config that is carried out.

    Raises:
        ConfigError: If they can't work together.
    """
    fitted = _fit_size(config, backbone)
    logging.info(
        "model | --hub_handle=%s: %d features, %d of %d variables can be trained",
        config.hub_handle,
        backbone.num_features,
        len(backbone.trainable),
        len(backbone.used),
    )
    if config.freeze_backbone:
        return fitted
    if not backbone.trainable:
        raise errors.ConfigError(
            f"--hub_handle={config.hub_handle} has no variables that can be trained; "
            "give --freeze_backbone=true, or another SavedModel."
        )
    if backbone.has_training and not config.freezes_batch_norm:
        _check_training(config, backbone, num_replicas)
    return fitted


def _fit_size(config: TrainConfig, backbone: hub.FeatureVector) -> TrainConfig:
    if not backbone.sizes:
        return config
    if config.image_size is None:
        return dataclasses.replace(config, image_size=backbone.sizes[0])
    if config.image_size not in backbone.sizes:
        sizes = " or ".join(map(str, backbone.sizes))
        raise errors.ConfigError(
            f"--image_size={config.image_size} does not go with --hub_handle="
            f"{config.hub_handle}, which takes {sizes} pixels; drop --image_size."
        )
    return config


def _check_training(
    config: TrainConfig, backbone: hub.FeatureVector, num_replicas: int
) -> None:
    """What a SavedModel does in training is its own, where nobody can look."""
    if num_replicas > 1:
        raise errors.ConfigError(
            f"--hub_handle={config.hub_handle} may keep statistics of its own in "
            f"training, which {num_replicas} replicas can't share; give "
            "--freeze_batch_norm=true or --freeze_backbone=true, or use one device."
        )
    if backbone.draws:
        logging.warning(
            "--hub_handle=%s draws random numbers in training, such as dropout, that "
            "no checkpoint keeps: the same job ends with other weights each time. "
            "--freeze_batch_norm=true trains without them.",
            config.hub_handle,
        )
