"""Records -> batches. The whole state of the input is one number, the step.

The order of an epoch is a permutation computed from the epoch's number and the seed;
an example's random crop and flip follow from its position. So any step's batch can be
made without making those before it: a resumed job sees what it would have seen.
"""

import collections
from typing import Any

import numpy as np
import tensorflow as tf

from trainer import errors
from trainer.data import examples, images, tfrecord

# Records that one call into Python reads; a call a record is five times slower.
READ_BATCH = 64
# Calls to look back at for the record that did not decode: more than are in flight.
REMEMBERED_READS = 256
PREFETCHED_BATCHES = 2
# Of the cipher that permutes; TensorFlow's own default.
SHUFFLE_ROUNDS = 4


class ExampleSource:
    """The records of a split whose labels were checked."""

    def __init__(self, index: tfrecord.RecordIndex, label_offset: int) -> None:
        """Opens nothing.

        Args:
            index: The records.
            label_offset: Label of the first class.
        """
        self.index = index
        self.label_offset = label_offset
        self.read_error: errors.DataError | None = None
        self.recent_reads: collections.deque[np.ndarray] = collections.deque(
            maxlen=REMEMBERED_READS
        )

    def read_batch(self, records: Any) -> tuple[Any, Any]:
        """Reads records in a graph.

        Args:
            records: int64 [batch].

        Returns:
            Encoded pictures, string [batch], and classes from 0, int32 [batch].
        """
        serialized = tf.numpy_function(self._read, [records], tf.string, stateful=False)
        encoded, labels = examples.parse_batch(tf.ensure_shape(serialized, [None]))
        return encoded, tf.cast(labels - self.label_offset, tf.int32)

    def _read(self, records: np.ndarray) -> np.ndarray:
        self.recent_reads.append(records)
        try:
            return np.array([self.index.read(record) for record in records], object)
        except errors.DataError as error:
            # TensorFlow passes on the text of an error, not the error.
            self.read_error = error
            raise


def training_batches(
    source: ExampleSource,
    *,
    image_size: int,
    batch_size: int,
    seed: int,
    start_step: int,
) -> tf.data.Dataset:
    """Endless batches of random crops, each epoch in another order.

    Args:
        source: The records.
        image_size: Side in pixels.
        batch_size: Examples a step; may be more than there are.
        seed: Seed of order, crops and flips.
        start_step: Step of the first batch.

    Returns:
        Dataset of (float32 [batch_size, image_size, image_size, 3], 0..255, int32
        [batch_size], classes from 0).
    """

    def read(start: Any) -> Any:
        positions = start + tf.range(READ_BATCH, dtype=tf.int64)
        records = _permute(positions, len(source.index), seed)
        return (*source.read_batch(records), positions)

    def decode(encoded: Any, label: Any, position: Any) -> Any:
        example_seed = tf.stack([tf.constant(seed, tf.int64), position])
        pixels = images.decode_for_training(
            encoded, example_seed, image_size=image_size
        )
        return pixels, label

    return (
        tf.data.Dataset.counter(start_step * batch_size, READ_BATCH)
        .map(read, num_parallel_calls=1)
        .unbatch()
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size, drop_remainder=True)
        .prefetch(PREFETCHED_BATCHES)
    )


def _permute(positions: Any, num_records: int, seed: int) -> Any:
    """The record at each position of the endless sequence of epochs."""
    epochs = positions // num_records
    seeds = tf.stack([epochs, tf.fill(tf.shape(epochs), tf.constant(seed, tf.int64))])
    # tf.random.experimental.index_shuffle takes one seed for all indices only.
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % num_records,
        seed=tf.pad(tf.transpose(seeds), [[0, 0], [0, 1]]),
        max_index=tf.constant(num_records - 1, tf.int64),
        rounds=SHUFFLE_ROUNDS,
    )


def evaluation_batches(
    source: ExampleSource, *, image_size: int, batch_size: int, num_images: int
) -> tf.data.Dataset:
    """All records once, or evenly spaced ones, in batches of one size.

    Args:
        source: The records.
        image_size: Side in pixels.
        batch_size: Examples a batch.
        num_images: Records to take; 0, or more than there are, takes all.

    Returns:
        Dataset of (float32 [batch_size, image_size, image_size, 3], 0..255, int32
        [batch_size], classes from 0, float32 [batch_size], 1 or 0 for padding).
    """
    num_records = len(source.index)
    count = min(num_images, num_records) or num_records
    num_padded = -(-count // batch_size) * batch_size
    # Padding repeats the last record, so that every batch has one shape.
    slots = np.minimum(np.arange(num_padded), count - 1)
    records = slots * num_records // count
    weights = (np.arange(num_padded) < count).astype(np.float32)

    def read(records: Any, weights: Any) -> Any:
        return (*source.read_batch(records), weights)

    def decode(encoded: Any, label: Any, weight: Any) -> Any:
        pixels = images.decode_for_evaluation(encoded, image_size=image_size)
        return pixels, label, weight

    return (
        tf.data.Dataset.from_tensor_slices((records, weights))
        .batch(READ_BATCH)
        .map(read, num_parallel_calls=1)
        .unbatch()
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size, drop_remainder=True)
        .prefetch(PREFETCHED_BATCHES)
    )


def explain_failure(
    source: ExampleSource, error: tf.errors.OpError
) -> errors.DataError | None:
    """Finds the record that an error of a batch came from.

    Args:
        source: The records that the batch was read from.
        error: What TensorFlow raised.

    Returns:
        What to tell the user; None if the data is not to blame.
    """
    if source.read_error is not None:
        return source.read_error
    if not isinstance(error, tf.errors.InvalidArgumentError):
        return None
    for records in reversed(source.recent_reads):
        for record in records:
            problem = _describe_undecodable(source.index, int(record))
            if problem is not None:
                return problem
    return None


def _describe_undecodable(
    index: tfrecord.RecordIndex, record: int
) -> errors.DataError | None:
    encoded, _ = examples.parse_batch(tf.constant([index.read(record)]))
    try:
        images.decode_for_evaluation(encoded[0], image_size=32)
    except tf.errors.InvalidArgumentError as error:
        reason = error.message.splitlines()[0].split(" [Op:")[0]
        return errors.DataError(
            f"image/encoded in {index.describe(record)} does not decode ({reason}); "
            "expected a JPEG, PNG, GIF or BMP picture. Leave the record out, or "
            "convert the pictures again."
        )
    return None
