"""Elementwise code that passes over its tensors once on a CPU.

Op by op, each kernel reads and writes whole tensors; compiled by XLA, a function is one
loop (docs/adr/0004-compiled-gradients.md).
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# Rows that are added at a time, at most: as many as the compiler unrolls.
MAX_ROWS_AT_A_TIME = 8
# Of a float32: what bfloat16 has no room for, half of that, and just below it.
NUM_LOST_BITS, HALF, ALMOST_HALF = 16, 0x8000, 0x7FFF
PICTURE_RANK = 4
# Smaller tensors would save little of a step, and a shape takes a third of a second to
# compile.
MIN_VALUES = 2**21


def has_accelerator() -> bool:
    """Whether something else than the CPU computes."""
    return any(tf.config.list_physical_devices(kind) for kind in ("GPU", "TPU"))


def pays(inputs: Any, min_values: int | None = None) -> bool:
    """Whether one pass saves more than it costs to compile.

    Args:
        inputs: float [batch, height, width, channels]; the batch may be unknown.
        min_values: Values from which it does; None for MIN_VALUES.
    """
    num_values = inputs.shape.num_elements() or 0
    least = MIN_VALUES if min_values is None else min_values
    return num_values >= least and not has_accelerator()


def rows_at_a_time(num_rows: int) -> int:
    """Rows that a loop adds at a time: a divisor of all."""
    sizes = range(1, MAX_ROWS_AT_A_TIME + 1)
    return max(one for one in sizes if num_rows % one == 0)


def cast(values: Any, dtype: Any) -> Any:
    """As tf.cast, to the bit; within compiled code, to bfloat16 in less time.

    A loop of swish that ends in XLA's own rounding takes 1.7 times as long
    (docs/adr/0036-rounding.md).

    Args:
        values: float, of any shape.
        dtype: Of the result.
    """
    if not _is_narrowed(values, dtype):
        return tf.cast(values, dtype)
    # The addition could overflow at any other NaN.
    numbers = tf.where(tf.equal(values, values), values, math.nan)
    bits = tf.bitcast(numbers, tf.uint32)
    is_odd = tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits, NUM_LOST_BITS), 1)
    return _keep_upper_bits(bits + ALMOST_HALF + is_odd)


def cast_fractions(values: Any, dtype: Any) -> Any:
    """As `cast`, but halves away from zero, in a sixth less time of a loop of swish.

    For values that hardly ever end in a half, as what is multiplied by a scale does
    once in 65,536 times; sums of two bfloat16 do so often, and would grow.

    Args:
        values: float, of any shape, made by arithmetic, whose NaN do not overflow.
        dtype: Of the result.
    """
    if not _is_narrowed(values, dtype):
        return tf.cast(values, dtype)
    return _keep_upper_bits(tf.bitcast(values, tf.uint32) + HALF)


def _is_narrowed(values: Any, dtype: Any) -> bool:
    return (values.dtype, dtype) == (tf.float32, tf.bfloat16) and not has_accelerator()


def _keep_upper_bits(bits: Any) -> Any:
    upper = tf.cast(tf.bitwise.right_shift(bits, NUM_LOST_BITS), tf.uint16)
    return tf.bitcast(upper, tf.bfloat16)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles elementwise code for the CPU; an accelerator runs it op by op.

    On a GPU, XLA needs files of CUDA that not every installation has.

    Args:
        function: Takes and returns tensors; other arguments must be hashable.
    """
    in_one_pass = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return (function if has_accelerator() else in_one_pass)(*arguments)

    return call


def summed(function: Callable[..., tuple[Any, Any]]) -> Callable[..., Any]:
    """Sums two tensors over all pixels, on a CPU while they are made.

    XLA's sums over many rows are slow on a CPU, and it makes what two sums share once
    for each. So it adds a few rows at a time, as complex numbers, of which each holds a
    value of both, and TensorFlow adds what is left.

    Args:
        function: Elementwise code that makes two tensors, float32 of the shape of the
            pictures that it takes, float [batch, height, width, channels]. What else
            it takes has no more than one value a channel.

    Returns:
        Takes what `function` takes; returns the two sums, float32 [2, channels].
    """
    add_rows = tf.function(
        lambda *arguments: _add_rows(*function(*arguments)),
        jit_compile=True,
        autograph=False,
    )

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        if has_accelerator():
            made = function(*arguments)
            return tf.stack([tf.reduce_sum(one, [0, 1, 2]) for one in made])
        rows = tf.bitcast(add_rows(*map(_group, arguments)), tf.float32)
        num_channels = rows.shape[2]
        flat = tf.reshape(rows, [-1, 2 * num_channels])
        # A product of matrices adds rows in a third of the time that a sum takes.
        sums = tf.matmul(tf.ones([1, tf.shape(flat)[0]]), flat)
        return tf.transpose(tf.reshape(sums, [num_channels, 2]))

    return call


def group_rows(pictures: Any) -> Any:
    """Has the rows that a loop adds at a time in an axis of their own.

    Before compiled code, not in it: where a group's end is no end of a line of pixels,
    XLA would divide to find each pixel, without vectors.

    Args:
        pictures: [batch, height, width, channels]; the batch may be unknown.

    Returns:
        [batch, groups, rows, channels].
    """
    _, height, width, num_channels = pictures.shape
    size = rows_at_a_time(height * width)
    return tf.reshape(pictures, [-1, height * width // size, size, num_channels])


def _group(argument: Any) -> Any:
    is_picture = tf.is_tensor(argument) and argument.shape.rank == PICTURE_RANK
    return group_rows(argument) if is_picture else argument


def _add_rows(first: Any, second: Any) -> Any:
    """Of [batch, groups, rows, channels] the sums of each group, as complex64."""
    return tf.reduce_sum(tf.complex(first, second), 2)
