"""A PyTorch file (.pth, .pt, .bin) -> its tensors, without PyTorch, and without trust.

Such a file is a pickle, and unpickling runs what the file says. Here a pickle may name
only what tensors are made of, and each of those names stands for something of this
module: no code of the file, and none that it names, ever runs.

Both formats are read: a zip archive (since PyTorch 1.6), and the older row of pickles.
"""

import collections
import os
import pickle
import zipfile
from collections.abc import Callable, Iterable
from typing import IO, Any, NamedTuple

import numpy as np

from trainer.models.pretrained import torch_tensors
from trainer.models.pretrained.source import UnreadableError

# Begins the older format. Source: torch/serialization.py, as the next three.
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
STORAGE = "storage"
# Bytes before the values of a storage in the older format: how many there are.
COUNT_BYTES = 8
# Names under which training scripts keep weights beside other things, best first.
NESTED = ("state_dict_ema", "model_ema", "state_dict", "model")
DTYPES: dict[str, np.dtype[Any]] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class _StorageType(NamedTuple):
    """Stands for torch.FloatStorage and its like."""

    name: str


class _Storage(NamedTuple):
    """A row of values in the file, of which tensors are views."""

    type_name: str
    key: str
    num_values: int


class _Tensor(NamedTuple):
    """A view of a storage; offset and strides count values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_file(path: str) -> dict[str, np.ndarray]:
    """Reads the tensors of a state dict.

    Args:
        path: Local file.

    Returns:
        Arrays by their names in the file; those of bfloat16 are float32.

    Raises:
        UnreadableError: If the file is damaged, or holds anything but tensors, numbers,
            texts and containers of them.
    """
    try:
        read = _read_zip if zipfile.is_zipfile(path) else _read_pickles
        return read(path)
    except (
        *(pickle.UnpicklingError, zipfile.BadZipFile, EOFError, LookupError),
        *(TypeError, ValueError, AttributeError, OverflowError, MemoryError),
    ) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError("is damaged, or no file of PyTorch") from error


def _read_zip(path: str) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if "data.pkl" not in names:
            raise UnreadableError("is a zip archive without PyTorch's data.pkl")
        if "byteorder" in names and archive.read(names["byteorder"]) != b"little":
            raise UnreadableError("was written on a big-endian machine")
        with archive.open(names["data.pkl"]) as file:
            tensors = _take_tensors(_Unpickler(file).load())
        return _materialize(tensors, lambda one: archive.read(names[f"data/{one.key}"]))


def _read_pickles(path: str) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:
        if _Unpickler(file).load() != MAGIC_NUMBER:
            raise UnreadableError("is no file of PyTorch")
        if _Unpickler(file).load() != PROTOCOL_VERSION:
            raise UnreadableError("has another version of PyTorch's format than 1001")
        if not _Unpickler(file).load()["little_endian"]:
            raise UnreadableError("was written on a big-endian machine")
        unpickler = _Unpickler(file)
        tensors = _take_tensors(unpickler.load())
        content = _read_storages(file, unpickler.storages)
        return _materialize(tensors, lambda one: content[one.key])


def _read_storages(file: IO[bytes], storages: dict[str, _Storage]) -> dict[str, bytes]:
    """Reads the rows of values, which follow in the order of a list of their keys."""
    content = {}
    for key in _Unpickler(file).load():
        file.seek(COUNT_BYTES, os.SEEK_CUR)
        storage = storages[key]
        num_bytes = storage.num_values * DTYPES[storage.type_name].itemsize
        content[key] = file.read(num_bytes)
    return content


class _Unpickler(pickle.Unpickler):
    """Knows the names that tensors are made of, and no others."""

    def __init__(self, file: IO[bytes]) -> None:
        """Takes a file that is at the begin of a pickle."""
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name in _REBUILDERS:
            return _REBUILDERS[name]
        if module == "torch" and name in DTYPES:
            return _StorageType(name)
        raise UnreadableError(
            f"asks for {module}.{name} to be run, which no weights need; save its "
            "state dict alone, torch.save(model.state_dict(), PATH), or as .safetensors"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        """What a reference to values outside of the pickle stands for."""
        kind, storage_type, key, _location, num_values, *view = pid
        if kind != STORAGE or not isinstance(storage_type, _StorageType) or any(view):
            raise UnreadableError("refers to values in a form that is not known")
        storage = _Storage(storage_type.name, str(key), int(num_values))
        return self.storages.setdefault(storage.key, storage)


def _rebuild_tensor(
    storage: _Storage,
    offset: int,
    shape: Iterable[int],
    strides: Iterable[int],
    *_: Any,
) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


def _rebuild_parameter(data: _Tensor, *_: Any) -> _Tensor:
    return data


_REBUILDERS: dict[str, Callable[..., _Tensor]] = {
    "_rebuild_tensor": _rebuild_tensor,
    "_rebuild_tensor_v2": _rebuild_tensor,
    "_rebuild_parameter": _rebuild_parameter,
}


def _take_tensors(content: Any) -> dict[str, _Tensor]:
    """The state dict, which may be one of the things that the file holds."""
    for name in NESTED:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
            break
    if not isinstance(content, dict):
        raise UnreadableError("holds no state dict")
    tensors = {
        str(name): one for name, one in content.items() if isinstance(one, _Tensor)
    }
    if not tensors:
        raise UnreadableError("holds no state dict with tensors")
    return tensors


def _materialize(
    tensors: dict[str, _Tensor], read: Callable[[_Storage], bytes]
) -> dict[str, np.ndarray]:
    rows: dict[str, np.ndarray] = {}
    arrays = {}
    for name, tensor in tensors.items():
        key = tensor.storage.key
        if key not in rows:
            rows[key] = _parse_row(tensor.storage, read(tensor.storage))
        arrays[name] = _view(tensor, rows[key])
    return arrays


def _parse_row(storage: _Storage, content: bytes) -> np.ndarray:
    row = np.frombuffer(content, DTYPES[storage.type_name])
    if len(row) != storage.num_values:
        raise UnreadableError("ends before its values do")
    if storage.type_name == "BFloat16Storage":
        return torch_tensors.widen_bfloat16(row)
    return row


def _view(tensor: _Tensor, row: np.ndarray) -> np.ndarray:
    """A tensor of its row; strides that lead out of the row would read other memory."""
    num_values = int(np.prod(tensor.shape, dtype=np.int64))
    last = tensor.offset + sum(
        (side - 1) * stride
        for side, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    is_sane = min((*tensor.shape, *tensor.strides, tensor.offset), default=0) >= 0
    if not is_sane or num_values > len(row) or (num_values and last >= len(row)):
        raise UnreadableError("has a tensor that does not lie within its values")
    return np.lib.stride_tricks.as_strided(
        row[tensor.offset :],
        tensor.shape,
        [stride * row.itemsize for stride in tensor.strides],
        writeable=False,
    )
