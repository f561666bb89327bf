"""Whatever a TFRecord file holds, its good records are read and the others counted."""

import hypothesis
import pytest
import tensorflow as tf

from tests import mutations, pictures
from trainer import errors
from trainer.data import (
    bad_records,
    example_bytes,
    examples,
    record_reader,
    shard_content,
    tfrecord,
)

EXAMPLES = [
    pictures.example(pictures.encode(pictures.draw_class(label, 3, side=8)), label + 1)
    for label in range(3)
]
FILE = b"".join(map(tfrecord.frame, EXAMPLES))
SMALL = [
    example_bytes.encode_example({examples.ENCODED: b"picture", examples.LABEL: label})
    for label in (0, 1, 300, -1)
]


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("records") / "data.tfrecord"


@hypothesis.given(mutations.damaged([FILE, tfrecord.frame(b"")]))
@mutations.in_time
def test_framing(path, content):
    path.write_bytes(content)
    try:
        index = tfrecord.index_files([str(path)])
    except errors.DataError as error:
        assert str(path) in str(error)
        return
    assert index.num_bytes <= len(content)
    for record in range(len(index)):
        try:
            assert tfrecord.frame(index.read(record)) in content
        except errors.DamagedError as error:
            assert str(path) in str(error)


@hypothesis.given(mutations.damaged([FILE]))
@mutations.in_time
def test_files_as_jobs_and_inspect_read_them(path, content):
    path.write_bytes(content)
    try:
        found = shard_content.read_shard(str(path))
    except errors.DataError as error:
        assert str(path) in str(error)
        return
    index = tfrecord.RecordIndex()
    index.add(str(path), found.shard)
    bad = bad_records.BadRecords(index, max_bad_records=int, flag="training_data_path")
    for record, reason in found.bad.items():
        bad.add(record, reason)
    assert len(bad) == (found.labels == shard_content.NO_LABEL).sum()
    record_reader.close_files()
    chunk = record_reader.read_chunk(str(path), str(path), 0, max(len(index), 1))
    assert len(chunk.records) == max(len(index), 1)


@hypothesis.given(mutations.damaged(SMALL))
@mutations.in_time
def test_an_example_that_passes_is_parsed_alike_in_the_graph(serialized):
    try:
        label = examples.parse_label(serialized, "record 1")
        picture = examples.parse_picture(serialized, "record 1")
    except errors.DataError as error:
        assert str(error).startswith("record 1 ")
        return
    fast = examples.parse_labels([serialized])
    assert fast in (None, [label])
    encoded, labels = examples.parse_batch(tf.constant([serialized]))
    assert (encoded.numpy()[0], labels.numpy()[0]) == (picture, label)
