"""Logistic regression on what frozen EfficientNet-lite0 weights see.

A process of benchmarks/accuracy.py; its last line is validation and test accuracy.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from trainer.data import images
from trainer.models import depth, factory, pretrained

MODEL_TYPE, SIDE = "efficientnet-lite0", 224
# Inverse strengths of the L2 term, of which validation chooses.
STRENGTHS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03)


def main(argv: Sequence[str]) -> int:
    """Fits on train, chooses on validation, scores test."""
    flags = _parse(argv)
    network = _build_network(str(flags.weights))
    splits = {
        split: _compute_features(network, flags.images_dir / split)
        for split in ("train", "validation", "test")
    }
    fitted = [_fit(strength, *splits["train"]) for strength in STRENGTHS]
    best = max(fitted, key=lambda one: one.score(*splits["validation"]))
    print(best.score(*splits["validation"]), best.score(*splits["test"]))
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images_dir", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", help="it takes what it takes")
    parser.add_argument("--seed", help="nothing is drawn")
    return parser.parse_args(argv)


def _build_network(path: str) -> keras.Model:
    weights = pretrained.read_weights(path, MODEL_TYPE)
    model = factory.build_model(
        MODEL_TYPE,
        num_classes=10,
        image_size=SIDE,
        precision="float32",
        seed=0,
        variant=weights.variant,
    )
    pretrained.load_weights(model, weights.tensors, path)
    return keras.Model(model.inputs, model.get_layer(depth.HEAD).input)


def _compute_features(
    network: keras.Model, path: pathlib.Path
) -> tuple[np.ndarray, np.ndarray]:
    features, classes = [], []
    for number, folder in enumerate(
        sorted(one for one in path.iterdir() if one.is_dir())
    ):
        for photograph in sorted(folder.iterdir()):
            encoded = tf.constant(photograph.read_bytes())
            features.append(_see(network, encoded).numpy())
            classes.append(number)
    return np.array(features), np.array(classes)


def _fit(strength: float, features: np.ndarray, classes: np.ndarray) -> Pipeline:
    """A classifier of features that are brought to one scale first."""
    regression = LogisticRegression(C=strength, max_iter=2_000)
    return make_pipeline(StandardScaler(), regression).fit(features, classes)


@tf.function
def _see(network: keras.Model, encoded: tf.Tensor) -> tf.Tensor:
    pixels = images.decode_for_evaluation(encoded, image_size=SIDE)
    return network(pixels[tf.newaxis], training=False)[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
