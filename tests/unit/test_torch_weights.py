import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import torch_source
from trainer.models import factory, pretrained

SIDE = 64
LIBRARIES = ("torch", "torchvision", "timm", "efficientnet_pytorch", "safetensors")


def draw_pixels():
    return np.random.default_rng(1).uniform(0, 255, [2, SIDE, SIDE, 3])


def write_source(tmp_path, library, name):
    """Logits of a network of PyTorch; its weights are beside them."""
    missing = [one for one in LIBRARIES if importlib.util.find_spec(one) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: nothing to compare with")
    np.save(tmp_path / "pixels.npy", draw_pixels())
    output = tmp_path / f"{name}-1234abcd"
    command = [sys.executable, "-m", "tests.torch_source", library, name]
    subprocess.run([*command, tmp_path / "pixels.npy", output], check=True)
    return np.load(f"{output}.npy"), output


def load(path, model_type):
    weights = pretrained.read_weights(str(path), model_type)
    model = factory.build_model(
        model_type,
        weights.variant,
        num_classes=torch_source.NUM_CLASSES,
        image_size=SIDE,
        precision="float32",
        seed=0,
    )
    pretrained.load_weights(model, weights.tensors, str(path))
    return model


@pytest.mark.parametrize(
    ("library", "name", "suffix", "model_type"),
    [
        ("torchvision", "resnet18", "pth", "resnet-18"),
        ("timm", "resnet50", "safetensors", "resnet-50"),
        ("torchvision", "efficientnet_b0", "pt", "efficientnet-b0"),
        ("timm", "efficientnet_b0", "safetensors", "efficientnet-b0"),
        ("timm", "tf_efficientnet_b0", "pt", "efficientnet-b0"),
        ("timm", "tf_efficientnet_b0.ap_in1k", "pth", "efficientnet-b0"),
        ("timm", "tf_efficientnet_lite0", "safetensors", "efficientnet-lite0"),
        ("timm", "efficientnet_lite0", "pth", "efficientnet-lite0"),
        ("efficientnet_pytorch", "efficientnet-b1", "pth", "efficientnet-b1"),
        pytest.param(
            *("torchvision", "efficientnet_b5", "pth", "efficientnet-b5"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("timm", "tf_efficientnet_lite2", "pth", "efficientnet-lite2"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_network_answers_as_its_source(tmp_path, library, name, suffix, model_type):
    expected, output = write_source(tmp_path, library, name)
    model = load(f"{output}.{suffix}", model_type)
    pixels = tf.constant(draw_pixels(), tf.float32)
    found = model(pixels, training=False).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)
