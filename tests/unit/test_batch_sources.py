import base64
import gzip
import json

import pytest

from tests import pictures
from trainer import errors
from trainer.data import tfrecord
from trainer.serving import batch_sources
from trainer.serving.batch_sources import Asked

JPEGS = [pictures.encode(pictures.draw(seed=seed)) for seed in range(3)]


def build_instance(encoded, key):
    text = base64.b64encode(encoded).decode()
    return json.dumps({"image_bytes": {"b64": text}, "key": key})


def read(path, data_format):
    """What is in a file, and how much was said to come."""
    counts = []
    asked = list(batch_sources.read([str(path)], data_format, counts.append))
    return asked, sum(counts)


@pytest.mark.parametrize("data_format", ["JSON", "TEXT"])
def test_a_line_is_an_instance_or_says_why_not(tmp_path, data_format):
    path = tmp_path / "a.jsonl"
    lines = [build_instance(JPEGS[0], "first"), "", "no JSON", '{"key": "x"}']
    path.write_text("\n".join([*lines, build_instance(JPEGS[1], "last")]))
    asked, count = read(path, data_format)
    assert count == len(asked) == 4
    assert asked[0] == Asked(f"{path} line 1", "first", JPEGS[0])
    assert asked[1].where == f"{path} line 3"
    assert asked[1].reason.startswith("expected JSON such as")
    assert asked[2].key == "x"
    assert asked[2].reason.endswith("found no 'image_bytes'.")
    assert asked[3] == Asked(f"{path} line 5", "last", JPEGS[1])


RECORDS = [
    pictures.example(JPEGS[0], 1),
    build_instance(JPEGS[1], "own key").encode(),
    JPEGS[2],
    b"\n\x00",
    b"\nno example",
]


def assert_records(path, data_format):
    asked, count = read(path, data_format)
    names = [f"{path}, record {number}" for number in range(5)]
    assert count == 5
    assert [one.where for one in asked] == names
    assert asked[:3] == [
        Asked(names[0], names[0], JPEGS[0]),
        Asked(names[1], "own key", JPEGS[1]),
        Asked(names[2], names[2], JPEGS[2]),
    ]
    assert asked[3].reason.startswith("lacks image/encoded, expected the bytes of one")
    assert asked[4].reason == "is no tf.train.Example."


def test_a_record_is_an_example_or_an_instance_or_a_picture(tmp_path):
    path = pictures.write_records(tmp_path / "a.tfrecord", RECORDS)
    assert_records(path, "TF_RECORD")


def test_packed_records_are_unpacked(tmp_path):
    path = pictures.write_records(tmp_path / "a.tfrecord", RECORDS)
    with open(path, "rb") as file:
        (tmp_path / "a.gz").write_bytes(gzip.compress(file.read()))
    assert_records(tmp_path / "a.gz", "TF_RECORD_GZIP")


def test_files_of_another_kind_are_one_error_each(tmp_path):
    path = pictures.write_records(tmp_path / "a.tfrecord", RECORDS)
    (one,), _ = read(path, "TF_RECORD_GZIP")
    assert one.reason.startswith("expected a GZIP file, found none (Not a gzipped")
    (tmp_path / "a.jpg").write_bytes(JPEGS[0])
    (one,), _ = read(tmp_path / "a.jpg", "TF_RECORD")
    assert one.where == str(tmp_path / "a.jpg")
    assert one.reason.startswith("is a JPEG picture, expected a TFRecord file")


def test_a_damaged_record_costs_itself_and_a_damaged_length_the_rest(tmp_path):
    framed = [tfrecord.frame(pictures.example(one, 1)) for one in JPEGS]
    damaged = framed[1][:-10] + b"?" + framed[1][-9:]
    (tmp_path / "a").write_bytes(framed[0] + damaged + b"????" + framed[2][4:])
    asked, _ = read(tmp_path / "a", "TF_RECORD")
    assert [bool(one.reason) for one in asked] == [False, True, True]
    assert asked[1].reason.startswith("is damaged: its checksum does not fit")
    assert asked[2].where == str(tmp_path / "a")
    assert asked[2].reason.startswith("is damaged at byte")


def test_pictures_have_their_path_as_key(tmp_path):
    (tmp_path / "a.png").write_bytes(pictures.encode(pictures.draw(), "png"))
    paths = [str(tmp_path / "a.png"), str(tmp_path / "absent.png")]
    counts = []
    first, second = batch_sources.read(paths, "IMAGES", counts.append)
    assert counts == [2]
    assert (first.where, first.key, first.reason) == (paths[0], paths[0], "")
    assert first.encoded.startswith(b"\xff\xd8")
    assert second.reason == "expected a picture, found no file; check the path"


def test_a_bucket_that_refuses_stops_the_batch(bucket):
    bucket.write("a.jsonl", "{}")
    bucket.fail(403, path="a.jsonl", method="GET", count=9)
    with pytest.raises(errors.StorageError, match="access is denied"):
        read(f"{bucket.url}/a.jsonl", "JSON")


def test_a_file_that_is_gone_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    with pytest.raises(
        errors.StorageError, match=f"^{path} can't be read \\(No such fi"
    ):
        read(path, "JSON")
