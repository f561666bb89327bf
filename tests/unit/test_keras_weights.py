import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models import factory, pretrained

SIDE = 64
NUM_CLASSES = 7
NAMES = {"resnet-50": "ResNet50", "efficientnet-b0": "EfficientNetB0"}
LARGEST_LOGIT = 10.0


def draw_pixels():
    return np.random.default_rng(1).uniform(0, 255, [2, SIDE, SIDE, 3])


def build_source(model_type, **options):
    """A network of keras.applications whose statistics are not those of a new one."""
    keras.utils.set_random_seed(0)
    source = getattr(keras.applications, NAMES[model_type])(
        weights=None,
        input_shape=(SIDE, SIDE, 3),
        classes=NUM_CLASSES,
        classifier_activation=None,
        **options,
    )
    random = np.random.default_rng(0)
    for variable in source.variables:
        if variable.name in ("bias", "beta", "moving_mean", "mean"):
            variable.assign(random.normal(scale=0.1, size=variable.shape))
        elif variable.name in ("gamma", "moving_variance", "variance"):
            variable.assign(random.uniform(0.5, 1.0, variable.shape))
    return source


def compute_logits(source, model_type):
    pixels = draw_pixels()
    if model_type == "resnet-50":
        pixels = keras.applications.resnet.preprocess_input(pixels)
    head = source.get_layer("predictions")
    logits = source.predict(pixels, verbose=0)
    head.kernel.assign(head.kernel * LARGEST_LOGIT / np.abs(logits).max())
    return source.predict(pixels, verbose=0)


def load(path, model_type, num_classes=NUM_CLASSES):
    weights = pretrained.read_weights(str(path), model_type)
    model = factory.build_model(
        model_type,
        weights.variant,
        num_classes=num_classes,
        image_size=SIDE,
        precision="float32",
        seed=0,
    )
    pretrained.load_weights(model, weights.tensors, str(path))
    return model


@pytest.fixture(scope="module", params=list(NAMES))
def source(request):
    """A network, its type, and what it answers."""
    source = build_source(request.param)
    expected = compute_logits(source, request.param)
    # Reading of names must not depend on how many layers a process has built.
    return source, request.param, expected


@pytest.mark.parametrize("name", ["a.h5", "a.weights.h5", "a.keras"])
def test_the_network_answers_as_its_source(tmp_path, source, name):
    network, model_type, expected = source
    save = network.save_weights if name == "a.weights.h5" else network.save
    save(tmp_path / name)
    model = load(tmp_path / name, model_type)
    found = model(tf.constant(draw_pixels(), tf.float32), training=False)
    np.testing.assert_allclose(found, expected, atol=1e-3)
