"""Serialized tf.train.Examples -> the two features that training reads.

Source: docs/contract.md, "Reader".
"""

from typing import Any

import tensorflow as tf
from google.protobuf import message

from trainer import errors

ENCODED = "image/encoded"
LABEL = "image/class/label"


def parse_label(serialized: bytes, where: str) -> int:
    """Checks one record and takes its label.

    Args:
        serialized: A tf.train.Example.
        where: Names the record, for messages.

    Raises:
        DataError: If it is no Example, or lacks the picture or the label.
    """
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except message.DecodeError as error:
        raise errors.DataError(
            f"{where} is no tf.train.Example; write the files with task.py convert."
        ) from error
    pictures = features[ENCODED].bytes_list.value if ENCODED in features else []
    if len(pictures) != 1 or not pictures[0]:
        raise _missing(where, ENCODED, "the bytes of one picture", features)
    labels = features[LABEL].int64_list.value if LABEL in features else []
    if len(labels) != 1:
        raise _missing(where, LABEL, "one integer", features)
    return int(labels[0])


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


def _missing(where: str, name: str, expected: str, features: Any) -> errors.DataError:
    found = ", ".join(sorted(features)) or "no features"
    return errors.DataError(
        f"{where} lacks {name}, expected {expected}, found {found}; write the files "
        "with task.py convert."
    )
