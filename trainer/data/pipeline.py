"""Records -> batches. The whole state of the input is one number, the step.

Which record is at a position follows from the position, and so do its random crop and
flip. So any step's batch can be made without making those before it: a resumed job sees
what it would have seen.

A bad record keeps its position, with weight 0. One that turns out not to decode fails
its batch; `mark_undecodable` finds it, and the input is opened again at that batch.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer import environment, errors
from trainer.data import augmentation, examples, images, tfrecord
from trainer.data.bad_records import BadRecords
from trainer.data.order import Order

# Records that one call into Python reads; a call a record is five times slower.
READ_BATCH = 64
PREFETCHED_BATCHES = 2


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
        encoded, labels = examples.parse_batch(tf.ensure_shape(serialized, [None]))
        classes = tf.cast(labels - self.label_offset, tf.int32)
        return encoded, classes, tf.ensure_shape(weights, [None])

    def locate(
        self, function: Callable[[np.ndarray], np.ndarray], positions: Any
    ) -> Any:
        """Asks Python in a graph which records are at some positions.

        Args:
            function: Maps int64 [batch] to int64 [batch].
            positions: int64 [batch].
        """
        records = self._call_python(function, [positions], tf.int64)
        return tf.ensure_shape(records, [None])

    def _call_python(
        self, function: Callable[..., Any], arguments: Sequence[Any], types: Any
    ) -> Any:
        """Keeps the error of a job: TensorFlow passes on its text only."""

        def call(*arrays: np.ndarray) -> Any:
            try:
                return function(*arrays)
            except errors.JobError as error:
                self.read_error = error
                raise

        return tf.numpy_function(call, arguments, types, stateful=False)

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
                self.bad.add(record, images.describe_failure(error))
        return len(self.bad) > num_known

    def skip(self, record: Any) -> tuple[Any, Any, Any]:
        """Counts a record as bad in a graph; what stands in for it, as of `read_batch`.

        Args:
            record: int64 [].
        """

        def add(number: np.ndarray) -> bool:
            self.bad.add(int(number), "holds a picture that does not decode")
            return True

        added = self._call_python(add, [record], tf.bool)
        with tf.control_dependencies([added]):
            encoded, label, weight = self.read_batch(tf.reshape(record, [1]))
        return encoded[0], label[0], weight[0]

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


def _without_autotuning() -> tf.data.Options:
    """Parallel calls are as many as cores, so there is nothing to tune.

    The tuner's thread costs its share of the processor, and may not hear that the
    dataset is closed: CancellationManager calls back before it says that it is
    cancelled. Closing then waits for the tuner's next look, for as long as the dataset
    has been open, up to a minute.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


@dataclasses.dataclass(frozen=True)
class Part:
    """What one process reads of each batch.

    Attributes:
        rows: Of the batch.
        is_shared: Whether other processes read the rest. A batch must not fail then:
            they would wait for it. A picture that does not decode is skipped at once.
    """

    rows: range
    is_shared: bool = False

    def decode(
        self,
        examples: tf.data.Dataset,
        decode: Callable[..., Any],
        source: ExampleSource,
    ) -> tf.data.Dataset:
        """Examples (encoded, label, weight, record, ...) -> `decode` of each, in order.

        Args:
            examples: What was read.
            decode: Takes an example; fails for a picture that does not decode.
            source: Where they are from.
        """
        if not self.is_shared:
            return examples.map(decode, num_parallel_calls=environment.num_cores())

        def decode_or_skip(*example: Any) -> tf.data.Dataset:
            one = tf.data.Dataset.from_tensors(example)
            skipped = one.map(lambda *parts: decode(*_skip(source, *parts)))
            return one.map(decode).ignore_errors().concatenate(skipped).take(1)

        return examples.interleave(
            decode_or_skip,
            cycle_length=READ_BATCH,
            num_parallel_calls=environment.num_cores(),
            deterministic=True,
        )


def _skip(
    source: ExampleSource, _: Any, __: Any, ___: Any, record: Any, *rest: Any
) -> Any:
    """Counts a record as bad; what then stands in for it, in the same form."""
    encoded, label, weight = source.skip(record)
    return (encoded, label, weight, record, *rest)


class TrainingInput:
    """Endless batches of pictures, each at random in another form."""

    def __init__(  # noqa: PLR0913
        self,
        source: ExampleSource,
        order: Order,
        *,
        image_size: int,
        batch_size: int,
        seed: int,
        decode: augmentation.Decode | None = None,
        part: Part | None = None,
    ) -> None:
        """Opens nothing.

        Args:
            source: The records.
            order: Says which record is at which position.
            image_size: Side in pixels.
            batch_size: Examples a step; may be more than there are.
            seed: Seed of all that is random about a picture.
            decode: Of augmentation.build_decoder, for the same size; None is the
                documented crop and flip.
            part: The rows of each batch that this process reads; None for all.
        """
        self._source = source
        self._order = order
        self._decode_picture = decode or augmentation.build_decoder(
            "standard", image_size=image_size
        )
        self._batch_size = batch_size
        self._seed = seed
        self._part = part or Part(range(batch_size))

    @tf.autograph.experimental.do_not_convert
    def open(self, step: int) -> tf.data.Dataset:
        """The batches from a step on.

        Returns:
            Dataset of (float32 [rows, image_size, image_size, 3], 0..255, int32 [rows],
            classes from 0, float32 [rows], 0 for bad records and else 1), with the rows
            of `part`.
        """
        num_rows = len(self._part.rows)
        examples = (
            tf.data.Dataset.counter(step * num_rows, READ_BATCH)
            .map(self._read, num_parallel_calls=1)
            .unbatch()
        )
        return (
            self._part.decode(examples, self._decode, self._source)
            .batch(num_rows, drop_remainder=True)
            .prefetch(PREFETCHED_BATCHES)
            .with_options(_without_autotuning())
        )

    def mark_undecodable(self, step: int) -> bool:
        """Finds what made the batch of a step fail; see ExampleSource."""
        num_rows = len(self._part.rows)
        start = step * num_rows
        positions = self._locate(tf.range(start, start + num_rows, dtype=tf.int64))

        def decode(encoded: Any, offset: int) -> Any:
            return self._decode_image(encoded, positions[offset])

        records = self._order(positions).numpy().tolist()
        return self._source.mark_undecodable(records, decode)

    def _read(self, start: Any) -> Any:
        positions = self._locate(start + tf.range(READ_BATCH, dtype=tf.int64))
        records = self._order(positions)
        return (*self._source.read_batch(records), records, positions)

    def _locate(self, numbers: Any) -> Any:
        """Positions of the examples that this process reads, by their number."""
        rows = self._part.rows
        steps, offsets = numbers // len(rows), numbers % len(rows)
        return steps * self._batch_size + rows.start + offsets

    def _decode(
        self, encoded: Any, label: Any, weight: Any, _: Any, position: Any
    ) -> Any:
        return self._decode_image(encoded, position), label, weight

    def _decode_image(self, encoded: Any, position: Any) -> Any:
        seed = tf.stack([tf.constant(self._seed, tf.int64), position])
        return self._decode_picture(encoded, seed)


def select_records(num_records: int, num_images: int) -> np.ndarray:
    """The records that an evaluation scores.

    Args:
        num_records: Records of the split.
        num_images: How many to take; 0, or more than there are, takes all.

    Returns:
        int64 [images], evenly spaced, rising.
    """
    count = min(num_images, num_records) or num_records
    return np.arange(count) * num_records // count


class EvaluationInput:
    """All records once, or evenly spaced ones, in batches of one size."""

    def __init__(
        self,
        source: ExampleSource,
        *,
        image_size: int,
        batch_size: int,
        num_images: int,
        part: Part | None = None,
    ) -> None:
        """Decides which records are in which batch.

        Args:
            source: The records.
            image_size: Side in pixels.
            batch_size: Examples a batch.
            num_images: Records to take; 0, or more than there are, takes all.
            part: The rows of each batch that this process reads; None for all.
        """
        self._source = source
        self._image_size = image_size
        self._part = part or Part(range(batch_size))
        selected = select_records(len(source.index), num_images)
        count = len(selected)
        self.num_batches = -(-count // batch_size)
        rows = np.asarray(self._part.rows)
        slots = (np.arange(self.num_batches)[:, None] * batch_size + rows).ravel()
        # Padding repeats the last record, so that every batch has one shape.
        self._records = selected[np.minimum(slots, count - 1)]
        self._weights = (slots < count).astype(np.float32)

    @tf.autograph.experimental.do_not_convert
    def open(self, batch: int) -> tf.data.Dataset:
        """The batches from a number on.

        Returns:
            Dataset of (float32 [rows, image_size, image_size, 3], 0..255, int32 [rows],
            classes from 0, float32 [rows], 1, or 0 for padding and bad records), with
            the rows of `part`.
        """
        num_rows = len(self._part.rows)
        start = batch * num_rows
        slots = (self._records[start:], self._weights[start:])
        examples = (
            tf.data.Dataset.from_tensor_slices(slots)
            .batch(READ_BATCH)
            .map(self._read, num_parallel_calls=1)
            .unbatch()
        )
        return (
            self._part.decode(examples, self._decode, self._source)
            .batch(num_rows, drop_remainder=True)
            .prefetch(PREFETCHED_BATCHES)
            .with_options(_without_autotuning())
        )

    def read(self) -> Iterator[Any]:
        """Yields each batch once, also if one has to be read again."""
        num_read = 0
        while num_read < self.num_batches:
            try:
                for batch in self.open(num_read):
                    num_read += 1
                    yield batch
            except tf.errors.InvalidArgumentError:
                if not self.mark_undecodable(num_read):
                    raise

    def mark_undecodable(self, batch: int) -> bool:
        """Finds what made a batch fail; see ExampleSource."""
        num_rows = len(self._part.rows)
        start = batch * num_rows
        records = self._records[start : start + num_rows].tolist()
        return self._source.mark_undecodable(records, self._decode_image)

    def _read(self, records: Any, weights: Any) -> Any:
        encoded, labels, good = self._source.read_batch(records)
        return encoded, labels, weights * good, records

    def _decode(self, encoded: Any, label: Any, weight: Any, _: Any) -> Any:
        return self._decode_image(encoded), label, weight

    def _decode_image(self, encoded: Any, _: int = 0) -> Any:
        return images.decode_for_evaluation(encoded, image_size=self._image_size)
