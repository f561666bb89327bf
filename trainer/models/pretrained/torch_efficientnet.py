"""Names of EfficientNet's layers in PyTorch's libraries -> ours, and variants."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from trainer.models import efficientnet, factory
from trainer.models.normalization import HALF, IMAGENET
from trainer.models.pretrained import timm_config
from trainer.models.pretrained.source import UnreadableError
from trainer.models.variant import Variant

# Layers there -> here. {block} is the block of that stage and place, or of that number.
# github.com/lukemelas/EfficientNet-PyTorch
EFFICIENTNET_PYTORCH = {
    r"_conv_stem": "stem_conv",
    r"_bn0": "stem_bn",
    r"_blocks\.(?P<number>\d+)\._expand_conv": "{block}_expand_conv",
    r"_blocks\.(?P<number>\d+)\._bn0": "{block}_expand_bn",
    r"_blocks\.(?P<number>\d+)\._depthwise_conv": "{block}_dwconv",
    r"_blocks\.(?P<number>\d+)\._bn1": "{block}_bn",
    r"_blocks\.(?P<number>\d+)\._se_(?P<gate>reduce|expand)": "{block}_se_{gate}",
    r"_blocks\.(?P<number>\d+)\._project_conv": "{block}_project_conv",
    r"_blocks\.(?P<number>\d+)\._bn2": "{block}_project_bn",
    r"_conv_head": "top_conv",
    r"_bn1": "top_bn",
    r"_fc": "predictions",
}
# github.com/huggingface/pytorch-image-models; the blocks of the first stage have no
# expansion, and other names.
TIMM = {
    r"conv_stem": "stem_conv",
    r"bn1": "stem_bn",
    r"blocks\.(?P<stage>0)\.(?P<place>\d+)\.conv_dw": "{block}_dwconv",
    r"blocks\.(?P<stage>0)\.(?P<place>\d+)\.bn1": "{block}_bn",
    r"blocks\.(?P<stage>0)\.(?P<place>\d+)\.conv_pw": "{block}_project_conv",
    r"blocks\.(?P<stage>0)\.(?P<place>\d+)\.bn2": "{block}_project_bn",
    r"blocks\.(?P<stage>\d)\.(?P<place>\d+)\.conv_pw": "{block}_expand_conv",
    r"blocks\.(?P<stage>\d)\.(?P<place>\d+)\.bn1": "{block}_expand_bn",
    r"blocks\.(?P<stage>\d)\.(?P<place>\d+)\.conv_dw": "{block}_dwconv",
    r"blocks\.(?P<stage>\d)\.(?P<place>\d+)\.bn2": "{block}_bn",
    r"blocks\.(?P<stage>\d)\.(?P<place>\d+)\.se\.conv_(?P<gate>reduce|expand)": (
        "{block}_se_{gate}"
    ),
    r"blocks\.(?P<stage>\d)\.(?P<place>\d+)\.conv_pwl": "{block}_project_conv",
    r"blocks\.(?P<stage>\d)\.(?P<place>\d+)\.bn3": "{block}_project_bn",
    r"conv_head": "top_conv",
    r"bn2": "top_bn",
    r"classifier": "predictions",
}
# github.com/pytorch/vision: stages are counted from 1, the stem is stage 0.
_BLOCK = r"features\.(?P<stage>[1-7])\.(?P<place>\d+)\.block\."
_FIRST_BLOCK = r"features\.(?P<stage>1)\.(?P<place>\d+)\.block\."
TORCHVISION = {
    r"features\.0\.0": "stem_conv",
    r"features\.0\.1": "stem_bn",
    _FIRST_BLOCK + r"0\.0": "{block}_dwconv",
    _FIRST_BLOCK + r"0\.1": "{block}_bn",
    _FIRST_BLOCK + r"1\.fc1": "{block}_se_reduce",
    _FIRST_BLOCK + r"1\.fc2": "{block}_se_expand",
    _FIRST_BLOCK + r"2\.0": "{block}_project_conv",
    _FIRST_BLOCK + r"2\.1": "{block}_project_bn",
    _BLOCK + r"0\.0": "{block}_expand_conv",
    _BLOCK + r"0\.1": "{block}_expand_bn",
    _BLOCK + r"1\.0": "{block}_dwconv",
    _BLOCK + r"1\.1": "{block}_bn",
    _BLOCK + r"2\.fc1": "{block}_se_reduce",
    _BLOCK + r"2\.fc2": "{block}_se_expand",
    _BLOCK + r"3\.0": "{block}_project_conv",
    _BLOCK + r"3\.1": "{block}_project_bn",
    r"features\.8\.0": "top_conv",
    r"features\.8\.1": "top_bn",
    r"classifier\.1": "predictions",
}
# What only one of them has -> its name, and its table.
STEMS = {
    "_conv_stem.weight": ("efficientnet_pytorch", EFFICIENTNET_PYTORCH),
    "conv_stem.weight": ("timm", TIMM),
    "features.0.0.weight": ("torchvision", TORCHVISION),
}
# Models that torchvision builds with TensorFlow's epsilon.
LARGE = ("efficientnet-b5", "efficientnet-b6", "efficientnet-b7")


def rename_layer(layer: str, names: Mapping[str, str], model_type: str) -> str | None:
    """Our name of a layer, or None if this model type has no such layer.

    Args:
        layer: Name there, such as "blocks.0.0.conv_dw".
        names: One of the tables of this module.
        model_type: An EfficientNet of config.MODEL_IMAGE_SIZES.
    """
    for pattern, ours in names.items():
        match = re.fullmatch(pattern, layer)
        if match is not None:
            found = match.groupdict()
            block = _find_block(found, names, model_type)
            return None if block is None else ours.format(block=block, **found)
    return None


def _find_block(
    found: Mapping[str, str], names: Mapping[str, str], model_type: str
) -> str | None:
    """The block that a match is in: "" for none, None if there is no such block."""
    blocks = efficientnet.list_blocks(model_type)
    if "number" in found:
        number = int(found["number"])
        return blocks[number] if number < len(blocks) else None
    if "stage" in found:
        stage = int(found["stage"]) + (names is TIMM)
        name = f"block{stage}{chr(ord('a') + int(found['place']))}"
        return name if name in blocks else None
    return ""


def find_variant(
    names: Mapping[str, str], model_type: str, path: str, config: Mapping[str, Any]
) -> Variant:
    """How the network computes that the weights are from.

    Args:
        names: The table that fits them.
        model_type: An EfficientNet of config.MODEL_IMAGE_SIZES.
        path: Where they are.
        config: What timm's config.json beside them says; empty if there is none.

    Raises:
        UnreadableError: If it can't be told.
    """
    tpu = factory.default_variant(model_type)
    if names is TIMM:
        return _find_timm_variant(tpu, path, config)
    if names is TORCHVISION:
        epsilon = 1e-3 if model_type in LARGE else 1e-5
        return Variant(IMAGENET, epsilon, "EVEN")
    is_adversarial = path.rpartition("/")[2].startswith("adv-")
    normalization = HALF if is_adversarial else tpu.normalization
    return dataclasses.replace(tpu, normalization=normalization)


def _find_timm_variant(tpu: Variant, path: str, config: Mapping[str, Any]) -> Variant:
    """Those that timm took over from TensorFlow have tf_ before their names."""
    architecture = str(config.get("architecture", path))
    match = re.search(r"(tf_)?efficientnet_(lite|b)\d[^/]*", architecture)
    if match is None:
        raise UnreadableError(
            "has timm's names, under which there are two networks that compute "
            "differently; name the file as timm does, tf_efficientnet_b0... for those "
            "from TensorFlow and efficientnet_b0... for timm's own"
        )
    is_from_tensorflow = match[1] is not None
    normalization = IMAGENET
    if is_from_tensorflow and re.search(r"lite|[._]ap[._-]", match[0]):
        normalization = HALF
    normalization = timm_config.find_normalization(config, normalization)
    if is_from_tensorflow:
        return dataclasses.replace(tpu, normalization=normalization)
    return Variant(normalization, 1e-5, "EVEN")
