"""What timm publishes beside its weights: config.json."""

import json
import os
from collections.abc import Mapping
from typing import Any

from trainer import storage
from trainer.models.normalization import Normalization
from trainer.models.pretrained.source import UnreadableError

FILE = "config.json"
# How the folder of a model on Hugging Face calls its weights.
WEIGHTS_FILE = "model.safetensors"


def find_weights(path: str) -> str:
    """The file of weights in a folder; what is no such folder is given back."""
    if storage.is_dir(path) and WEIGHTS_FILE in storage.list_names(path):
        return os.path.join(path, WEIGHTS_FILE)
    return path


def read_config(weights_path: str) -> Mapping[str, Any]:
    """Reads the file beside weights; empty if there is none.

    Raises:
        UnreadableError: If it is no JSON.
    """
    text = storage.read_text(os.path.join(os.path.dirname(weights_path), FILE))
    try:
        content = json.loads(text or "{}")
    except ValueError as error:
        raise UnreadableError(f"has a {FILE} beside it that is no JSON") from error
    return content if isinstance(content, dict) else {}


def find_normalization(
    config: Mapping[str, Any], default: Normalization
) -> Normalization:
    """The one that it states, of pixels 0..1, or else the default."""
    numbers = {**config, **config.get("pretrained_cfg", {})}
    if "mean" not in numbers or "std" not in numbers:
        return default
    return Normalization(
        *(tuple(255 * one for one in numbers[key]) for key in ("mean", "std"))
    )
