"""Elementwise code that passes over its tensors once on a CPU.

Op by op, each kernel reads and writes whole tensors; compiled by XLA, a function is one
loop (docs/adr/0004-compiled-gradients.md).
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# Rows that are added at a time, at most: as many as the compiler unrolls.
ROWS_AT_A_TIME = 8


def has_accelerator() -> bool:
    """Whether something else than the CPU computes."""
    return any(tf.config.list_physical_devices(kind) for kind in ("GPU", "TPU"))


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
    value of both, and TensorFlow's kernel adds what is left.

    Args:
        function: Elementwise code that makes two tensors, float32 [batch, height,
            width, channels].

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
        # As real numbers, for which TensorFlow has vector instructions.
        rows = tf.bitcast(add_rows(*arguments), tf.float32)
        return tf.transpose(tf.reduce_sum(rows, 0))

    return call


def _add_rows(first: Any, second: Any) -> Any:
    """As complex64 [rows, channels], a few pixels in each row."""
    _, height, width, num_channels = first.shape
    sizes = range(1, ROWS_AT_A_TIME + 1)
    size = max(one for one in sizes if height * width % one == 0)
    pixels = tf.reshape(tf.complex(first, second), [-1, size, num_channels])
    return tf.reduce_sum(pixels, 1)
