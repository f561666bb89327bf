"""Labelled records -> what a SavedModel answers, from their raw bytes on."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainer import errors
from trainer.data import examples, labels
from trainer.serving.predictor import Prediction, Predictor, Undecodable
from trainer.serving.scores import Scores


class Answers(NamedTuple):
    """Some records, and what the model says of them.

    Attributes:
        num_read: Records that were read, bad ones included.
        records: int64 [batch], their numbers in the split's index.
        encoded: Their pictures' files.
        labels: int64 [batch], true classes from 0.
        predicted: int64 [batch], the classes that are answered.
        probabilities: float32 [batch, num_classes], 0..1; [0, 0] of no record.
    """

    num_read: int
    records: np.ndarray
    encoded: Sequence[bytes]
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray

    def add_to(self, scores: Scores) -> None:
        """Counts them."""
        scores.add(self.labels, self.predicted, self.probabilities)


def answer_records(
    predictor: Predictor,
    split: labels.Split,
    records: np.ndarray,
    *,
    label_offset: int,
    batch_size: int,
) -> Iterator[Answers]:
    """Asks the model about records, batch by batch.

    Bad records are left out, also those that turn out to be: the split takes them.

    Args:
        predictor: The model.
        split: The records, with labels in range.
        records: int64 [records], numbers of those to ask about.
        label_offset: Label of the first class.
        batch_size: Records in a batch.

    Yields:
        The answers of each batch.

    Raises:
        DataError: If too many are bad by now.
        ConfigError: If memory ran out.
    """
    for start in range(0, len(records), batch_size):
        batch = records[start : start + batch_size]
        answered = _answer(predictor, split, _read(split, batch))
        yield _gather(split, answered, len(batch), label_offset)


def _read(split: labels.Split, records: np.ndarray) -> dict[int, bytes]:
    """Pictures of the good ones, by record."""
    serialized = {}
    for record in split.bad.keep_good(records.tolist()):
        try:
            serialized[record] = split.index.read(record)
        except errors.DamagedError as damage:
            split.bad.add(record, damage.reason)
    if not serialized:
        return {}
    encoded, _ = examples.parse_batch(tf.constant(list(serialized.values())))
    return dict(zip(serialized, encoded.numpy().tolist(), strict=True))


def _answer(
    predictor: Predictor, split: labels.Split, encoded: dict[int, bytes]
) -> dict[int, tuple[bytes, Prediction]]:
    """Pictures with their predictions, by record; of those that decode."""
    try:
        predictions = predictor.predict(list(encoded.values()))
    except tf.errors.ResourceExhaustedError as error:
        raise errors.ConfigError(
            f"Out of memory with {len(encoded)} pictures at once; lower --batch_size."
        ) from error
    answered = {}
    for (record, picture), found in zip(encoded.items(), predictions, strict=True):
        if isinstance(found, Undecodable):
            split.bad.add(record, found.reason)
        else:
            answered[record] = (picture, found)
    return answered


def _gather(
    split: labels.Split,
    answered: dict[int, tuple[bytes, Prediction]],
    num_read: int,
    label_offset: int,
) -> Answers:
    records = np.array(list(answered), np.int64)
    rows = [found.probabilities for _, found in answered.values()]
    return Answers(
        num_read,
        records,
        [picture for picture, _ in answered.values()],
        split.labels[records] - label_offset,
        np.array([found.class_index for _, found in answered.values()], np.int64),
        np.stack(rows) if rows else np.zeros([0, 0], np.float32),
    )
