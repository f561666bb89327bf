"""Files as torch.save writes them, written without PyTorch."""

import collections
import io
import pickle
import struct
import zipfile

import numpy as np

from trainer.models.pretrained import torch_file

STORAGE_NAMES = {
    np.dtype("float32"): "FloatStorage",
    np.dtype("float16"): "HalfStorage",
    np.dtype("uint16"): "BFloat16Storage",
    np.dtype("int64"): "LongStorage",
}


class Named:
    """Is pickled as the name of something, which need not be there."""

    def __init__(self, module, name):
        self.text = f"{module}\n{name}\n"

    def __call__(self):
        """The pickler writes calls of what can be called only."""


class _Pickler(pickle._Pickler):
    def __init__(self, file, rows, *, is_zip):
        super().__init__(file, protocol=2)
        self._rows = rows
        self._is_zip = is_zip

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Named):
            self.write(pickle.GLOBAL + obj.text.encode())
        elif isinstance(obj, np.ndarray):
            self.save_reduce(*self._reduce(obj), obj=obj)
        else:
            super().save(obj, save_persistent_id)

    def _reduce(self, array):
        # A transposed array is a view of its row, as in PyTorch.
        row = array if array.base is None else array.base
        strides = tuple(stride // array.itemsize for stride in array.strides)
        hooks = collections.OrderedDict()
        rebuild = Named("torch._utils", "_rebuild_tensor_v2")
        return rebuild, (_Row(row), 0, array.shape, strides, False, hooks)

    def persistent_id(self, obj):
        if not isinstance(obj, _Row):
            return None
        key = str(id(obj.array))
        self._rows[key] = obj.array
        kind = Named("torch", STORAGE_NAMES[obj.array.dtype])
        place = ("storage", kind, key, "cpu", obj.array.size)
        return place if self._is_zip else (*place, None)


class _Row:
    def __init__(self, array):
        self.array = array


def write_zip(path, content):
    """Writes the format of PyTorch 1.6 and later."""
    rows, pickled = {}, io.BytesIO()
    _Pickler(pickled, rows, is_zip=True).dump(content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled.getvalue())
        archive.writestr("archive/byteorder", "little")
        for key, row in rows.items():
            archive.writestr(f"archive/data/{key}", row.tobytes())


def write_pickles(path, content):
    """Writes the format before that."""
    rows = {}
    with open(path, "wb") as file:
        pickle.dump(torch_file.MAGIC_NUMBER, file, protocol=2)
        pickle.dump(torch_file.PROTOCOL_VERSION, file, protocol=2)
        pickle.dump({"little_endian": True}, file, protocol=2)
        _Pickler(file, rows, is_zip=False).dump(content)
        pickle.dump(sorted(rows), file, protocol=2)
        for key in sorted(rows):
            file.write(struct.pack("<q", rows[key].size) + rows[key].tobytes())
