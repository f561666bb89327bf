import concurrent.futures
import contextlib
import gzip

import pytest
import tensorflow as tf

from tests import pictures
from trainer import errors
from trainer.data import tfrecord

RECORDS = [b"first", b"", b"x" * 5000]


def write(tmp_path, name="train-0.tfrecord", records=RECORDS):
    return pictures.write_records(tmp_path / name, records)


def damage(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)
        file.seek(position)
        file.write(bytes([byte[0] ^ 1]))


def test_records_are_those_that_tensorflow_reads(tmp_path):
    paths = [write(tmp_path, "a"), write(tmp_path, "b", [b"last"])]
    index = tfrecord.index_files(paths)
    expected = [record.numpy() for record in tf.data.TFRecordDataset(paths)]
    assert [index.read(record) for record in range(len(index))] == expected


def test_a_record_is_named_by_file_and_position(tmp_path):
    paths = [write(tmp_path, "a"), write(tmp_path, "b")]
    index = tfrecord.index_files(paths)
    assert index.describe(0) == f"{paths[0]}, record 0"
    assert index.describe(4) == f"{paths[1]}, record 1"


def test_threads_may_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord, "MAX_OPEN_FILES", 2)
    paths = [write(tmp_path, str(n), [str(n).encode()] * 9) for n in range(5)]
    index = tfrecord.index_files(paths)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        read = list(pool.map(index.read, range(len(index))))
    assert read == [str(record // 9).encode() for record in range(45)]


def test_an_empty_file_is_named(tmp_path):
    path = write(tmp_path, records=[])
    with pytest.raises(errors.DataError, match=f"{path} is empty, expected TFRecord"):
        tfrecord.index_files([path])


@pytest.mark.parametrize("num_bytes_lost", [1, 5000, 5010])
def test_a_truncated_file_is_named_with_the_record(tmp_path, num_bytes_lost):
    path = write(tmp_path)
    with open(path, "r+b") as file:
        file.truncate(file.seek(0, 2) - num_bytes_lost)
    with pytest.raises(errors.DataError, match="is truncated: record 2 goes beyond"):
        tfrecord.index_files([path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pictures.encode(pictures.draw()), "is a JPEG picture, expected a TFRecord"),
        (pictures.encode(pictures.draw(), "png"), "is a PNG picture"),
        (b"GIF89a" + bytes(20), "is a GIF picture"),
        (
            gzip.compress(b"data" * 9),
            "is gzip-compressed, expected a TFRecord file; un",
        ),
        (b"PK\x03\x04" + bytes(20), "is a zip archive"),
        (b"path,label\n" * 9, "is no TFRecord file: it starts with b'path,lab'"),
    ],
    ids=["jpeg", "png", "gif", "gzip", "zip", "csv"],
)
def test_another_kind_of_file_is_recognised(tmp_path, content, message):
    path = tmp_path / "train-0"
    path.write_bytes(content)
    with pytest.raises(errors.DataError, match=message):
        tfrecord.index_files([str(path)])


def test_a_damaged_length_costs_the_rest_of_its_shard_only(tmp_path):
    damaged, whole = write(tmp_path, "a"), write(tmp_path, "b")
    damage(damaged, 16 + len(b"first"))
    index = tfrecord.index_files([damaged, whole])
    assert [index.read(record) for record in range(len(index))] == [b"first", *RECORDS]
    assert index.lost == [tfrecord.LostRest(damaged, 1, 21, 16 + 16 + 5000)]
    assert str(index.lost[0]).startswith(
        f"{damaged} is damaged at byte 21: the length of record 1 does not fit its "
        "checksum, so the 5032 bytes from there on can't be read"
    )


def test_a_record_is_located_by_file_number_and_byte(tmp_path):
    paths = [write(tmp_path, "a"), write(tmp_path, "b")]
    index = tfrecord.index_files(paths)
    assert index.locate(4) == (paths[1], 1, 12 + len(b"first") + 4 + 12)
    assert index.num_bytes == 2 * sum(map(len, RECORDS))


def test_an_index_takes_few_bytes_a_record(tmp_path):
    index = tfrecord.index_files([write(tmp_path, "a", [b"x"] * 1000)])
    assert 0 < index.num_index_bytes < 64 * 1000


def test_files_may_be_copies_of_what_is_named(tmp_path):
    copy = write(tmp_path, "copy")

    def resolve(_):
        return contextlib.nullcontext(copy)

    index = tfrecord.RecordIndex(resolve)
    found = tfrecord.index_file("gs://bucket/a", resolve)
    assert index.add("gs://bucket/a", found) == range(3)
    assert index.read(0) == b"first"
    assert index.describe(2) == "gs://bucket/a, record 2"
    (tmp_path / "copy").unlink()
    assert index.read(2) == RECORDS[2]
    index.close("gs://bucket/a")
    with pytest.raises(errors.DataError, match="gs://bucket/a, record 2 can't be read"):
        index.read(2)


def test_damaged_data_is_found_when_it_is_read(tmp_path):
    path = write(tmp_path)
    damage(path, 12)
    index = tfrecord.index_files([path])
    assert index.read(2) == RECORDS[2]
    with pytest.raises(errors.DataError, match=f"{path}, record 0 is damaged: its che"):
        index.read(0)


def test_a_file_that_vanished_is_named(tmp_path):
    path = write(tmp_path)
    index = tfrecord.index_files([path])
    (tmp_path / "train-0.tfrecord").unlink()
    with pytest.raises(errors.DataError, match=r"record 0 can't be read .No such file"):
        index.read(0)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(errors.StorageError, match="can't be read"):
        tfrecord.index_files([str(tmp_path)])
