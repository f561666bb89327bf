"""The two terms of the loss: smoothed cross entropy and the L2 of the weights.

Which weights decay, and by how much, is the caller's to say.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def smoothed_cross_entropy(
    logits: Any, labels: Any, *, num_classes: int, label_smoothing: float
) -> Any:
    """Computes softmax cross entropy against labels that share a part with all classes.

    The target is 1 - label_smoothing + label_smoothing / num_classes for the label
    and label_smoothing / num_classes for the rest. One kernel computes the loss and its
    gradient, so the backward pass costs one multiplication.

    Args:
        logits: float [batch, num_classes], any float type; computed in float32.
        labels: int32 or int64 [batch], 0..num_classes-1.
        num_classes: 2 or more.
        label_smoothing: Share that is spread evenly, 0 up to but not including 1.

    Returns:
        float32 [batch], 0 or more.

    Source: Szegedy et al. 2015, arxiv.org/abs/1512.00567, sec. 7, with uniform u(k).
    """
    shared = label_smoothing / num_classes
    targets = tf.one_hot(
        labels, num_classes, on_value=1.0 - label_smoothing + shared, off_value=shared
    )
    return tf.nn.softmax_cross_entropy_with_logits(
        labels=targets, logits=tf.cast(logits, tf.float32)
    )


def l2_loss(variables: Sequence[Any]) -> Any:
    """Sums v**2 / 2 over all elements of all variables.

    Args:
        variables: float32 tf.Variables or tensors, one or more, of any shape.

    Returns:
        float32 [], 0 or more; its gradient is each variable itself.

    Source: tf.nn.l2_loss, the L2 of the reference's
    "cross_entropy + weight_decay * l2_loss" (docs/contract.md, `weight_decay`).
    """
    return tf.add_n([tf.nn.l2_loss(variable) for variable in variables])
