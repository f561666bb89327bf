import numpy as np
import pytest

from tests import pictures
from trainer import errors, storage
from trainer.data import labels
from trainer.data.index_cache import IndexCache
from trainer.serving import model_labels


def read(tmp_path, values):
    records = [pictures.example(b"jpeg", value) for value in values]
    path = pictures.write_records(tmp_path / "test-0", records)
    return labels.read_split(
        storage.find_files(path, "data_path"),
        flag="data_path",
        max_bad_records=lambda _: 0,
        cache=IndexCache(None),
    )


def resolve(split, label_offset="auto"):
    return model_labels.resolve_label_offset(
        split, num_classes=3, label_offset=label_offset, model_dir="job/model"
    )


@pytest.mark.parametrize(
    ("values", "label_offset", "expected"),
    [
        ([1, 2, 3], "auto", 1),
        ([1, 2], "auto", 1),
        ([0, 2], "auto", 0),
        ([1, 2], "0", 0),
        ([1, 2], "1", 1),
    ],
)
def test_labels_count_from_0_if_there_is_a_0(tmp_path, values, label_offset, expected):
    assert resolve(read(tmp_path, values), label_offset) == expected


@pytest.mark.parametrize(
    ("values", "label_offset", "message"),
    [
        ([0, 3], "auto", "has labels 0 and 3, expected 1..3 or 0..2 for the 3 classes"),
        ([4], "auto", "label is 4 in .*, record 0, expected 1..3 for the 3 classes of"),
        ([1, 3], "0", "label is 3 in .*, record 1, expected 0..2"),
        ([-1], "auto", "label is -1"),
    ],
)
def test_labels_that_are_no_classes_are_named(tmp_path, values, label_offset, message):
    with pytest.raises(errors.DataError, match=message):
        resolve(read(tmp_path, values), label_offset)


def test_bad_records_have_no_label_to_check(tmp_path):
    split = read(tmp_path, [1, 2])
    split.labels[0] = np.iinfo(np.int64).min
    assert resolve(split) == 1
