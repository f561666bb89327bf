import h5py
import keras
import numpy as np
import pytest

from tests import networks
from trainer import errors
from trainer.models import normalization, pretrained
from trainer.models.pretrained import keras_file, keras_weights

NAMES = {"resnet-50": "ResNet50", "efficientnet-b0": "EfficientNetB0"}
LARGEST_LOGIT = 10.0


def build_source(model_type, **options):
    """A network of keras.applications whose statistics are not those of a new one."""
    keras.utils.set_random_seed(0)
    source = getattr(keras.applications, NAMES[model_type])(
        weights=None,
        input_shape=(networks.SIDE, networks.SIDE, 3),
        classes=networks.NUM_CLASSES,
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
    pixels = networks.draw_pixels()
    if model_type == "resnet-50":
        pixels = keras.applications.resnet.preprocess_input(pixels)
    head = source.get_layer("predictions")
    logits = source.predict(pixels, verbose=0)
    head.kernel.assign(head.kernel * LARGEST_LOGIT / np.abs(logits).max())
    return source.predict(pixels, verbose=0)


@pytest.mark.parametrize(
    ("model_type", "name"),
    [
        ("resnet-50", "a.h5"),
        ("efficientnet-b0", "a.weights.h5"),
        pytest.param("efficientnet-b0", "a.keras", marks=pytest.mark.slow),
        pytest.param("resnet-50", "a.keras", marks=pytest.mark.slow),
    ],
)
def test_the_network_answers_as_its_source(tmp_path, model_type, name):
    source = build_source(model_type)
    expected = compute_logits(source, model_type)
    save = source.save_weights if name == "a.weights.h5" else source.save
    save(tmp_path / name)
    found = networks.answer(networks.load(tmp_path / name, model_type))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_network_of_this_project_answers_the_same(tmp_path):
    source = networks.build_random("resnet-18")
    source.save_weights(tmp_path / "a.weights.h5")
    found = networks.answer(networks.load(tmp_path / "a.weights.h5", "resnet-18"))
    np.testing.assert_allclose(found, networks.answer(source), atol=1e-5)


@pytest.mark.parametrize("name", ["a.h5", "a.weights.h5", "a.keras"])
def test_layers_are_read_from_each_format(tmp_path, name):
    layers = [
        keras.layers.Conv2D(4, 3, name="first_conv"),
        keras.layers.BatchNormalization(name="first_bn"),
        # No code of a file is run, such as that of this layer.
        keras.layers.Lambda(lambda pixels: pixels, name="harmless"),
        keras.layers.Dense(2, name="predictions"),
    ]
    network = keras.Sequential([keras.Input([8, 8, 3]), *layers])
    save = network.save_weights if name == "a.weights.h5" else network.save
    save(tmp_path / name)
    found = keras_file.read_keras_file(str(tmp_path / name))
    for layer in (layers[0], layers[1], layers[3]):
        for value, expected in zip(found[layer.name], layer.get_weights(), strict=True):
            np.testing.assert_array_equal(value, expected)


def test_weights_without_a_top_leave_the_head_at_random(tmp_path, caplog):
    caplog.set_level("INFO")
    source = networks.build_random("resnet-18")
    body = keras.Model(source.inputs, source.get_layer("avg_pool").output)
    body.save_weights(tmp_path / "a.weights.h5")
    networks.load(tmp_path / "a.weights.h5", "resnet-18")
    assert (
        "at random, absent there: predictions/kernel, predictions/bias" in caplog.text
    )


def test_published_deviations_are_known():
    mean, deviations = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    values = [np.float32(mean), np.float32(deviations), np.int64(0)]
    weights = keras_weights.take_layers({"normalization": values}, "efficientnet-b0")
    np.testing.assert_allclose(
        weights.variant.normalization, normalization.IMAGENET, rtol=1e-6
    )


@pytest.mark.parametrize("name", ["a.h5", "a.weights.h5", "a.keras"])
def test_what_is_no_file_of_keras_is_refused(tmp_path, name):
    path = str(tmp_path / name)
    with pytest.raises(errors.ConfigError, match=f"{name} is not there"):
        pretrained.read_weights(path, "resnet-18")
    (tmp_path / name).write_text("nothing")
    with pytest.raises(errors.ConfigError, match="is damaged, or no file of Keras"):
        pretrained.read_weights(path, "resnet-18")


def test_a_file_without_names_of_layers_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros(3)
    with pytest.raises(errors.ConfigError, match="does not tell the names of its lay"):
        pretrained.read_weights(str(tmp_path / "a.weights.h5"), "resnet-18")
