"""Where the steps run: a tf.distribute strategy, and which rows go where.

Whatever the number of replicas, they share one global batch: each computes its rows
(docs/adr/0024-replicas.md).
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer.models import replicas


def build_strategy(
    devices: Sequence[str] | None = None,
) -> tf.distribute.Strategy:
    """The devices of this machine, as one or as several replicas.

    Args:
        devices: Their names; None takes the first GPU if there is one, else the CPU.
    """
    devices = devices or ["/gpu:0" if has_gpu() else "/cpu:0"]
    if len(devices) == 1:
        return tf.distribute.OneDeviceStrategy(devices[0])
    return tf.distribute.MirroredStrategy(devices)


def run(
    strategy: tf.distribute.Strategy,
    step: Callable[..., Any],
    batch: Sequence[Any],
    batch_size: int,
) -> Any:
    """Runs a step on all replicas, each with its rows, in a graph.

    Args:
        strategy: Has the replicas.
        step: Takes tensors, and returns the same tensors on every replica.
        batch: Tensors with the rows of this process.
        batch_size: Rows of the global batch.

    Returns:
        What `step` returned.
    """
    if strategy.num_replicas_in_sync == 1:
        return strategy.run(step, tuple(batch))
    first = process_rows(strategy, batch_size).start
    parts = tuple(_split(strategy, one, batch_size, first) for one in batch)
    results = strategy.run(step, parts)
    return tf.nest.map_structure(
        lambda result: strategy.experimental_local_results(result)[0], results
    )


def process_rows(strategy: tf.distribute.Strategy, batch_size: int) -> range:
    """The rows of the global batch that this process reads."""
    local = _local_replicas(strategy)
    rows = [_rows_of(strategy, replica, batch_size) for replica in local]
    return range(rows[0].start, rows[-1].stop)


def _local_replicas(strategy: tf.distribute.Strategy) -> list[int]:
    found: list[int] = []

    def note(context: Any) -> Any:
        found.append(context.replica_id_in_sync_group)
        return tf.constant(0)

    strategy.experimental_distribute_values_from_function(note)
    return found


def _split(
    strategy: tf.distribute.Strategy, tensor: Any, batch_size: int, first: int
) -> Any:
    """One tensor of a batch -> a part for each replica of this process."""

    def take(context: Any) -> Any:
        rows = _rows_of(strategy, context.replica_id_in_sync_group, batch_size)
        # Else the whole batch would travel to each accelerator.
        with tf.device("/cpu:0"):
            return tensor[rows.start - first : rows.stop - first]

    return strategy.experimental_distribute_values_from_function(take)


def _rows_of(strategy: tf.distribute.Strategy, replica: int, batch_size: int) -> range:
    return replicas.rows_of(
        replica, num_replicas=strategy.num_replicas_in_sync, batch_size=batch_size
    )


def has_gpu() -> bool:
    """True if TensorFlow can use a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def describe_device() -> str:
    """The device in words, for a log line."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return f"the CPU with {os.cpu_count()} cores"
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"GPU {details.get('device_name', gpus[0].name)}"
