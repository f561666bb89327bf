import pytest
import tensorflow as tf

from trainer.data import example_bytes


@pytest.mark.parametrize(
    "features",
    [
        {"b": b"text", "a": 1},
        {"empty": b"", "zero": 0},
        {"длинное имя" * 20: b"\xff" * 70_000, "number": 2**40},
    ],
    ids=["sorted", "nothing", "long"],
)
def test_bytes_are_those_of_tensorflow(features):
    expected = tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                if isinstance(value, bytes)
                else tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
                for name, value in features.items()
            }
        )
    )
    found = example_bytes.encode_example(features)
    assert found == expected.SerializeToString(deterministic=True)
