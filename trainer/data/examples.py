"""Serialized tf.train.Examples -> the two features that training reads.

Source: docs/contract.md, "Reader".
"""

from typing import Any

import tensorflow as tf
from google.protobuf import message

from trainer import errors

ENCODED = "image/encoded"
LABEL = "image/class/label"

# A record that is no tf.Example at all: damaged, or of another kind.
# What most networks' normalisation brings near zero: ImageNet's, in whole grey levels.
MEAN_COLOUR = (124, 116, 104)
BROKEN = "is no tf.train.Example"


def parse_label(serialized: bytes, where: str) -> int | None:
    """Checks one record and takes its label.

    Args:
        serialized: What should be a tf.train.Example.
        where: Names the record, for messages.

    Returns:
        The label; None if this is no tf.train.Example.

    Raises:
        DataError: If it is one, but lacks the picture or the label.
    """
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except message.DecodeError:
        return None
    _take_picture(features, where)
    labels = features[LABEL].int64_list.value if LABEL in features else []
    if len(labels) != 1:
        raise _missing(where, LABEL, "one integer", features)
    return int(labels[0])


def parse_picture(serialized: bytes, where: str) -> bytes:
    """Takes the encoded picture of one record, which needs no label.

    Args:
        serialized: What should be a tf.train.Example.
        where: Names the record, for messages.

    Raises:
        DataError: If it is none, or lacks the picture.
    """
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except message.DecodeError as error:
        raise errors.DataError(f"{where} {BROKEN}.") from error
    return _take_picture(features, where)


def parse_labels(serialized: list[bytes]) -> list[int] | None:
    """Takes the labels of many records at once.

    Returns:
        One label a record, or None if `parse_label` would object to one of them.
    """
    try:
        # The type is said for a list without a record.
        encoded, labels = parse_batch(tf.constant(serialized, tf.string))
    # TensorFlow puts the record into its message, which need not be text.
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError):
        return None
    if not tf.reduce_all(tf.not_equal(encoded, b"")):
        return None
    return list(labels.numpy().tolist())


def build_placeholder(label: int) -> bytes:
    """What stands in for a bad record, with weight 0: one pixel of the mean colour."""
    pixel = tf.constant([[MEAN_COLOUR]], tf.uint8)
    encoded = tf.io.encode_png(pixel).numpy()
    features = {
        ENCODED: tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded])),
        LABEL: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    serialized: bytes = example.SerializeToString()
    return serialized


def parse_batch(serialized: Any) -> tuple[Any, Any]:
    """Parses records that `parse_label` has checked.

    Args:
        serialized: string [batch].

    Returns:
        Encoded pictures, string [batch], and labels as in the data, int64 [batch].
    """
    features = tf.io.parse_example(
        serialized,
        {
            ENCODED: tf.io.FixedLenFeature([], tf.string),
            LABEL: tf.io.FixedLenFeature([], tf.int64),
        },
    )
    return features[ENCODED], features[LABEL]


def _take_picture(features: Any, where: str) -> bytes:
    pictures = features[ENCODED].bytes_list.value if ENCODED in features else []
    if len(pictures) != 1 or not pictures[0]:
        raise _missing(where, ENCODED, "the bytes of one picture", features)
    encoded: bytes = pictures[0]
    return encoded


def _missing(where: str, name: str, expected: str, features: Any) -> errors.DataError:
    found = ", ".join(sorted(features)) or "no features"
    return errors.DataError(
        f"{where} lacks {name}, expected {expected}, found {found}; write the files "
        "with task.py convert."
    )
