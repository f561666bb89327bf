"""Networks whose values are not those of a new one, and what they answer."""

import numpy as np
import tensorflow as tf

from trainer.models import factory, pretrained

SIDE = 64
NUM_CLASSES = 7


def build(model_type, variant=None, *, num_classes=NUM_CLASSES, seed=0):
    return factory.build_model(
        model_type,
        variant,
        num_classes=num_classes,
        image_size=SIDE,
        precision="float32",
        seed=seed,
    )


def build_random(model_type, variant=None):
    """A network with random statistics, scales and biases."""
    model = build(model_type, variant, seed=1)
    random = np.random.default_rng(0)
    for variable in model.weights:
        if variable.name in ("bias", "beta", "moving_mean"):
            variable.assign(random.normal(scale=0.1, size=variable.shape))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 1.0, variable.shape))
    return model


def draw_pixels():
    return np.random.default_rng(1).uniform(0, 255, [2, SIDE, SIDE, 3])


def answer(model):
    """Logits of the pixels, float32 [2, num_classes]."""
    return model(tf.constant(draw_pixels(), tf.float32), training=False).numpy()


def load(path, model_type, num_classes=NUM_CLASSES):
    """A new network with the weights of a file, computed as they ask for."""
    weights = pretrained.read_weights(str(path), model_type)
    model = build(model_type, weights.variant, num_classes=num_classes)
    pretrained.load_weights(model, weights.tensors, str(path))
    return model
