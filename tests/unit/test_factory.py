import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models import factory

# With 1000 classes, moving statistics left out of the first and counted in the second.
# Sources: torchvision's model pages (resnet-18 and -34), keras.applications' pages and
# Tan & Le 2019, table 2 in more digits (the rest), timm's tf_efficientnet_lite (lite);
# none is published for resnet-200 by either: its count follows from He et al. 2016,
# arxiv.org/abs/1603.05027.
PARAMETERS = {
    "resnet-18": 11_689_512,
    "resnet-34": 21_797_672,
    "resnet-50": 25_557_032,
    "resnet-101": 44_549_160,
    "resnet-152": 60_192_808,
    "resnet-200": 64_673_832,
    "efficientnet-b0": 5_288_548,
    "efficientnet-b1": 7_794_184,
    "efficientnet-b2": 9_109_994,
    "efficientnet-b3": 12_233_232,
    "efficientnet-b4": 19_341_616,
    "efficientnet-b5": 30_389_784,
    "efficientnet-b6": 43_040_704,
    "efficientnet-b7": 66_347_960,
    "efficientnet-lite0": 4_652_008,
    "efficientnet-lite1": 5_416_680,
    "efficientnet-lite2": 6_092_072,
    "efficientnet-lite3": 8_197_096,
    "efficientnet-lite4": 13_006_568,
}
SMALL = ("resnet-18", "resnet-50", "efficientnet-b0", "efficientnet-lite0")


def build(model_type, **options):
    defaults = {"num_classes": 1000, "image_size": 64, "precision": "float32"}
    return factory.build_model(model_type, **{**defaults, "seed": 0, **options})


@pytest.mark.parametrize(
    "model_type",
    [
        name if name in SMALL else pytest.param(name, marks=pytest.mark.slow)
        for name in PARAMETERS
    ],
)
def test_parameter_counts_are_the_published_ones(model_type):
    model = build(model_type)
    count = sum(int(np.prod(one.shape)) for one in model.trainable_variables)
    assert count == PARAMETERS[model_type]


@pytest.mark.parametrize(
    ("model_type", "keras_name"),
    [("resnet-50", "ResNet50"), ("efficientnet-b0", "EfficientNetB0")],
)
def test_layers_with_weights_have_the_names_of_keras_applications(
    model_type, keras_name
):
    theirs = getattr(keras.applications, keras_name)(
        weights=None, input_shape=(64, 64, 3)
    )

    def shapes(model):
        return {
            layer.name: [tuple(weight.shape) for weight in layer.get_weights()]
            for layer in model.layers
            if any("seed" not in one.name for one in layer.weights)
        }

    # Normalisation of pixels is a layer there, with a number if it is not the process'
    # first, and biases precede batch norm.
    expected = {
        name: found
        for name, found in shapes(theirs).items()
        if not re.fullmatch(r"(normalization|rescaling)(_\d+)?", name)
    }
    found = shapes(build(model_type))
    assert found.keys() == expected.keys()
    for name in found:
        assert found[name][0] == expected[name][0], name


@pytest.mark.parametrize("model_type", ["resnet-18", "efficientnet-b0"])
def test_variables_are_the_same_in_every_precision(model_type):
    models = [build(model_type, precision=one) for one in ("float32", "bfloat16")]
    full, half = [{one.path: one.numpy() for one in m.variables} for m in models]
    assert full.keys() == half.keys()
    assert len(full) == len(models[0].variables)
    for path, value in full.items():
        np.testing.assert_array_equal(value, half[path])


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_logits_are_float32(precision):
    logits = build("resnet-18", precision=precision)(tf.ones([2, 64, 64, 3]))
    assert logits.dtype == tf.float32
    assert logits.shape == [2, 1000]
    assert np.all(np.isfinite(logits))


@pytest.mark.parametrize(
    ("model_type", "gpu", "cpu_flags", "precision"),
    [
        ("resnet-50", False, {"avx2"}, "float32"),
        ("resnet-50", False, {"avx512_bf16"}, "bfloat16"),
        ("resnet-50", False, {"amx_bf16"}, "bfloat16"),
        ("efficientnet-b0", False, {"avx512_bf16"}, "bfloat16"),
        ("efficientnet-b0", True, set(), "float16"),
    ],
)
def test_precision_suits_model_and_device(model_type, gpu, cpu_flags, precision):
    found = factory.auto_precision(model_type, gpu=gpu, cpu_flags=frozenset(cpu_flags))
    assert found == precision
