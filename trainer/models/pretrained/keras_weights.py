"""Keras files of keras.applications, and of this project's networks -> our weights."""

import dataclasses
import math

import numpy as np

from trainer import storage
from trainer.models import factory, resnet
from trainer.models.normalization import Normalization
from trainer.models.pretrained import keras_file
from trainer.models.pretrained.keras_file import Layers
from trainer.models.pretrained.source import UnreadableError, Weights
from trainer.models.variant import Variant

BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
OTHERS = ("kernel", "bias")
# The first layer with weights of keras.applications' EfficientNet.
NORMALIZATION = "normalization"
IMAGENET_DEVIATIONS = (0.229, 0.224, 0.225)
# How keras.applications computes ResNet: as Caffe does, with the stride where He et al.
# have it. Caffe's pixels are blue, green, red; ours are turned in the first kernel.
RESNET_MEANS = (123.68, 116.779, 103.939)
RESNET = Variant(
    Normalization(RESNET_MEANS, (1.0, 1.0, 1.0)),
    1.001e-5,
    "EVEN",
    pool_padding="EVEN",
    first_has_stride=True,
)
STEM = "conv1_conv"


def read_keras_weights(path: str, model_type: str) -> Weights:
    """Reads a file of keras.applications, or of a network of this project.

    Args:
        path: Ends with one of keras_file.SUFFIXES.
        model_type: A key of config.MODEL_IMAGE_SIZES.

    Raises:
        UnreadableError: If the file can't be read.
    """
    if storage.find_size(path) is None:
        raise UnreadableError("is not there; give the path of a file that is")
    with storage.local_file(path) as local:
        return take_layers(keras_file.read_keras_file(local), model_type)


def take_layers(layers: Layers, model_type: str) -> Weights:
    """Gives the variables of layers our names, and finds out how they compute.

    Args:
        layers: Of keras.applications, or of a network of this project.
        model_type: A key of config.MODEL_IMAGE_SIZES.
    """
    if model_type in resnet.NUM_BLOCKS:
        # Ours have no biases before batch normalisation.
        if len(layers.get(STEM, [])) == 2:
            _fold_biases(layers)
            kernel, *_ = layers[STEM]
            layers[STEM] = [kernel[:, :, ::-1]]
            return Weights(
                name_variables(layers), RESNET, "Keras, keras.applications' ResNet"
            )
    elif len(layers.get(NORMALIZATION, [])) >= 2:
        variant = _find_efficientnet_variant(layers[NORMALIZATION], model_type)
        return Weights(name_variables(layers), variant, "Keras, keras.applications")
    variant = factory.default_variant(model_type)
    return Weights(name_variables(layers), variant, "Keras, a network of this project")


def _find_efficientnet_variant(values: list[np.ndarray], model_type: str) -> Variant:
    """The normalisation that the file itself has: (x / 255 - mean) / sqrt(variance).

    The published weights have the deviations in the place of the variances, and
    keras.applications then divides by their root once more
    (github.com/tensorflow/tensorflow/issues/49930).
    """
    means, variances = (value.reshape(-1).tolist() for value in values[:2])
    deviations = tuple(math.sqrt(one) for one in variances)
    if np.allclose(variances, IMAGENET_DEVIATIONS, rtol=1e-3):
        deviations = IMAGENET_DEVIATIONS
    numbers = Normalization(
        *(tuple(255 * one for one in row) for row in (means, deviations))
    )
    return dataclasses.replace(
        factory.default_variant(model_type), normalization=numbers
    )


def _fold_biases(layers: Layers) -> None:
    """Moves a convolution's bias into the mean that batch normalisation subtracts."""
    for name, values in layers.items():
        norm = f"{name.removesuffix('conv')}bn"
        if name.endswith("conv") and len(values) == 2 and norm in layers:
            gamma, beta, mean, variance = layers[norm]
            layers[norm] = [gamma, beta, mean - values[1], variance]
            layers[name] = values[:1]


def name_variables(layers: Layers) -> dict[str, np.ndarray]:
    """The variables of layers that have our names, by their paths."""
    return {
        f"{name}/{variable}": value
        for name, values in layers.items()
        for variable, value in zip(_variables_of(name), values, strict=False)
    }


def _variables_of(layer: str) -> tuple[str, ...]:
    return BATCH_NORM if layer.endswith("bn") else OTHERS
