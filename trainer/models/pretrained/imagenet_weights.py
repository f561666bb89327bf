"""The word imagenet -> the weights that keras.applications publishes."""

import keras

from trainer.models.pretrained import keras_weights
from trainer.models.pretrained.source import UnreadableError, Weights

NETWORKS = {
    "resnet-50": "ResNet50",
    "resnet-101": "ResNet101",
    "resnet-152": "ResNet152",
    **{f"efficientnet-b{size}": f"EfficientNetB{size}" for size in range(8)},
}


def download_imagenet_weights(model_type: str) -> Weights:
    """Downloads the weights, or takes them from Keras' cache.

    Args:
        model_type: A key of config.MODEL_IMAGE_SIZES.

    Raises:
        UnreadableError: If there are none for this type, or they can't be reached.
    """
    if model_type not in NETWORKS:
        raise UnreadableError(
            f"has no weights of {model_type}, only of {', '.join(NETWORKS)}; give a "
            "file, such as a .pth of PyTorch"
        )
    try:
        source = getattr(keras.applications, NETWORKS[model_type])(weights="imagenet")
    # Keras raises bare exceptions when a download fails.
    except Exception as error:
        raise UnreadableError(
            f"can't be downloaded ({error}); copy the file to this machine and give "
            "its path, or put it into ~/.keras/models"
        ) from error
    layers = {
        layer.name: [variable.numpy() for variable in layer.weights]
        for layer in source.layers
        if layer.weights
    }
    return keras_weights.take_layers(layers, model_type)
