"""A preset of KerasHub in a folder -> our weights.

Source: github.com/keras-team/keras-hub, keras_hub/src/models/{resnet,efficientnet}.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trainer import storage
from trainer.models.normalization import Normalization
from trainer.models.pretrained import keras_file, keras_weights
from trainer.models.pretrained.source import UnreadableError, Weights
from trainer.models.variant import Variant

CONFIG_FILE = "config.json"
BACKBONE_FILE, HEAD_FILE = "model.weights.h5", "task.weights.h5"
CONVERTER_FILES = ("image_converter.json", "preprocessor.json")
CONVERTER = "image_converter"
# Endings of their layers' names -> ours.
ENDINGS = {"dwconv_bn": "bn", "project": "project_conv"}


def is_preset(path: str) -> bool:
    """Whether a folder is a preset of KerasHub."""
    return storage.is_dir(path) and {CONFIG_FILE, BACKBONE_FILE} <= set(
        storage.list_names(path)
    )


def read_preset(path: str) -> Weights:
    """Reads a preset of a ResNet or EfficientNet.

    Args:
        path: A folder that `is_preset`.

    Raises:
        UnreadableError: If it is of another network, or can't be read.
    """
    config = _read_config(path, CONFIG_FILE)
    variant = _find_variant(config, _find_normalization(path))
    files = [BACKBONE_FILE, HEAD_FILE]
    layers: keras_file.Layers = {}
    with storage.local_dir(path, files) as local:
        for name in files:
            if storage.find_size(os.path.join(path, name)) is not None:
                layers |= keras_file.read_keras_file(os.path.join(local, name))
    renamed = {_rename(name): values for name, values in layers.items()}
    return Weights(keras_weights.name_variables(renamed), variant, "KerasHub preset")


def _find_variant(config: Mapping[str, Any], normalization: Normalization) -> Variant:
    network, options = config.get("class_name"), config.get("config", {})
    if network == "ResNetBackbone" and _is_plain_resnet(options):
        return Variant(normalization, 1e-5, "EVEN", pool_padding="EVEN")
    if network == "EfficientNetBackbone" and _is_plain_efficientnet(options):
        return Variant(normalization, float(options["batch_norm_epsilon"]), "EVEN")
    raise UnreadableError(
        f"is a KerasHub preset of {network} that is no ResNet v1 or EfficientNet v1 "
        "with even padding; give one whose network is a --model_type"
    )


def _is_plain_resnet(options: Mapping[str, Any]) -> bool:
    return (
        options.get("input_conv_filters") == [64]
        and options.get("input_conv_kernel_sizes") == [7]
        and options.get("block_type") in ("basic_block", "bottleneck_block")
        and not options.get("use_pre_activation")
    )


def _is_plain_efficientnet(options: Mapping[str, Any]) -> bool:
    return (
        set(options.get("stackwise_block_types", ())) == {"v1"}
        and bool(options.get("include_stem_padding"))
        and options.get("stem_conv_padding") == "valid"
    )


def _find_normalization(path: str) -> Normalization:
    """Pixels * scale + offset, in another form."""
    names = [name for name in CONVERTER_FILES if name in storage.list_names(path)]
    for name in names:
        content = _read_config(path, name).get("config", {})
        options = content.get(CONVERTER, {}).get("config", {}) or content
        if options.get("scale") is not None:
            scales = _spread(options["scale"])
            offsets = _spread(options.get("offset") or 0.0)
            pairs = list(zip(scales, offsets, strict=True))
            return Normalization(
                tuple(-offset / scale for scale, offset in pairs),
                tuple(1 / scale for scale in scales),
            )
    raise UnreadableError(
        f"has none of {', '.join(CONVERTER_FILES)} with a scale, so what its network "
        "makes of pixels is not known; give a whole preset"
    )


def _spread(numbers: float | Sequence[float]) -> list[float]:
    return list(numbers) if isinstance(numbers, Sequence) else [numbers] * 3


def _rename(layer: str) -> str:
    match = re.fullmatch(r"stack(\d)_block(\d+)_(\w+)", layer)
    if match:
        return f"conv{int(match[1]) + 2}_block{int(match[2]) + 1}_{match[3]}"
    match = re.fullmatch(r"(block\d[a-z]+_)(\w+)", layer)
    return f"{match[1]}{ENDINGS.get(match[2], match[2])}" if match else layer


def _read_config(path: str, name: str) -> Mapping[str, Any]:
    try:
        content = json.loads(storage.read_text(os.path.join(path, name)) or "")
    except ValueError as error:
        raise UnreadableError(f"has a {name} that is no JSON") from error
    return content if isinstance(content, dict) else {}
