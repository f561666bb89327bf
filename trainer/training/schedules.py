"""The learning rate of each step: a linear warm-up, then cosine or stepwise decay.

Source: docs/contract.md (flags `warmup_*`, `decay_steps`, `stepwise_*`); the algorithm
names its flags after tensorflow/tpu models/official/detection, whose
modeling/learning_rates.py gives the shapes.
"""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.config import TrainConfig

Schedule = Callable[[Any], Any]


def build_schedule(
    config: TrainConfig, decay_steps: Any = None, initial_rate: Any = None
) -> Schedule:
    """Builds the function from a step to its learning rate, usable in a tf.function.

    Args:
        config: `warmup_steps`, `warmup_learning_rate`, `initial_learning_rate`, and the
            knobs of `learning_rate_decay_type`.
        decay_steps: float32 tf.Variable that takes the place of `decay_steps`, for a
            job that is not planned yet; None for the config's own.
        initial_rate: float32 tf.Variable that takes the place of
            `initial_learning_rate` in cosine decay, for a job that looks for it; None
            for the config's own.

    Returns:
        Maps a step (int64 [] or int, 0 or more) to float32 [], 0 or more. The rate is
        `initial_learning_rate` exactly at step `warmup_steps`.
    """
    is_cosine = config.learning_rate_decay_type == "cosine"
    peak = config.initial_learning_rate if initial_rate is None else initial_rate
    decayed = _cosine(config, decay_steps, peak) if is_cosine else _stepwise(config)
    if not config.warmup_steps:
        return lambda step: decayed(_as_float(step))
    start = config.warmup_learning_rate

    def learning_rate(step: Any) -> Any:
        step = _as_float(step)
        slope = (peak - start) / config.warmup_steps
        is_warming_up = step < config.warmup_steps
        return tf.where(is_warming_up, start + slope * step, decayed(step))

    return learning_rate


def _as_float(step: Any) -> Any:
    return tf.cast(tf.convert_to_tensor(step, tf.int64), tf.float32)


def _cosine(config: TrainConfig, decay_steps: Any, peak: Any) -> Schedule:
    """Half a cosine from the initial rate to 0, which it then keeps.

    Source: Loshchilov & Hutter 2016, arxiv.org/abs/1608.03983, eq. 5, one cycle.
    """
    # A job that is all warm-up has none.
    fixed = max(1, config.resolved_decay_steps - config.warmup_steps)

    def learning_rate(step: Any) -> Any:
        num_steps = fixed
        if decay_steps is not None:
            num_steps = tf.maximum(1.0, decay_steps - config.warmup_steps)
        progress = tf.minimum((step - config.warmup_steps) / num_steps, 1.0)
        return peak * (1 + tf.cos(math.pi * progress)) / 2

    return learning_rate


def _stepwise(config: TrainConfig) -> Schedule:
    """The initial rate until the first listed step, then each level from its step."""
    steps, levels = zip(*config.stepwise_levels, strict=True)
    rates = tf.constant([config.initial_learning_rate, *levels], tf.float32)

    def learning_rate(step: Any) -> Any:
        is_reached = tf.greater_equal(step, tf.constant(steps, tf.float32))
        return tf.gather(rates, tf.math.count_nonzero(is_reached))

    return learning_rate
