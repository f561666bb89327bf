import logging
import os

import numpy as np
import pytest
import tensorflow as tf

from tests import pictures
from trainer import errors, storage
from trainer.data import index_cache, labels
from trainer.data.shard_content import NO_LABEL


def build_splits(tmp_path, training, validation):
    splits = {}
    for flag, values in {"training": training, "validation": validation}.items():
        path = pictures.write_records(
            tmp_path / flag, [pictures.example(b"jpeg", value) for value in values]
        )
        name = f"{flag}_data_path"
        splits[name] = read(tmp_path, path)
    return splits


def read(tmp_path, path, *, limit=10):
    return labels.read_split(
        storage.find_files(path, "training_data_path"),
        flag="training_data_path",
        max_bad_records=lambda _: limit,
        cache=index_cache.IndexCache(f"{tmp_path}/index.npz"),
    )


def write_bad(tmp_path):
    """Three records: damaged, no tf.Example, and a good one with label 2."""
    good = pictures.example(b"jpeg", 2)
    path = pictures.write_records(tmp_path / "train", [good, b"\xff broken", good])
    with open(path, "r+b") as file:
        file.seek(20)
        file.write(b"\0\0")
    return path


def test_damaged_and_broken_records_are_counted_and_named(tmp_path, caplog):
    split = read(tmp_path, write_bad(tmp_path))
    np.testing.assert_array_equal(split.labels, [NO_LABEL] * 2 + [2])
    assert f"{tmp_path}/train, record 0 (byte 12) is damaged" in caplog.text
    assert "record 1" in caplog.text
    assert "is no tf.train.Example; it is skipped." in caplog.text
    assert [one["record"] for one in split.bad.describe()] == [0, 1]


def test_more_bad_records_than_allowed_end_the_job(tmp_path):
    path = write_bad(tmp_path)
    with pytest.raises(
        errors.DataError,
        match=r"--training_data_path has more bad records than --max_bad_records allows"
        r", which is 1; the last one: .*train, record 1",
    ):
        read(tmp_path, path, limit=1)


def test_bad_records_have_no_label_to_check(tmp_path):
    splits = {"training_data_path": read(tmp_path, write_bad(tmp_path))}
    assert resolve(splits) == 1


@pytest.mark.parametrize("feature", ["image/encoded", "image/class/label"])
def test_a_record_without_a_feature_is_no_damage(tmp_path, feature):
    example = tf.train.Example.FromString(pictures.example(b"jpeg", 1))
    del example.features.feature[feature]
    path = pictures.write_records(tmp_path / "a", [example.SerializeToString()])
    with pytest.raises(errors.DataError, match=f"record 0 lacks {feature}"):
        read(tmp_path, path)


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


def test_files_that_did_not_change_are_not_read_again(tmp_path):
    path = pictures.write_records(tmp_path / "a", [pictures.example(b"jpeg", 2)])
    cache = index_cache.IndexCache(f"{tmp_path}/index.npz")
    options = {"flag": "a", "max_bad_records": lambda _: 0, "cache": cache}
    files = storage.find_files(path, "a")
    labels.read_split(files, **options)
    status = os.stat(path)
    (tmp_path / "a").write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    files = storage.find_files(path, "a")
    assert labels.read_split(files, **options).labels.tolist() == [2]


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


def test_reading_many_files_shows_progress(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(labels, "PROGRESS_SECS", 0.0)
    caplog.set_level(logging.INFO)
    build_splits(tmp_path, [1, 2], [1])
    assert "data  | 1 of 1 files read" in caplog.messages
