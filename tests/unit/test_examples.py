import pytest
import tensorflow as tf

from tests import pictures
from trainer import errors
from trainer.data import examples, images


def serialize(**features):
    named = {name.replace("_", "/"): value for name, value in features.items()}
    message = tf.train.Example(features=tf.train.Features(feature=named))
    return message.SerializeToString()


def integers(*values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def strings(*values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def test_the_label_is_taken_as_it_is():
    assert examples.parse_label(pictures.example(b"jpeg", 7), "here") == 7


@pytest.mark.parametrize(
    ("serialized", "message"),
    [
        (b"", "lacks image/encoded, expected the bytes of one picture, found no fe"),
        (
            serialize(image_class_label=integers(1)),
            "lacks image/encoded, .* found image/class/label",
        ),
        (
            serialize(image_encoded=strings(b""), image_class_label=integers(1)),
            "lacks image/encoded",
        ),
        (
            serialize(image_encoded=strings(b"jpeg")),
            "lacks image/class/label, expected one integer, found image/encoded",
        ),
        (
            serialize(image_encoded=strings(b"j"), image_class_label=strings(b"1")),
            "lacks image/class/label, expected one integer",
        ),
        (
            serialize(image_encoded=strings(b"j"), image_class_label=integers(1, 2)),
            "lacks image/class/label, expected one integer",
        ),
    ],
    ids=[
        "empty example",
        "no picture",
        "empty picture",
        "no label",
        "label is text",
        "two labels",
    ],
)
def test_a_missing_feature_is_named(serialized, message):
    with pytest.raises(errors.DataError, match=message):
        examples.parse_label(serialized, "shard, record 3")


def test_what_is_no_example_has_no_label():
    assert examples.parse_label(b"\xff\xff", "here") is None


def test_labels_of_many_records_are_those_of_each():
    records = [pictures.example(b"a", 1), pictures.example(b"b", 5)]
    assert examples.parse_labels(records) == [1, 5]
    # All records of a file may be damaged.
    assert examples.parse_labels([]) == []


@pytest.mark.parametrize(
    "wrong",
    [
        b"\xff\xff",
        b"",
        pictures.example(b"", 1),
        serialize(image_encoded=strings(b"j")),
    ],
    ids=["no example", "empty example", "empty picture", "no label"],
)
def test_labels_of_many_records_are_refused_if_one_is_wrong(wrong):
    assert examples.parse_labels([pictures.example(b"a", 1), wrong]) is None


def test_the_placeholder_of_a_bad_record_is_a_picture_of_the_mean():
    encoded, labels = examples.parse_batch(tf.constant([examples.build_placeholder(1)]))
    pixels = images.decode_for_evaluation(encoded[0], image_size=32)
    assert pixels.numpy()[0, 0].tolist() == [124, 116, 104]
    assert labels.numpy().tolist() == [1]


def test_a_batch_has_pictures_and_labels():
    batch = [pictures.example(b"a", 1), pictures.example(b"b", 5)]
    encoded, labels = examples.parse_batch(tf.constant(batch))
    assert encoded.numpy().tolist() == [b"a", b"b"]
    assert labels.numpy().tolist() == [1, 5]


def test_a_picture_needs_no_label():
    features = {
        examples.ENCODED: tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x"]))
    }
    one = tf.train.Example(features=tf.train.Features(feature=features))
    assert examples.parse_picture(one.SerializeToString(), "a, record 0") == b"x"
    with pytest.raises(errors.DataError, match=r"^a, record 0 lacks image/encoded"):
        examples.parse_picture(tf.train.Example().SerializeToString(), "a, record 0")
    with pytest.raises(errors.DataError, match=r"^a, record 0 is no tf.train.Example"):
        examples.parse_picture(b"\xff", "a, record 0")
