"""A state dict of PyTorch's libraries -> weights of ours."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np

from trainer import storage
from trainer.models import resnet
from trainer.models.pretrained import (
    safetensors_file,
    timm_config,
    torch_efficientnet,
    torch_file,
    torch_resnet,
    torch_tensors,
)
from trainer.models.pretrained.source import UnreadableError, Weights

SAFETENSORS_SUFFIX = ".safetensors"
SUFFIXES = (SAFETENSORS_SUFFIX, ".pth", ".pt", ".bin")
# What wrappers of models put before each name.
WRAPPER = "module."


def read_torch_weights(path: str, model_type: str) -> Weights:
    """Reads a file of timm, torchvision or efficientnet_pytorch.

    Args:
        path: Ends with one of SUFFIXES.
        model_type: A key of config.MODEL_IMAGE_SIZES.

    Raises:
        UnreadableError: If the file can't be read, or has none of their names.
    """
    if storage.find_size(path) is None:
        raise UnreadableError("is not there; give the path of a file that is")
    is_safe = path.endswith(SAFETENSORS_SUFFIX)
    read = safetensors_file.read_safetensors if is_safe else torch_file.read_torch_file
    with storage.local_file(path) as local:
        tensors = {
            name.removeprefix(WRAPPER): tensor for name, tensor in read(local).items()
        }
    if model_type in resnet.NUM_BLOCKS:
        return _take_resnet(tensors, path)
    return _take_efficientnet(tensors, model_type, path)


def _take_resnet(tensors: Mapping[str, np.ndarray], path: str) -> Weights:
    if torch_resnet.STEM not in tensors:
        raise UnreadableError(
            f"has no {torch_resnet.STEM}, expected the names of a ResNet of "
            "torchvision or timm; give one of the same --model_type"
        )
    renamed = _rename(tensors, torch_resnet.rename_layer)
    default = torch_resnet.VARIANT
    normalization = timm_config.find_normalization(
        timm_config.read_config(path), default.normalization
    )
    variant = dataclasses.replace(default, normalization=normalization)
    return Weights(renamed, variant, "PyTorch, torchvision or timm")


def _take_efficientnet(
    tensors: Mapping[str, np.ndarray], model_type: str, path: str
) -> Weights:
    for stem, (library, names) in torch_efficientnet.STEMS.items():
        if stem in tensors:
            variant = torch_efficientnet.find_variant(
                names, model_type, path, timm_config.read_config(path)
            )
            rename = functools.partial(
                torch_efficientnet.rename_layer, names=names, model_type=model_type
            )
            return Weights(_rename(tensors, rename), variant, f"PyTorch, {library}")
    raise UnreadableError(
        f"has no {', '.join(torch_efficientnet.STEMS)}, expected the names of an "
        "EfficientNet of efficientnet_pytorch, timm or torchvision; give one of the "
        "same --model_type"
    )


def _rename(
    tensors: Mapping[str, np.ndarray], rename_layer: Callable[[str], str | None]
) -> dict[str, np.ndarray]:
    found = {}
    for name, tensor in tensors.items():
        layer, _, parameter = name.rpartition(".")
        ours = rename_layer(layer)
        if ours and parameter in torch_tensors.PARAMETERS:
            path, value = torch_tensors.convert(ours, parameter, tensor)
            found[path] = value
    return found
