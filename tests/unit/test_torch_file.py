import collections
import pickle
import zipfile

import numpy as np
import pytest

from tests import torch_files
from trainer.models.pretrained import torch_file
from trainer.models.pretrained.source import UnreadableError

WRITERS = [torch_files.write_zip, torch_files.write_pickles]


def build_state_dict():
    random = np.random.default_rng(0)
    state_dict = collections.OrderedDict()
    state_dict["conv.weight"] = random.normal(size=(4, 3, 2, 2)).astype(np.float32)
    state_dict["half"] = random.normal(size=5).astype(np.float16)
    state_dict["transposed"] = np.arange(6, dtype=np.float32).reshape(2, 3).T
    state_dict["num_batches_tracked"] = np.array(7)
    # PyTorch keeps versions of modules in an attribute of the dict.
    state_dict._metadata = collections.OrderedDict({"": {"version": 1}})
    return state_dict


def check_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype


@pytest.mark.parametrize("write", WRITERS)
def test_tensors_of_a_state_dict_are_read(tmp_path, write):
    write(tmp_path / "a.pth", build_state_dict())
    check_equal(torch_file.read_torch_file(tmp_path / "a.pth"), build_state_dict())


@pytest.mark.parametrize("write", WRITERS)
def test_the_averaged_weights_of_a_training_script_are_preferred(tmp_path, write):
    average = {"weight": np.ones(3, np.float32)}
    last = {"weight": np.zeros(3, np.float32)}
    content = {"epoch": 3, "state_dict": last, "state_dict_ema": average}
    write(tmp_path / "a.pth", content)
    check_equal(torch_file.read_torch_file(tmp_path / "a.pth"), average)


@pytest.mark.parametrize("write", WRITERS)
def test_bfloat16_becomes_float32(tmp_path, write):
    expected = np.float32([1, -2.5, 0.15625])
    upper = (expected.view(np.uint32) >> 16).astype(np.uint16)
    write(tmp_path / "a.pth", {"weight": upper})
    check_equal(torch_file.read_torch_file(tmp_path / "a.pth"), {"weight": expected})


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "argparse.Namespace"])
def test_a_file_that_asks_for_code_is_refused_and_nothing_runs(tmp_path, write, name):
    class Harm:
        def __reduce__(self):
            module, _, function = name.rpartition(".")
            return torch_files.Named(module, function), (f"touch {tmp_path}/harm",)

    write(tmp_path / "a.pth", {"weight": np.zeros(1, np.float32), "harm": Harm()})
    with pytest.raises(UnreadableError, match=f"asks for {name} to be run"):
        torch_file.read_torch_file(tmp_path / "a.pth")
    assert not (tmp_path / "harm").exists()


class _Outside:
    """A tensor whose view leads out of its row of 4 values."""

    def __init__(self, offset, shape, strides):
        self._view = offset, shape, strides

    def __reduce__(self):
        rebuild = torch_files.Named("torch._utils", "_rebuild_tensor_v2")
        row = torch_files._Row(np.zeros(4, np.float32))
        return rebuild, (row, *self._view, False, {})


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "view",
    [
        (1, (4,), (1,)),
        (0, (2,), (9,)),
        (0, (4,), (-1,)),
        (-1, (2,), (1,)),
        (0, (100,), (0,)),
    ],
    ids=["offset", "stride", "backwards", "before", "repeated"],
)
def test_a_tensor_outside_of_its_values_is_refused(tmp_path, write, view):
    write(tmp_path / "a.pth", {"weight": _Outside(*view)})
    with pytest.raises(UnreadableError, match="does not lie within its values"):
        torch_file.read_torch_file(tmp_path / "a.pth")


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": {}}])
def test_a_file_without_tensors_is_refused(tmp_path, write, content):
    write(tmp_path / "a.pth", content)
    with pytest.raises(UnreadableError, match="holds no state dict"):
        torch_file.read_torch_file(tmp_path / "a.pth")


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_cut_anywhere_is_refused(tmp_path, write):
    write(tmp_path / "a.pth", build_state_dict())
    content = (tmp_path / "a.pth").read_bytes()
    for length in range(0, len(content) - 1, 37):
        (tmp_path / "b.pth").write_bytes(content[:length])
        with pytest.raises(UnreadableError):
            torch_file.read_torch_file(tmp_path / "b.pth")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1], "is no file of PyTorch"),
        ([torch_file.MAGIC_NUMBER, 9], "another version of PyTorch's format"),
        (
            [torch_file.MAGIC_NUMBER, 1001, {"little_endian": False}],
            "was written on a big-endian machine",
        ),
    ],
)
def test_other_rows_of_pickles_are_refused(tmp_path, values, reason):
    with open(tmp_path / "a.pth", "wb") as file:
        for value in values:
            pickle.dump(value, file, protocol=2)
    with pytest.raises(UnreadableError, match=reason):
        torch_file.read_torch_file(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("notes.txt", "hello", "without PyTorch's data.pkl"),
        ("archive/byteorder", "big", "was written on a big-endian machine"),
    ],
)
def test_other_archives_are_refused(tmp_path, name, content, reason):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr(name, content)
        if name.startswith("archive/"):
            archive.writestr("archive/data.pkl", b"")
    with pytest.raises(UnreadableError, match=reason):
        torch_file.read_torch_file(tmp_path / "a.pth")


class _Reference:
    def __init__(self, *place):
        self.place = place


def test_references_of_another_form_are_refused(tmp_path):
    class Pickler(torch_files._Pickler):
        def persistent_id(self, obj):
            return obj.place if isinstance(obj, _Reference) else None

    content = {"a": _Reference("module", "x", "y", "cpu", 1)}
    with (
        zipfile.ZipFile(tmp_path / "a.pth", "w") as archive,
        archive.open("archive/data.pkl", "w") as file,
    ):
        Pickler(file, {}, is_zip=True).dump(content)
    with pytest.raises(UnreadableError, match="in a form that is not known"):
        torch_file.read_torch_file(tmp_path / "a.pth")
