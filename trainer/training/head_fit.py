"""Fits the classifier to the features of a pretrained network, before the first step.

A classifier that starts at random sends its errors into the layers below, which unlearn
what they were pretrained for. Fitted first, it does not: Kumar et al. 2022,
arxiv.org/abs/2202.10054. Features are computed once, so this costs one evaluation of
the training images.
"""

import logging
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.config import TrainConfig
from trainer.data import pipeline
from trainer.data.example_source import ExampleSource
from trainer.models import depth
from trainer.training import failures, losses, optimizers
from trainer.training.interruption import Interruption
from trainer.training.progress import format_secs

MAX_IMAGES = 10_000
# The loss is convex; these bring it to its minimum but for a few percent. Where it
# stops depends on rounding (docs/adr/0021-fine-tuning.md).
NUM_STEPS = 300
LEARNING_RATE = 0.01
WEIGHT_DECAY = 0.001


def fit_head(
    model: keras.Model,
    config: TrainConfig,
    source: ExampleSource,
    interruption: Interruption,
) -> None:
    """Replaces the weights of the classifier; leaves all others alone.

    One device computes it, whatever the number of replicas.

    Args:
        model: Of factory.build_model, with pretrained weights.
        config: The job.
        source: The training records; MAX_IMAGES of them are used, evenly spaced, as an
            evaluation would see them.
        interruption: Is checked before each batch.
    """
    started_at = time.monotonic()
    images = pipeline.EvaluationInput(
        source,
        image_size=config.resolved_image_size,
        batch_size=config.resolved_eval_batch_size,
        num_images=MAX_IMAGES,
    )
    batch_flag = f"--eval_batch_size={config.resolved_eval_batch_size}"
    with failures.explained(source, batch_flag):
        features, labels = _compute_features(model, images, interruption)
    targets = depth.list_head_variables(model)
    # Of their own: the model's may be copies, one a replica.
    kernel, bias = (tf.Variable(tf.zeros(one.shape), name=one.name) for one in targets)
    accuracy = _descend(kernel, bias, features, labels, config)
    for target, value in zip(targets, (kernel, bias), strict=True):
        target.assign(value)
    logging.info(
        "head  | fitted to the features of %d images, accuracy on them %.3f | %s",
        len(labels),
        float(accuracy),
        format_secs(time.monotonic() - started_at),
    )


def _compute_features(
    model: keras.Model, images: pipeline.EvaluationInput, interruption: Interruption
) -> tuple[np.ndarray, np.ndarray]:
    """What the classifier sees, float32 [images, channels], and int32 [images]."""
    network = keras.Model(model.inputs, model.get_layer(depth.HEAD).input)

    @tf.function(autograph=False)
    def compute(pixels: Any) -> Any:
        return tf.cast(network(pixels, training=False), tf.float32)

    features, labels = [], []
    for pixels, classes, weights in interruption.watch(images.read()):
        is_used = weights.numpy() > 0
        features.append(compute(pixels).numpy()[is_used])
        labels.append(classes.numpy()[is_used])
    return np.concatenate(features), np.concatenate(labels)


def _descend(
    kernel: tf.Variable,
    bias: tf.Variable,
    features: np.ndarray,
    labels: np.ndarray,
    config: TrainConfig,
) -> Any:
    """Minimises smoothed cross entropy + L2 of the kernel; returns the accuracy."""
    adam = optimizers.build_optimizer(
        "adam", {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}, [kernel, bias]
    )
    inputs, targets = tf.constant(features), tf.constant(labels)

    @tf.function(autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape:
            logits = inputs @ kernel + bias
            entropy = losses.smoothed_cross_entropy(
                logits,
                targets,
                num_classes=config.num_classes,
                label_smoothing=config.label_smoothing,
            )
            loss = tf.reduce_mean(entropy)
            loss += WEIGHT_DECAY * losses.l2_loss([kernel])
        adam.apply(tape.gradient(loss, [kernel, bias]), LEARNING_RATE)
        is_correct = tf.equal(tf.argmax(logits, -1, tf.int32), targets)
        return tf.reduce_mean(tf.cast(is_correct, tf.float32))

    for _ in range(NUM_STEPS):
        accuracy = step()
    return accuracy
