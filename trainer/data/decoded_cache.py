"""Pixels of records in memory, so that later epochs need not decode them again."""

import logging
import uuid
from typing import Any

import tensorflow as tf

from trainer.config.cache import GIB
from trainer.data.augmentation import Decoder


class DecodedCache:
    """Keeps what a decoder prepares, as long as there is room.

    A picture that does not fit ends it: those that are held stay, and others are
    decoded as if there was no cache. The pictures are the same in all cases.

    TensorFlow's staging area for keys hands out tensors without a copy, but waits for a
    key that it has not: so a table says which it has. It lives as long as the process:
    cleared, it could leave a dataset's thread waiting for what the table promised.
    """

    def __init__(self, max_bytes: int) -> None:
        """Holds nothing.

        Args:
            max_bytes: Size of all pixels that it may hold.
        """
        self._max_bytes = max_bytes
        self._name = f"decoded-{uuid.uuid4().hex}"
        self._is_reported = False
        with tf.device("CPU:0"):
            self._sizes = tf.lookup.experimental.MutableHashTable(
                tf.int64, tf.int64, default_value=0
            )
            # With the first ones that did not fit: more than the limit means full.
            self._num_asked = tf.Variable(0, dtype=tf.int64, trainable=False)

    def decode(self, decoder: Decoder, encoded: Any, seed: Any, record: Any) -> Any:
        """What `decoder.decode` makes, in a graph.

        Args:
            decoder: The same one at each call.
            encoded: string [].
            seed: int64 [2].
            record: int64 []; says which picture it is; -1 for one that is not held.

        Raises:
            tf.errors.InvalidArgumentError: If the picture does not decode; as a whole,
                where `decoder.decode` may not look at all of it.
        """
        is_held = self._sizes.lookup(record) > 0

        def finish() -> Any:
            pixels = tf.cond(
                is_held,
                lambda: self._look_up(record, decoder.dtype),
                lambda: self._keep(record, decoder.prepare(encoded)),
            )
            return decoder.finish(pixels, seed)

        may_hold = (record >= 0) & (self._num_asked <= self._max_bytes)
        return tf.cond(
            is_held | may_hold, finish, lambda: decoder.decode(encoded, seed)
        )

    def report(self, num_records: int) -> None:
        """Logs once how many pictures are held, when it is all of them or all that fit.

        Args:
            num_records: How many there are.
        """
        num_held = int(self._sizes.size())
        is_full = int(self._num_asked) > self._max_bytes
        if self._is_reported or not (is_full or num_held >= num_records):
            return
        self._is_reported = True
        num_bytes = int(tf.reduce_sum(self._sizes.export()[1]))
        logging.info(
            "data  | %d of %d training pictures stay decoded, in %.3g GiB%s",
            num_held,
            num_records,
            num_bytes / GIB,
            "; --cache_decoded is full" if is_full else "",
        )

    def _look_up(self, record: Any, dtype: tf.DType) -> Any:
        (pixels,) = tf.raw_ops.MapPeek(
            key=record, indices=[0], **self._describe_staging(dtype)
        )
        return pixels

    def _keep(self, record: Any, pixels: Any) -> Any:
        num_bytes = tf.size(pixels, tf.int64) * pixels.dtype.size
        num_asked = self._num_asked.assign_add(num_bytes)

        def store() -> Any:
            # Of a record that is there already it keeps the first, which is the same.
            stored = tf.raw_ops.MapStage(
                key=record,
                indices=[0],
                values=[pixels],
                **self._describe_staging(pixels.dtype),
            )
            with tf.control_dependencies([stored]):
                inserted = self._sizes.insert(record, num_bytes)
            with tf.control_dependencies([inserted]):
                return tf.constant(True)

        is_kept = tf.cond(
            num_asked <= self._max_bytes, store, lambda: tf.constant(False)
        )
        with tf.control_dependencies([is_kept]):
            return tf.identity(pixels)

    def _describe_staging(self, dtype: tf.DType) -> dict[str, Any]:
        return {"dtypes": [dtype], "container": "", "shared_name": self._name}
