"""Records -> batches. The whole state of the input is one number, the step.

Which record is at a position follows from the position, and so do its random crop and
flip. So any step's batch can be made without making those before it: a resumed job sees
what it would have seen.

A bad record keeps its position, with weight 0. One that turns out not to decode fails
its batch; `mark_undecodable` finds it, and the input is opened again at that batch.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.data import augmentation, images
from trainer.data.decoded_cache import DecodedCache
from trainer.data.example_source import ExampleSource
from trainer.data.order import Order

# Batches in the making, so that no core waits for the last picture of one, and made.
PARALLEL_BATCHES = 2
PREFETCHED_BATCHES = 2


def _without_autotuning() -> tf.data.Options:
    """Parallel calls are as many as pay, so there is nothing to tune.

    The tuner's thread costs its share of the processor, and may not hear that the
    dataset is closed: CancellationManager calls back before it says that it is
    cancelled. Closing then waits for the tuner's next look, for as long as the dataset
    has been open, up to a minute.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _open_batches(
    batches: tf.data.Dataset, read: Callable[..., Any], decode: Callable[..., Any]
) -> tf.data.Dataset:
    """What `decode` makes of what `read` reads for each batch, in order, some ahead.

    A call into Python a batch reads all of its records: a call a record is five times
    slower.
    """
    return (
        batches.map(read, num_parallel_calls=1)
        .map(decode, num_parallel_calls=PARALLEL_BATCHES)
        .prefetch(PREFETCHED_BATCHES)
        .with_options(_without_autotuning())
    )


def _read_again(
    source: ExampleSource,
    open_at: Callable[[int], tf.data.Dataset],
    mark_undecodable: Callable[[int], bool],
    number: int,
) -> Iterator[Any]:
    """Yields the batches from a number on, once each, also those that fail at first."""
    while True:
        num_known = len(source.bad)
        try:
            for batch in open_at(number):
                number += 1
                yield batch
        except tf.errors.InvalidArgumentError:
            mark_undecodable(number)
            # Another process may have told of the record since it was read.
            if len(source.bad) == num_known:
                raise
        else:
            return


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
        decoder: augmentation.Decoder | None = None,
        cache: DecodedCache | None = None,
        rows: range | None = None,
        is_shared: bool = False,
    ) -> None:
        """Opens nothing.

        Args:
            source: The records.
            order: Says which record is at which position.
            image_size: Side in pixels.
            batch_size: Examples a step; may be more than there are.
            seed: Seed of all that is random about a picture.
            decoder: Of augmentation.build_decoder, for the same size; None is the
                documented crop and flip.
            cache: Keeps what is decoded; None decodes at each epoch.
            rows: Of each batch, those that this process reads; None for all.
            is_shared: Whether other processes read the rest. No batch fails then: they
                would wait for it.
        """
        self._source = source
        self._order = order
        self._decoder = decoder or augmentation.build_decoder(
            "standard", image_size=image_size
        )
        self._image_size = image_size
        self._cache = cache
        self._batch_size = batch_size
        self._seed = seed
        self._rows = rows or range(batch_size)
        self._is_shared = is_shared

    def open(self, step: int) -> tf.data.Dataset:
        """The batches from a step on.

        Returns:
            Dataset of (float32 [rows, image_size, image_size, 3], 0..255, int32 [rows],
            classes from 0, float32 [rows], 0 for bad records and else 1).
        """
        if not self._is_shared:
            return self._open(step)
        # Nothing is read ahead of it, so that a record counts as bad from the step on
        # that found it, as in a job of one process.
        return tf.data.Dataset.from_generator(
            lambda: _read_again(self._source, self._open, self.mark_undecodable, step),
            output_signature=self._open(step).element_spec,
        ).with_options(_without_autotuning())

    @tf.autograph.experimental.do_not_convert
    def _open(self, step: int) -> tf.data.Dataset:
        return _open_batches(tf.data.Dataset.counter(step), self._read, self._decode)

    def mark_undecodable(self, step: int) -> bool:
        """Finds what made the batch of a step fail; see ExampleSource."""
        positions = self._locate(step)
        seeds = self._seeds_at(positions)

        def decode(encoded: Any, offset: int) -> Any:
            if self._cache:
                return self._decoder.prepare(encoded)
            return self._decoder.decode(encoded, seeds[offset])

        records = self._order(positions).numpy().tolist()
        return self._source.mark_undecodable(records, decode)

    def _read(self, step: Any) -> Any:
        positions = self._locate(step)
        records = self._order(positions)
        return (*self._source.read_batch(records), records, positions)

    def _locate(self, step: Any) -> Any:
        """Positions of the examples of a step that this process reads."""
        rows = tf.range(self._rows.start, self._rows.stop, dtype=tf.int64)
        return step * self._batch_size + rows

    def _decode(
        self, encoded: Any, labels: Any, weights: Any, records: Any, positions: Any
    ) -> Any:
        seeds = self._seeds_at(positions)
        if self._cache:
            # What stands in for a bad record is not held as that record.
            keys = tf.where(weights > 0, records, -1)
            decode = functools.partial(self._cache.decode, self._decoder)
            pixels = images.map_pictures(
                decode, encoded, seeds, keys, image_size=self._image_size
            )
        else:
            pixels = self._decoder.decode_batch(encoded, seeds)
        return pixels, labels, weights

    def _seeds_at(self, positions: Any) -> Any:
        seed = tf.fill(positions.shape, tf.constant(self._seed, tf.int64))
        return tf.stack([seed, positions], axis=1)


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
        rows: range | None = None,
    ) -> None:
        """Decides which records are in which batch.

        Args:
            source: The records.
            image_size: Side in pixels.
            batch_size: Examples a batch.
            num_images: Records to take; 0, or more than there are, takes all.
            rows: Of each batch, those that this process reads; None for all.
        """
        self._source = source
        self._image_size = image_size
        rows = rows or range(batch_size)
        selected = select_records(len(source.index), num_images)
        count = len(selected)
        self.num_batches = -(-count // batch_size)
        starts = np.arange(self.num_batches)[:, None] * batch_size
        slots = starts + np.asarray(rows)
        # [batches, rows]. Padding repeats the last record, so that all have one shape.
        self._records = selected[np.minimum(slots, count - 1)]
        self._weights = (slots < count).astype(np.float32)

    @tf.autograph.experimental.do_not_convert
    def open(self, batch: int) -> tf.data.Dataset:
        """The batches from a number on.

        Returns:
            Dataset of (float32 [rows, image_size, image_size, 3], 0..255, int32 [rows],
            classes from 0, float32 [rows], 1, or 0 for padding and bad records).
        """
        slots = (self._records[batch:], self._weights[batch:])
        batches = tf.data.Dataset.from_tensor_slices(slots)
        return _open_batches(batches, self._read, self._decode)

    def read(self) -> Iterator[Any]:
        """Yields each batch once, also if one has to be read again."""
        return _read_again(self._source, self.open, self.mark_undecodable, 0)

    def mark_undecodable(self, batch: int) -> bool:
        """Finds what made a batch fail; see ExampleSource."""
        records = self._records[batch].tolist()
        return self._source.mark_undecodable(
            records, lambda encoded, _: self._decode_image(encoded)
        )

    def _read(self, records: Any, weights: Any) -> Any:
        encoded, labels, good = self._source.read_batch(records)
        return encoded, labels, weights * good

    def _decode(self, encoded: Any, labels: Any, weights: Any) -> Any:
        pixels = images.map_pictures(
            self._decode_image, encoded, image_size=self._image_size
        )
        return pixels, labels, weights

    def _decode_image(self, encoded: Any) -> Any:
        return images.decode_for_evaluation(encoded, image_size=self._image_size)
