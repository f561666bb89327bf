"""Where the steps run: a tf.distribute strategy, and which rows go where.

Whatever the number of replicas, they share one global batch: each computes its rows
(docs/adr/0024-replicas.md).
"""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer import environment, errors
from trainer.models import replicas
from trainer.training import team, tpu
from trainer.training.cluster import Cluster


def build_strategy(
    *,
    cluster: Cluster | None = None,
    num_gpus: int | None = None,
    batch_sizes: Sequence[int] = (),
) -> tf.distribute.Strategy:
    """The devices of this machine, or of all machines of a cluster.

    Must run before TensorFlow computes anything, unless it is alone and takes all GPUs.

    Args:
        cluster: The processes that train together; None for this one alone.
        num_gpus: GPUs of each machine; None takes all, 0 the CPU.
        batch_sizes: Rows of the batches that replicas share, where known.

    Raises:
        ConfigError: If there are too few GPUs.
        TrainingError: If the processes do not meet.
    """
    name = environment.tpu_name()
    if name:
        return tpu.build_strategy(name, batch_sizes)
    is_alone = cluster is None or cluster.is_alone
    most = min(batch_sizes, default=None)
    gpus = _choose_gpus(num_gpus, most if is_alone else None)
    if cluster is not None and not is_alone:
        return team.join(cluster)
    if len(gpus) > 1:
        return tf.distribute.MirroredStrategy(gpus)
    return tf.distribute.OneDeviceStrategy(gpus[0] if gpus else "/cpu:0")


def _choose_gpus(num_gpus: int | None, most: int | None) -> list[str]:
    """Names of the GPUs; hides the others, so that nothing else takes them."""
    found = tf.config.list_physical_devices("GPU")
    if num_gpus is not None and num_gpus > len(found):
        raise errors.ConfigError(
            f"--num_gpus={num_gpus}, but this machine has {len(found)} that TensorFlow "
            "can use; lower it, leave it out, or run the container with --gpus=all."
        )
    wanted = found[: len(found) if num_gpus is None else num_gpus][:most]
    if len(wanted) < len(found):
        tf.config.set_visible_devices(wanted, "GPU")
    return [f"/gpu:{number}" for number in range(len(wanted))]


def check_replicas(
    strategy: tf.distribute.Strategy, batch_sizes: Sequence[int]
) -> None:
    """Refuses batches with fewer rows than there are replicas.

    Raises:
        ConfigError: If there is one.
    """
    found, most = strategy.num_replicas_in_sync, min(batch_sizes)
    if found > most:
        raise errors.ConfigError(
            f"A batch of {most} images can't be shared by {found} replicas, expected "
            "an image for each; raise --train_batch_size and --eval_batch_size, or use "
            "fewer machines or --num_gpus."
        )


def run(
    strategy: tf.distribute.Strategy,
    step: Callable[..., Any],
    batch: Sequence[Any],
    batch_size: int,
    micro_batch: replicas.MicroBatch = replicas.WHOLE,
) -> Any:
    """Runs a step on all replicas, each with its rows, in a graph.

    Args:
        strategy: Has the replicas.
        step: Takes tensors, and returns the same tensors on every replica.
        batch: Tensors with the rows of this process.
        batch_size: Rows of the global batch.
        micro_batch: Which of its rows each replica is given.

    Returns:
        What `step` returned.
    """
    if strategy.num_replicas_in_sync == micro_batch.num_parts == 1:
        return strategy.run(step, tuple(batch))
    parts = tuple(_split(strategy, one, batch_size, micro_batch) for one in batch)
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
    strategy: tf.distribute.Strategy,
    tensor: Any,
    batch_size: int,
    micro_batch: replicas.MicroBatch,
) -> Any:
    """One tensor of a batch -> a part for each replica of this process."""
    first = process_rows(strategy, batch_size).start

    def take(context: Any) -> Any:
        rows = _rows_of(strategy, context.replica_id_in_sync_group, batch_size)
        num_rows = len(rows) // micro_batch.num_parts
        start = rows.start - first + micro_batch.number * num_rows
        # Else the whole batch would travel to each accelerator.
        with tf.device("/cpu:0"):
            found = tensor[start : start + num_rows]
        # Unknown to TensorFlow where the number is a tensor.
        found.set_shape([num_rows, *tensor.shape[1:]])
        return found

    return strategy.experimental_distribute_values_from_function(take)


def count_equal_parts(strategy: tf.distribute.Strategy, batch_size: int) -> list[int]:
    """In how many equal parts each replica can compute its rows, rising from 1."""
    num_rows = math.gcd(
        *(
            len(_rows_of(strategy, replica, batch_size))
            for replica in range(strategy.num_replicas_in_sync)
        )
    )
    return [count for count in range(1, num_rows + 1) if num_rows % count == 0]


def _rows_of(strategy: tf.distribute.Strategy, replica: int, batch_size: int) -> range:
    return replicas.rows_of(
        replica, num_replicas=strategy.num_replicas_in_sync, batch_size=batch_size
    )


def share_variables(strategy: tf.distribute.Strategy, variables: Sequence[Any]) -> None:
    """Gives all replicas the values that the first one, the chief's, has."""

    def take_first() -> None:
        is_first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        for variable in variables:
            value = tf.convert_to_tensor(variable)
            mine = tf.where(is_first, value, tf.zeros_like(value))
            replicas.assign(variable, replicas.sum_over_all(mine))

    tf.function(lambda: strategy.run(take_first), autograph=False)()


def has_gpu() -> bool:
    """True if this job may use a GPU."""
    return bool(tf.config.get_visible_devices("GPU"))


def describe_device(strategy: tf.distribute.Strategy) -> str:
    """The devices in words, for a log line."""
    gpus = tf.config.get_visible_devices("GPU")
    found = f"the CPU with {os.cpu_count()} cores"
    if isinstance(strategy, tf.distribute.TPUStrategy):
        found = f"a TPU with {strategy.num_replicas_in_sync} cores"
    elif gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        found = f"GPU {details.get('device_name', gpus[0].name)}"
    replicas_here = len(_local_replicas(strategy))
    num_processes = strategy.num_replicas_in_sync // replicas_here
    if gpus and replicas_here > 1:
        found = f"{replicas_here} x {found}"
    return found if num_processes == 1 else f"{num_processes} machines, each {found}"
