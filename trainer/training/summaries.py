"""TensorBoard events: training under logs/train, evaluations under logs/validation.

Events are written as protocol buffers, since tf.summary.scalar needs the tensorboard
package, which training does not.
"""

import os
from collections.abc import Mapping

import tensorflow as tf

EVALUATION_TAGS = ("top_1_accuracy", "top_5_accuracy", "loss")


class Summaries:
    """Writes scalars by step and keeps them readable after a kill."""

    def __init__(self, log_dir: str) -> None:
        self._writers = {
            split: tf.summary.create_file_writer(os.path.join(log_dir, split))
            for split in ("train", "validation")
        }

    def write_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes an evaluation: an action."""
        values = {tag: metrics[tag] for tag in EVALUATION_TAGS}
        self._write("validation", step, values)

    def write_training(self, step: int, values: Mapping[str, float]) -> None:
        """Writes loss, learning_rate, images_per_second and the like."""
        self._write("train", step, values)

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
