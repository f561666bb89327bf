"""Real ImageNet weights classify real photographs."""

import collections
import os
import pathlib

import pytest
import tensorflow as tf

from tests import lite0_weights
from trainer.data import images
from trainer.models import factory, pretrained

SHARED_DATA = pathlib.Path(os.environ.get("SHARED_DATA", "../shared/data"))
# Folders of photographs, and ImageNet's classes that many of them should be in.
CLASSES = {"t-shirt": "jersey", "pants": "jean", "shorts": "swimming trunks"}
NUMBERS = {"jean": 608, "jersey": 610, "swimming trunks": 842}
NUM_PICTURES = 12


def find_pictures(name):
    folder = SHARED_DATA / "clothing" / "test" / name
    if not folder.is_dir():
        pytest.skip(f"SHARED_DATA={SHARED_DATA} has no photographs in clothing/")
    return sorted(folder.iterdir())[:NUM_PICTURES]


def test_lite0_sees_clothes():
    model = factory.build_model(
        "efficientnet-lite0",
        num_classes=1000,
        image_size=224,
        precision="float32",
        seed=0,
    )
    path = lite0_weights.find()
    weights = pretrained.read_weights(path, "efficientnet-lite0")
    pretrained.load_weights(model, weights.tensors, path)
    for name, expected in CLASSES.items():
        pixels = [
            images.decode_for_evaluation(path.read_bytes(), image_size=224)
            for path in find_pictures(name)
        ]
        classes = tf.argmax(model(tf.stack(pixels), training=False), -1).numpy()
        [(most, count)] = collections.Counter(classes.tolist()).most_common(1)
        assert (name, most) == (name, NUMBERS[expected])
        assert count >= NUM_PICTURES / 2
