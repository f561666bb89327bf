"""Files that Keras writes (.h5, .weights.h5, .keras) -> the variables of each layer.

Only values are read: what the file says of a model's code, such as the bytecode of a
Lambda layer, is never looked at.
"""

import contextlib
import zipfile
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from trainer.models.pretrained.source import UnreadableError

SUFFIXES = (".h5", ".hdf5", ".keras")
ARCHIVE_SUFFIX = ".keras"
# In a .keras archive. Source: keras/src/saving/saving_lib.py.
WEIGHTS_FILE = "model.weights.h5"
# Of Keras 3's files: a group of the variables of one layer, which has its name.
VARIABLES, NAME = "vars", "name"
# Of older files, as keras/src/legacy/saving/legacy_h5_format.py has them.
MODEL, LAYER_NAMES, WEIGHT_NAMES = "model_weights", "layer_names", "weight_names"

# The variables of a layer, in its own order, by the layer's name.
Layers = dict[str, list[np.ndarray]]


def read_keras_file(path: str) -> Layers:
    """Reads the variables of all layers.

    Args:
        path: Local file.

    Raises:
        UnreadableError: If the file is damaged or of another format, or does not tell
            the names of its layers.
    """
    try:
        with _open(path) as file:
            if MODEL in file:
                return _read_named(file[MODEL])
            return _read_named(file) if LAYER_NAMES in file.attrs else _read_vars(file)
    except (OSError, zipfile.BadZipFile, LookupError, TypeError, ValueError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError("is damaged, or no file of Keras") from error


@contextlib.contextmanager
def _open(path: str) -> Iterator[Any]:
    if not path.endswith(ARCHIVE_SUFFIX):
        with h5py.File(path, "r") as file:
            yield file
        return
    with (
        zipfile.ZipFile(path) as archive,
        archive.open(WEIGHTS_FILE) as member,
        h5py.File(member, "r") as file,
    ):
        yield file


def _read_named(group: Any) -> Layers:
    """Files of TensorFlow 2's Keras, and of Keras 3 with the ending .h5."""
    layers = {}
    for name in group.attrs[LAYER_NAMES]:
        layer = group[name]
        layers[_text(name)] = [
            np.asarray(layer[one]) for one in layer.attrs[WEIGHT_NAMES]
        ]
    return layers


def _read_vars(file: Any) -> Layers:
    """Files of Keras 3 with the endings .weights.h5 and .keras."""
    layers: Layers = {}
    groups: list[Any] = []
    file.visititems(lambda name, one: groups.append(one) if _has_vars(name) else None)
    for group in groups:
        numbers = sorted(group, key=int)
        if numbers and NAME not in group.attrs:
            raise UnreadableError(
                "does not tell the names of its layers, as Keras before 3.6; load and "
                "save it once with a later one"
            )
        if numbers:
            name = _text(group.attrs[NAME])
            layers[name] = [np.asarray(group[number]) for number in numbers]
    return layers


def _has_vars(name: str) -> bool:
    return name.rpartition("/")[2] == VARIABLES


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
