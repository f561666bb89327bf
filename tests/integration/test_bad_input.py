"""What a user can get wrong: exit code 1, one sentence, and nothing half-written."""

import json
import os
import shutil
import struct

import pytest
import tensorflow as tf

from tests import jobs, pictures


def write(path, labels, *, encoded=None):
    records = [
        pictures.example(encoded or pictures.encode(pictures.draw(seed=label)), label)
        for label in labels
    ]
    pictures.write_records(path, records)


def damaged(path):
    """Nine records: one damaged, one no tf.Example, one without a whole picture."""
    encoded = [pictures.encode(pictures.draw(seed=number)) for number in range(9)]
    encoded[6] = encoded[6][: len(encoded[6]) // 2]
    records = [pictures.example(one, 1 + n % 3) for n, one in enumerate(encoded)]
    records[4] = b"\xff no example"
    pictures.write_records(path, records)
    with open(path, "r+b") as file:
        file.seek(40)
        file.write(b"\0\0\0")


def without(feature):
    record = tf.train.Example.FromString(
        pictures.example(pictures.encode(pictures.draw()), 1)
    )
    del record.features.feature[feature]
    return record.SerializeToString()


def no_match(tmp_path):
    return {"training_data_path": f"{tmp_path}/nothing-*"}, "matches no file"


def directory(tmp_path):
    return {"training_data_path": tmp_path}, "is a directory, expected TFRecord files"


def jpegs(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(pictures.encode(pictures.draw()))
    return {"training_data_path": f"{tmp_path}/*.jpg"}, "photo.jpg is a JPEG"


def empty(tmp_path):
    (tmp_path / "train.tfrecord").write_bytes(b"")
    return {"training_data_path": f"{tmp_path}/train.tfrecord"}, "train.tfrecord"


def truncated(tmp_path):
    write(tmp_path / "whole", [1, 2, 3])
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "train.tfrecord").write_bytes(content[:-20])
    return {
        "training_data_path": f"{tmp_path}/train.tfrecord"
    }, "is truncated: record 2 goes beyond its end"


def no_picture_feature(tmp_path):
    pictures.write_records(tmp_path / "train", [without("image/encoded")])
    return {"training_data_path": f"{tmp_path}/train"}, "image/encoded"


def no_label_feature(tmp_path):
    pictures.write_records(tmp_path / "train", [without("image/class/label")])
    return {"training_data_path": f"{tmp_path}/train"}, "image/class/label"


def label_beyond_num_classes(tmp_path):
    write(tmp_path / "train", [1, 2, 4])
    return (
        {"training_data_path": f"{tmp_path}/train"},
        f"image/class/label is 4 in {tmp_path}/train, record 2",
    )


def labels_0_and_n(tmp_path):
    write(tmp_path / "train", [0, 1, 3])
    return {"training_data_path": f"{tmp_path}/train"}, "image/class/label is 0 in"


def undecodable(tmp_path):
    write(tmp_path / "train", [1, 2, 3], encoded=b"no picture")
    return {"training_data_path": f"{tmp_path}/train"}, "image/encoded"


def one_bad_record_too_many(tmp_path):
    damaged(tmp_path / "train")
    return (
        {"training_data_path": f"{tmp_path}/train", "max_bad_records": 2},
        "--training_data_path has more bad records than --max_bad_records allows, "
        "which is 2",
    )


def diverging(_):
    return {"initial_learning_rate": 1e30, "max_steps": 30}, "with a learning rate of"


def no_write_access(tmp_path):
    (tmp_path / "file").write_text("in the way")
    return {"job-dir": tmp_path / "file" / "job"}, "can't be written"


def wrong_flags(_):
    return {"max_steps": 0, "lernrate": 1, "model_type": "vgg"}, "--max_steps"


CASES = [
    no_match,
    directory,
    jpegs,
    empty,
    truncated,
    no_picture_feature,
    no_label_feature,
    label_beyond_num_classes,
    labels_0_and_n,
    undecodable,
    one_bad_record_too_many,
    diverging,
    no_write_access,
    wrong_flags,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_ends_with_1_and_says_why(data_dir, tmp_path, case):
    flags, expected = case(tmp_path)
    job_dir = tmp_path / "job"
    done = jobs.run(data_dir, **{"job_dir": job_dir, **_renamed(flags)})
    assert done.returncode == 1, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    left = [name for _, _, names in os.walk(job_dir) for name in names]
    assert not [name for name in left if name.endswith((".pb", ".index", ".tmp"))]


def _renamed(flags):
    return {"job_dir" if name == "job-dir" else name: v for name, v in flags.items()}


def test_labels_from_0_are_used_with_a_warning(data_dir, tmp_path):
    write(tmp_path / "train", [0, 1, 2])
    shutil.copy(tmp_path / "train", tmp_path / "validation")
    log = jobs.run_ok(
        data_dir,
        tmp_path / "job",
        training_data_path=tmp_path / "train",
        validation_data_path=tmp_path / "validation",
        max_steps=1,
    )
    assert "Labels count from 0" in log
    assert "labels from 0" in log


def test_bad_records_are_skipped_counted_and_named(data_dir, tmp_path):
    damaged(tmp_path / "train")
    shutil.copy(tmp_path / "train", tmp_path / "validation")
    log = jobs.run_ok(
        data_dir,
        tmp_path / "job",
        training_data_path=tmp_path / "train",
        validation_data_path=tmp_path / "validation",
        max_steps=4,
    )
    for split in ("train", "validation"):
        for record in (0, 4, 6):
            assert f"{tmp_path}/{split}, record {record} (byte" in log
    content = json.loads((tmp_path / "job" / "metrics.json").read_text())
    assert content["best"]["num_images"] == 6
    for split in ("training", "validation"):
        assert [one["record"] for one in content["bad_records"][split]] == [0, 4, 6]


def test_a_damaged_length_costs_the_rest_of_its_shard(data_dir, tmp_path):
    content = bytearray((data_dir / "train-00000-of-00002.tfrecord").read_bytes())
    (length,) = struct.unpack_from("<Q", content)
    content[length + 16 + 3] ^= 1
    (tmp_path / "train-0").write_bytes(content)
    shutil.copy(data_dir / "train-00001-of-00002.tfrecord", tmp_path / "train-1")
    log = jobs.run_ok(
        data_dir, tmp_path / "job", training_data_path=f"{tmp_path}/train-?"
    )
    assert f"{tmp_path}/train-0 is damaged at byte {length + 16}" in log
    assert "data  | 19 training" in log
    found = json.loads((tmp_path / "job" / "metrics.json").read_text())["bad_records"]
    assert found["training"][0]["num_bytes_lost"] == len(content) - length - 16


def test_a_bug_ends_with_2(data_dir, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import trainer.flags\n"
        "def parse(*_): raise RuntimeError('a bug')\n"
        "trainer.flags.parse = parse\n"
    )
    done = jobs.run(
        data_dir, tmp_path / "job", env={"PYTHONPATH": f"{tmp_path}:{os.getcwd()}"}
    )
    assert done.returncode == 2
    assert "this is a bug in the trainer" in done.stderr
