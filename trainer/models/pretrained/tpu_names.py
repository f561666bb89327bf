"""Names in the TF1 checkpoints of tensorflow/tpu -> ours.

TensorFlow 1 numbers equal layers of a scope in the order in which they are made:
conv2d, conv2d_1, and so on. Source: models/official/{efficientnet,resnet} there.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping

import numpy as np

from trainer.models import efficientnet, factory, resnet
from trainer.models.normalization import HALF
from trainer.models.pretrained.source import UnreadableError
from trainer.models.variant import Variant

# The mean of a variable over the steps, which evaluates better than its last value.
AVERAGE = "/ExponentialMovingAverage"
# What only such checkpoints have.
MARKER = re.compile(r"(.*/)?(stem/)?conv2d/kernel")
LAYER = re.compile(
    r"(?:.*/)?(depthwise_conv2d|conv2d|(?:tpu_)?batch_normalization|dense)"
    r"(?:_(\d+))?/(\w+)"
)
SCOPE = re.compile(r"[^/]+/(?:model/)?(stem|head|blocks_\d+(?:/se)?)/")
VARIABLES = {"depthwise_kernel": "kernel"}
# Layers of EfficientNet's scopes, by kind; those of a block by number.
ENDS = {
    "stem": {"conv2d": "stem_conv", "batch_normalization": "stem_bn"},
    "head": {
        "conv2d": "top_conv",
        "batch_normalization": "top_bn",
        "dense": "predictions",
    },
}
LAYERS = {
    "conv2d": ("expand_conv", "project_conv"),
    "batch_normalization": ("expand_bn", "bn", "project_bn"),
}


def is_tpu_checkpoint(names: Mapping[str, np.ndarray]) -> bool:
    """Whether tensors have the names of tensorflow/tpu."""
    return any(MARKER.fullmatch(name) for name in names)


def rename_tpu(
    tensors: Mapping[str, np.ndarray], model_type: str
) -> dict[str, np.ndarray]:
    """Gives tensors the paths of our variables, averages in the place of last values.

    Args:
        tensors: Of a checkpoint.
        model_type: A key of config.MODEL_IMAGE_SIZES.

    Raises:
        UnreadableError: If that network is another one there.
    """
    if model_type in resnet.BASIC_BLOCK_MODELS:
        raise UnreadableError(
            f"is of tensorflow/tpu, whose {model_type} has a projection in its first "
            "block that this one has not; give weights of torchvision or timm"
        )
    find_layer = (
        _find_resnet_layer(model_type)
        if model_type in resnet.NUM_BLOCKS
        else _find_efficientnet_layer(model_type)
    )
    found = {}
    for name in tensors:
        match = None if name.endswith(AVERAGE) else LAYER.fullmatch(name)
        layer = match and find_layer(name, match[1], int(match[2] or 0))
        if match and layer:
            variable = VARIABLES.get(match[3], match[3])
            found[f"{layer}/{variable}"] = tensors.get(name + AVERAGE, tensors[name])
    return found


def find_variant(path: str, model_type: str) -> Variant:
    """How the network computes; that of adversarial training takes other pixels.

    Args:
        path: Where the checkpoint is; those are published below a folder advprop.
        model_type: A key of config.MODEL_IMAGE_SIZES.
    """
    variant = factory.default_variant(model_type)
    if "advprop" in path:
        return dataclasses.replace(variant, normalization=HALF)
    return variant


# (Whole name, kind of layer, its number in the scope) -> our layer.
FindLayer = Callable[[str, str, int], str | None]


def _find_resnet_layer(model_type: str) -> FindLayer:
    convolutions = resnet.list_convolutions(model_type)

    def find(_name: str, kind: str, number: int) -> str | None:
        if kind == "dense":
            return "predictions"
        if number >= len(convolutions):
            return None
        convolution = convolutions[number]
        return convolution if kind == "conv2d" else f"{convolution[:-4]}bn"

    return find


def _find_efficientnet_layer(model_type: str) -> FindLayer:
    blocks = efficientnet.list_blocks(model_type)

    def find(name: str, kind: str, number: int) -> str | None:
        match = SCOPE.match(name)
        scope = match[1] if match else ""
        kind = kind.removeprefix("tpu_")
        if scope in ENDS:
            return ENDS[scope].get(kind)
        position, _, gates = scope.removeprefix("blocks_").partition("/")
        if not position.isdigit() or int(position) >= len(blocks):
            return None
        block = blocks[int(position)]
        if gates:
            return f"{block}_se_{('reduce', 'expand')[number]}"
        if kind == "depthwise_conv2d":
            return f"{block}_dwconv"
        # The first stage has no expansion.
        layers = LAYERS[kind][block.startswith("block1") :]
        return f"{block}_{layers[number]}" if number < len(layers) else None

    return find
