"""What layers and steps ask of the replica that they run in; alone there is one.

A replica computes its rows of the global batch with its own copy of each variable. All
copies are equal, since each takes the same updates, computed from sums over replicas.
Where memory is short it computes them in parts, one after the other
(docs/adr/0026-micro-batches.md).
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

# Replicas of one process are traced in threads of their own.
_of_thread = threading.local()


class MicroBatch(NamedTuple):
    """One of the equal parts in which each replica computes its rows.

    Attributes:
        number: int32 [] or int, from 0.
        num_parts: How many there are.
    """

    number: Any
    num_parts: int


WHOLE = MicroBatch(0, 1)


def rows_of(replica: int, *, num_replicas: int, batch_size: int) -> range:
    """The rows of the global batch that a replica computes; none is empty.

    Args:
        replica: Number of the replica, from 0.
        num_replicas: How many share the batch.
        batch_size: Rows of the global batch, `num_replicas` or more.
    """
    start, stop = (
        number * batch_size // num_replicas for number in (replica, replica + 1)
    )
    return range(start, stop)


def count() -> int:
    """How many replicas share a step; 1 outside of one."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def sum_over_all(tensors: Any) -> Any:
    """Sums tensors, or each of a list of them, over the replicas of a step."""
    if count() == 1:
        return tensors
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def assign(variable: Any, value: Any) -> None:
    """Gives this replica's copy of a variable a value that all replicas compute.

    The variable's own `assign` would copy the first replica's value to all others.
    """
    target = variable.value if isinstance(variable, keras.Variable) else variable
    tf.raw_ops.AssignVariableOp(resource=target.handle, value=value)


def subtract(variable: tf.Variable, value: Any) -> None:
    """Takes a value that all replicas compute off this replica's copy of a variable."""
    tf.raw_ops.AssignSubVariableOp(resource=variable.handle, value=value)


def add(variable: tf.Variable, value: Any) -> None:
    """Adds a value to this replica's copy of a variable, whatever the others add."""
    tf.raw_ops.AssignAddVariableOp(resource=variable.handle, value=value)


@contextlib.contextmanager
def sharing_batch(batch_size: int, micro_batch: MicroBatch = WHOLE) -> Iterator[None]:
    """Says how many rows the batch has that the replicas of this step share.

    Args:
        batch_size: Of the global batch.
        micro_batch: What each replica computes of its rows here.
    """
    _of_thread.batch_size, _of_thread.micro_batch = batch_size, micro_batch
    try:
        yield
    finally:
        del _of_thread.batch_size, _of_thread.micro_batch


def micro_batch() -> MicroBatch:
    """The part of its rows that this replica computes; all of them outside a step."""
    return getattr(_of_thread, "micro_batch", WHOLE)


def draw_rows(draw: Any, inner_shape: Sequence[int], num_rows: Any) -> Any:
    """Draws for the whole batch what one replica would draw, and keeps these rows.

    Args:
        draw: Makes a tensor of a shape.
        inner_shape: Shape of a row.
        num_rows: Rows of this replica's micro-batch.
    """
    context = tf.distribute.get_replica_context()
    batch_size = _of_thread.batch_size
    replica = context.replica_id_in_sync_group
    start = replica * batch_size // context.num_replicas_in_sync
    start += micro_batch().number * num_rows
    drawn = draw([batch_size, *inner_shape])
    return tf.slice(
        drawn, [start, *[0] * len(inner_shape)], [num_rows, *[-1] * len(inner_shape)]
    )
