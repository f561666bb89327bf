"""Pixels, a SavedModel, dropout, and a classifier."""

import keras

from trainer.models.hub.feature_vector import FeatureVector
from trainer.models.hub.layer import Backbone
from trainer.models.layers import LayerBuilder

# Source: tensorflow_hub's make_image_classifier, get_default_hparams.
DROPOUT = 0.2


def build_network(
    vector: FeatureVector,
    *,
    num_classes: int,
    image_size: int,
    is_frozen: bool,
    keeps_statistics: bool,
    seed: int,
) -> keras.Model:
    """Builds a network with a random classifier on a backbone as it was saved.

    Args:
        vector: The backbone, which is loaded.
        num_classes: Number of logits.
        image_size: Side of the images in pixels.
        is_frozen: Whether the classifier alone is trained.
        keeps_statistics: Whether the backbone computes in training as it does in
            inference: with its moving statistics, without dropout of its own.
        seed: 0 or more.

    Returns:
        As factory.build_model.
    """
    build = LayerBuilder(
        precision="float32",
        seed=seed,
        activation="relu",
        variant=vector.variant,
        batch_norm_momentum=0.9,
        kernel_scale=1.0,
        kernel_mode="fan_in",
        kernel_distribution="truncated_normal",
    )
    images = keras.Input([image_size, image_size, 3], dtype="float32", name="images")
    backbone = Backbone(
        vector,
        is_frozen=is_frozen,
        keeps_statistics=keeps_statistics,
        name="backbone",
    )
    features = backbone(build.normalize(images))
    features = build.dropout(features, DROPOUT, name="top_dropout")
    initializer = build.seeded(
        keras.initializers.RandomNormal, "predictions", stddev=0.01
    )
    logits = build.classifier(features, num_classes, initializer)
    return keras.Model(images, logits, name="hub")
