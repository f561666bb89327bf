import logging

import numpy as np
import pytest

from tests import pictures
from trainer import errors
from trainer.data import labels, tfrecord


def build_splits(tmp_path, training, validation):
    splits = {}
    for flag, values in {"training": training, "validation": validation}.items():
        path = pictures.write_records(
            tmp_path / flag, [pictures.example(b"jpeg", value) for value in values]
        )
        name = f"{flag}_data_path"
        splits[name] = labels.read_split(tfrecord.index_files([path]))
    return splits


def resolve(splits, label_offset="auto", num_classes=3):
    return labels.resolve_label_offset(
        splits, num_classes=num_classes, label_offset=label_offset
    )


def test_all_labels_are_read(tmp_path):
    splits = build_splits(tmp_path, [3, 1, 2], [1])
    np.testing.assert_array_equal(splits["training_data_path"].labels, [3, 1, 2])


@pytest.mark.parametrize(
    ("training", "validation", "label_offset", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], "auto", 1),
        ([0, 1, 2], [0, 1, 2], "auto", 0),
        ([1, 2], [0, 1], "auto", 0),
        ([1, 2], [1, 2], "auto", 1),
        ([1, 2], [1, 2], "0", 0),
        ([0, 1], [1, 2], "0", 0),
        ([1, 2, 3], [1, 2, 3], "1", 1),
    ],
)
def test_the_first_label_is_found(
    tmp_path, training, validation, label_offset, expected
):
    splits = build_splits(tmp_path, training, validation)
    assert resolve(splits, label_offset) == expected


def test_labels_from_zero_are_warned_of(tmp_path, caplog):
    splits = build_splits(tmp_path, [1, 0, 2], [1, 0, 2])
    resolve(splits)
    assert f"Labels count from 0 ({tmp_path}/training, record 1)" in caplog.text


def test_labels_from_one_are_not(tmp_path, caplog):
    resolve(build_splits(tmp_path, [1, 2, 3], [1, 2, 3]))
    assert not caplog.text


@pytest.mark.parametrize(
    ("training", "validation", "label_offset", "message"),
    [
        (
            [1, 0, 3],
            [1],
            "auto",
            "is 0 in .*training, record 1 and 3 in .*training, record 2; with",
        ),
        ([1, 2], [3, 0], "auto", "is 0 in .*validation, record 1 and 3 in"),
        (
            [1, 4, 9],
            [1],
            "auto",
            r"is 4 in .*training, record 1; expected 1\.\.3 for --num_classes=3. "
            r"Correct .* \(1 more records have such labels\)",
        ),
        ([1], [1, -1], "auto", r"is -1 in .*validation, record 1; expected 1\.\.3"),
        ([0, 4], [1], "auto", r"is 4 in .*training, record 1; expected 0\.\.2"),
        ([0, 1], [1], "1", r"is 0 in .*training, record 0; expected 1\.\.3"),
        ([3], [1], "0", r"is 3 in .*training, record 0; expected 0\.\.2"),
    ],
)
def test_a_wrong_label_is_named_with_shard_and_record(
    tmp_path, training, validation, label_offset, message
):
    splits = build_splits(tmp_path, training, validation)
    with pytest.raises(errors.DataError, match=message):
        resolve(splits, label_offset)


def test_a_class_without_images_is_warned_of(tmp_path, caplog):
    resolve(build_splits(tmp_path, [1, 3], [1, 2, 3]))
    assert (
        "--training_data_path has images of 2 classes only, of --num_classes=3; "
        "label 2 is the first that it lacks." in caplog.text
    )


def test_reading_many_labels_shows_progress(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(labels, "PROGRESS_SECS", 0.0)
    caplog.set_level(logging.INFO)
    build_splits(tmp_path, [1, 2], [1])
    assert "data  | 1 of 2 labels read" in caplog.messages
