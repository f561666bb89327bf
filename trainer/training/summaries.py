"""TensorBoard events: training under logs/train, evaluations under logs/validation.

Events are written as protocol buffers, since tf.summary.scalar needs the tensorboard
package, which training does not. Cloud Storage takes whole files only, so that events
for it are written locally and copied there now and then.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping

import tensorflow as tf

from trainer import errors, storage

EVALUATION_TAGS = ("top_1_accuracy", "top_5_accuracy", "loss")
SPLITS = ("train", "validation")
# Each copy is of the whole file, and training waits for it.
SECS_BETWEEN_COPIES = 60.0


class Summaries:
    """Writes scalars by step and keeps them readable after a kill."""

    def __init__(self, log_dir: str, *, local_dir: str | None = None) -> None:
        """Opens a file for each split.

        Args:
            log_dir: Where TensorBoard looks.
            local_dir: Where files grow, if they can't in `log_dir`.
        """
        self._log_dir = log_dir
        self._local_dir = local_dir
        self._copied_at = time.monotonic()
        self._writers = {
            split: tf.summary.create_file_writer(
                os.path.join(local_dir or log_dir, split)
            )
            for split in SPLITS
        }

    def write_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes an evaluation, and publishes all events: an action."""
        values = {tag: metrics[tag] for tag in EVALUATION_TAGS}
        self._write("validation", step, values)
        self.publish()

    def write_training(self, step: int, values: Mapping[str, float]) -> None:
        """Writes loss, learning_rate, images_per_second and the like."""
        self._write("train", step, values)
        if time.monotonic() - self._copied_at >= SECS_BETWEEN_COPIES:
            self.publish()

    def _write(self, split: str, step: int, values: Mapping[str, float]) -> None:
        summary = tf.compat.v1.Summary(
            value=[
                tf.compat.v1.Summary.Value(tag=tag, simple_value=value)
                for tag, value in values.items()
            ]
        )
        writer = self._writers[split]
        with writer.as_default():
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step)
        writer.flush()

    def publish(self) -> None:
        """Copies the events to where TensorBoard looks, if they are elsewhere.

        A copy that fails is only warned of: the next one has all events again.
        """
        if self._local_dir is None:
            return
        self._copied_at = time.monotonic()
        try:
            with storage.writing(self._log_dir):
                self._copy(self._local_dir)
        except errors.StorageError as error:
            logging.warning("Events are not copied this time: %s", error)

    def _copy(self, local_dir: str) -> None:
        for split in SPLITS:
            source_dir = os.path.join(local_dir, split)
            for name in os.listdir(source_dir):
                target = os.path.join(self._log_dir, split, name)
                storage.put_file(os.path.join(source_dir, name), target)


@contextlib.contextmanager
def open_summaries(log_dir: str) -> Iterator[Summaries]:
    """Summaries that are published at the end, whatever the end is."""
    if not storage.takes_whole_files(log_dir):
        yield Summaries(log_dir)
        return
    with storage.staging_dir(log_dir) as local_dir:
        events = Summaries(log_dir, local_dir=local_dir)
        try:
            yield events
        finally:
            events.publish()
