"""A .safetensors file -> its tensors.

The format is a length, a JSON table and the values, so reading it needs no library.
Source: github.com/huggingface/safetensors, "Format".
"""

import json
import struct
from typing import Any

import numpy as np

from trainer.models.pretrained import torch_tensors
from trainer.models.pretrained.source import UnreadableError

LENGTH = struct.Struct("<Q")
# As the library has it: a table that is longer is no table.
MAX_TABLE_BYTES = 100_000_000
METADATA = "__metadata__"
BFLOAT16 = "BF16"
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    BFLOAT16: np.dtype("<u2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def read_safetensors(path: str) -> dict[str, np.ndarray]:
    """Reads all tensors.

    Args:
        path: Local file.

    Returns:
        Arrays by their names in the file; those of bfloat16 are float32.

    Raises:
        UnreadableError: If the file is damaged or of another format.
    """
    with open(path, "rb") as file:
        try:
            (length,) = LENGTH.unpack(file.read(LENGTH.size))
            if length > MAX_TABLE_BYTES:
                raise ValueError(f"a table of {length} bytes")
            table = json.loads(file.read(length))
            values = memoryview(file.read())
            return {
                name: _view(entry, values)
                for name, entry in table.items()
                if name != METADATA
            }
        except (struct.error, ValueError, LookupError, TypeError, AttributeError) as e:
            raise UnreadableError("is damaged, or no .safetensors file") from e


def _view(entry: dict[str, Any], values: memoryview) -> np.ndarray:
    begin, end = entry["data_offsets"]
    # The number of values must fit the shape, which `reshape` checks.
    row = np.frombuffer(values[begin:end], DTYPES[entry["dtype"]])
    if entry["dtype"] == BFLOAT16:
        row = torch_tensors.widen_bfloat16(row)
    return row.reshape(entry["shape"])
