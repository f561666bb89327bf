"""Names of ResNet's tensors in torchvision and timm -> ours, and how they compute."""

import re

from trainer.models.normalization import IMAGENET
from trainer.models.variant import Variant

STEM = "conv1.weight"
STEM_LAYERS = {"conv1": "conv1_conv", "bn1": "conv1_bn", "fc": "predictions"}
# Convolutions within a block; 0 is the shortcut.
SHORTCUT = {"0": "0_conv", "1": "0_bn"}
VARIANT = Variant(IMAGENET, 1e-5, "EVEN", pool_padding="EVEN")


def rename_layer(layer: str) -> str | None:
    """Our name of a layer, or None if a ResNet v1 has no such layer.

    Args:
        layer: Name there, such as "layer1.0.downsample.0".
    """
    if layer in STEM_LAYERS:
        return STEM_LAYERS[layer]
    match = re.fullmatch(
        r"layer([1-4])\.(\d+)\.(?:(conv|bn)([123])|downsample\.([01]))", layer
    )
    if match is None:
        return None
    stage, place, kind, number, shortcut = match.groups()
    block = f"conv{int(stage) + 1}_block{int(place) + 1}"
    return f"{block}_{SHORTCUT[shortcut] if shortcut else f'{number}_{kind}'}"
