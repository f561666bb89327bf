"""Records of a split by their numbers -> encoded pictures, classes and weights.

A bad record has weight 0, and another picture stands in for its own.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer import errors
from trainer.data import examples, images, tfrecord
from trainer.data.bad_records import BadRecords


class ExampleSource:
    """The records of a split whose labels were checked."""

    def __init__(
        self, index: tfrecord.RecordIndex, bad: BadRecords, label_offset: int
    ) -> None:
        """Opens nothing.

        Args:
            index: The records.
            bad: Those that are skipped; takes what is found bad later.
            label_offset: Label of the first class.
        """
        self.index = index
        self.bad = bad
        self.label_offset = label_offset
        self.read_error: errors.JobError | None = None
        self._placeholder = examples.build_placeholder(label_offset)

    def read_batch(self, records: Any) -> tuple[Any, Any, Any]:
        """Reads records in a graph.

        Args:
            records: int64 [batch].

        Returns:
            Encoded pictures, string [batch]; classes from 0, int32 [batch]; weights,
            float32 [batch]: 0 for bad records, else 1.
        """
        serialized, weights = self._call_python(
            self._read, [records], (tf.string, tf.float32)
        )
        serialized = tf.ensure_shape(serialized, records.shape)
        encoded, labels = examples.parse_batch(serialized)
        classes = tf.cast(labels - self.label_offset, tf.int32)
        return encoded, classes, tf.ensure_shape(weights, records.shape)

    def locate(
        self, function: Callable[[np.ndarray], np.ndarray], positions: Any
    ) -> Any:
        """Asks Python in a graph which records are at some positions.

        Args:
            function: Maps int64 [batch] to int64 [batch].
            positions: int64 [batch].
        """
        records = self._call_python(function, [positions], tf.int64)
        return tf.ensure_shape(records, positions.shape)

    def _call_python(
        self, function: Callable[..., Any], arguments: Sequence[Any], types: Any
    ) -> Any:
        def call(*arrays: np.ndarray) -> Any:
            with self._keeping_error():
                return function(*arrays)

        return tf.numpy_function(call, arguments, types, stateful=False)

    @contextlib.contextmanager
    def _keeping_error(self) -> Iterator[None]:
        """For what TensorFlow calls: of an error it passes on the text only."""
        try:
            yield
        except errors.JobError as error:
            self.read_error = error
            raise

    def mark_undecodable(
        self, records: Iterable[int], decode: Callable[[Any, int], Any]
    ) -> bool:
        """Finds the records that made a batch fail.

        Args:
            records: The records of the batch.
            decode: Decodes (encoded picture, position in the batch) as the batch did.

        Returns:
            Whether there is a bad record that was not known before.

        Raises:
            DataError: If there are too many by now.
        """
        num_known = len(self.bad)
        for position, record in enumerate(records):
            encoded, _, weight = self.read_batch(tf.constant([record], tf.int64))
            if not weight[0]:
                continue
            try:
                decode(encoded[0], position)
            except tf.errors.InvalidArgumentError as error:
                with self._keeping_error():
                    self.bad.add(record, images.describe_failure(error))
        return len(self.bad) > num_known

    def _read(self, records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        read = [self._read_or_none(int(record)) for record in records]
        weights = np.array([data is not None for data in read], np.float32)
        serialized = [self._placeholder if data is None else data for data in read]
        return np.array(serialized, object), weights

    def _read_or_none(self, record: int) -> bytes | None:
        """None if the record is bad."""
        if record in self.bad:
            return None
        try:
            return self.index.read(record)
        except errors.DamagedError as damage:
            self.bad.add(record, damage.reason)
            return None
