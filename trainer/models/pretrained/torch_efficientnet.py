"""Names of EfficientNet's tensors in PyTorch's libraries -> ours."""

import re
from collections.abc import Mapping

import numpy as np

from trainer.models import efficientnet
from trainer.models.pretrained import torch_tensors

# github.com/lukemelas/EfficientNet-PyTorch: blocks are counted through all stages.
EFFICIENTNET_PYTORCH = {
    r"_conv_stem": "stem_conv",
    r"_bn0": "stem_bn",
    r"_blocks\.(?P<block>\d+)\._expand_conv": "{block}_expand_conv",
    r"_blocks\.(?P<block>\d+)\._bn0": "{block}_expand_bn",
    r"_blocks\.(?P<block>\d+)\._depthwise_conv": "{block}_dwconv",
    r"_blocks\.(?P<block>\d+)\._bn1": "{block}_bn",
    r"_blocks\.(?P<block>\d+)\._se_reduce": "{block}_se_reduce",
    r"_blocks\.(?P<block>\d+)\._se_expand": "{block}_se_expand",
    r"_blocks\.(?P<block>\d+)\._project_conv": "{block}_project_conv",
    r"_blocks\.(?P<block>\d+)\._bn2": "{block}_project_bn",
    r"_conv_head": "top_conv",
    r"_bn1": "top_bn",
    r"_fc": "predictions",
}


def rename_efficientnet(
    tensors: Mapping[str, np.ndarray], model_type: str
) -> dict[str, np.ndarray]:
    """Gives tensors the names and forms of our variables.

    Args:
        tensors: Of a state dict.
        model_type: An EfficientNet of config.MODEL_IMAGE_SIZES.

    Returns:
        Those that have a counterpart in such a network.
    """
    blocks = efficientnet.list_blocks(model_type)
    found = {}
    for name, tensor in tensors.items():
        layer, _, parameter = name.rpartition(".")
        ours = _rename_layer(layer, blocks)
        if ours and parameter in torch_tensors.PARAMETERS:
            path, value = torch_tensors.convert(ours, parameter, tensor)
            found[path] = value
    return found


def _rename_layer(layer: str, blocks: list[str]) -> str | None:
    for pattern, ours in EFFICIENTNET_PYTORCH.items():
        match = re.fullmatch(pattern, layer)
        if match is None:
            continue
        number = match.groupdict().get("block")
        if number is None:
            return ours
        if int(number) < len(blocks):
            return ours.format(block=blocks[int(number)])
    return None
