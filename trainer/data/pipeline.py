"""Records -> batches. The whole state of the input is one number, the step.

The order of an epoch is a permutation computed from the epoch's number and the seed;
an example's random crop and flip follow from its position. So any step's batch can be
made without making those before it: a resumed job sees what it would have seen.

A bad record keeps its position, with weight 0. One that turns out not to decode fails
its batch; `mark_undecodable` finds it, and the input is opened again at that batch.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from trainer import errors
from trainer.data import examples, images, tfrecord
from trainer.data.bad_records import BadRecords

# Records that one call into Python reads; a call a record is five times slower.
READ_BATCH = 64
PREFETCHED_BATCHES = 2
# Of the cipher that permutes; TensorFlow's own default.
SHUFFLE_ROUNDS = 4


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
        self.read_error: errors.DataError | None = None
        self._placeholder = examples.build_placeholder(label_offset)

    def read_batch(self, records: Any) -> tuple[Any, Any, Any]:
        """Reads records in a graph.

        Args:
            records: int64 [batch].

        Returns:
            Encoded pictures, string [batch]; classes from 0, int32 [batch]; weights,
            float32 [batch]: 0 for bad records, else 1.
        """
        serialized, weights = tf.numpy_function(
            self._read, [records], (tf.string, tf.float32), stateful=False
        )
        encoded, labels = examples.parse_batch(tf.ensure_shape(serialized, [None]))
        classes = tf.cast(labels - self.label_offset, tf.int32)
        return encoded, classes, tf.ensure_shape(weights, [None])

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
                reason = error.message.splitlines()[0].split(" [Op:")[0]
                self.bad.add(
                    record,
                    f"has an image/encoded that does not decode ({reason}), expected "
                    "a JPEG, PNG, GIF or BMP picture",
                )
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
            try:
                self.bad.add(record, damage.reason)
            except errors.DataError as error:
                # TensorFlow passes on the text of an error, not the error.
                self.read_error = error
                raise
            return None


class TrainingInput:
    """Endless batches of random crops, each epoch in another order."""

    def __init__(
        self, source: ExampleSource, *, image_size: int, batch_size: int, seed: int
    ) -> None:
        """Opens nothing.

        Args:
            source: The records.
            image_size: Side in pixels.
            batch_size: Examples a step; may be more than there are.
            seed: Seed of order, crops and flips.
        """
        self._source = source
        self._image_size = image_size
        self._batch_size = batch_size
        self._seed = seed

    def open(self, step: int) -> tf.data.Dataset:
        """The batches from a step on.

        Returns:
            Dataset of (float32 [batch_size, image_size, image_size, 3], 0..255, int32
            [batch_size], classes from 0, float32 [batch_size], 0 for bad records and
            else 1).
        """
        return (
            tf.data.Dataset.counter(step * self._batch_size, READ_BATCH)
            .map(self._read, num_parallel_calls=1)
            .unbatch()
            .map(self._decode, num_parallel_calls=tf.data.AUTOTUNE)
            .batch(self._batch_size, drop_remainder=True)
            .prefetch(PREFETCHED_BATCHES)
        )

    def mark_undecodable(self, step: int) -> bool:
        """Finds what made the batch of a step fail; see ExampleSource."""
        start = step * self._batch_size
        positions = tf.range(start, start + self._batch_size, dtype=tf.int64)

        def decode(encoded: Any, offset: int) -> Any:
            return self._decode_image(encoded, positions[offset])

        records = self._permute(positions).numpy().tolist()
        return self._source.mark_undecodable(records, decode)

    def _read(self, start: Any) -> Any:
        positions = start + tf.range(READ_BATCH, dtype=tf.int64)
        return (*self._source.read_batch(self._permute(positions)), positions)

    def _permute(self, positions: Any) -> Any:
        return permute(positions, len(self._source.index), self._seed)

    def _decode(self, encoded: Any, label: Any, weight: Any, position: Any) -> Any:
        return self._decode_image(encoded, position), label, weight

    def _decode_image(self, encoded: Any, position: Any) -> Any:
        seed = tf.stack([tf.constant(self._seed, tf.int64), position])
        return images.decode_for_training(encoded, seed, image_size=self._image_size)


def permute(positions: Any, num_records: int, seed: int) -> Any:
    """The record at each position of the endless sequence of epochs.

    Args:
        positions: int64 [batch], from 0.
        num_records: Records of an epoch; each one is there once.
        seed: Seed of the order.

    Returns:
        int64 [batch].
    """
    epochs = positions // num_records
    seeds = tf.stack([epochs, tf.fill(tf.shape(epochs), tf.constant(seed, tf.int64))])
    # tf.random.experimental.index_shuffle takes one seed for all indices only.
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % num_records,
        seed=tf.pad(tf.transpose(seeds), [[0, 0], [0, 1]]),
        max_index=tf.constant(num_records - 1, tf.int64),
        rounds=SHUFFLE_ROUNDS,
    )


class EvaluationInput:
    """All records once, or evenly spaced ones, in batches of one size."""

    def __init__(
        self,
        source: ExampleSource,
        *,
        image_size: int,
        batch_size: int,
        num_images: int,
    ) -> None:
        """Decides which records are in which batch.

        Args:
            source: The records.
            image_size: Side in pixels.
            batch_size: Examples a batch.
            num_images: Records to take; 0, or more than there are, takes all.
        """
        self._source = source
        self._image_size = image_size
        self._batch_size = batch_size
        num_records = len(source.index)
        count = min(num_images, num_records) or num_records
        self.num_batches = -(-count // batch_size)
        slots = np.arange(self.num_batches * batch_size)
        # Padding repeats the last record, so that every batch has one shape.
        self._records = np.minimum(slots, count - 1) * num_records // count
        self._weights = (slots < count).astype(np.float32)

    def open(self, batch: int) -> tf.data.Dataset:
        """The batches from a number on.

        Returns:
            Dataset of (float32 [batch_size, image_size, image_size, 3], 0..255, int32
            [batch_size], classes from 0, float32 [batch_size], 1, or 0 for padding and
            bad records).
        """
        start = batch * self._batch_size
        slots = (self._records[start:], self._weights[start:])
        return (
            tf.data.Dataset.from_tensor_slices(slots)
            .batch(READ_BATCH)
            .map(self._read, num_parallel_calls=1)
            .unbatch()
            .map(self._decode, num_parallel_calls=tf.data.AUTOTUNE)
            .batch(self._batch_size, drop_remainder=True)
            .prefetch(PREFETCHED_BATCHES)
        )

    def mark_undecodable(self, batch: int) -> bool:
        """Finds what made a batch fail; see ExampleSource."""
        start = batch * self._batch_size
        records = self._records[start : start + self._batch_size].tolist()
        return self._source.mark_undecodable(records, self._decode_image)

    def _read(self, records: Any, weights: Any) -> Any:
        encoded, labels, good = self._source.read_batch(records)
        return encoded, labels, weights * good

    def _decode(self, encoded: Any, label: Any, weight: Any) -> Any:
        return self._decode_image(encoded), label, weight

    def _decode_image(self, encoded: Any, _: int = 0) -> Any:
        return images.decode_for_evaluation(encoded, image_size=self._image_size)
