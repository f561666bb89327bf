import numpy as np
import pytest
import tensorflow as tf

from trainer.models import factory, normalization


@pytest.mark.parametrize(
    ("numbers", "mean", "deviation"),
    [
        (
            normalization.IMAGENET,
            [0.485 * 255, 0.456 * 255, 0.406 * 255],
            [0.229 * 255, 0.224 * 255, 0.225 * 255],
        ),
        (normalization.LITE, [127.0] * 3, [128.0] * 3),
    ],
)
def test_mean_becomes_zero_and_a_deviation_above_it_one(numbers, mean, deviation):
    layer = normalization.Normalize(numbers)
    pixels = tf.fill([2, 4, 5, 1], 1.0) * tf.constant(mean)
    np.testing.assert_allclose(layer(pixels), 0, atol=1e-6)
    np.testing.assert_allclose(layer(pixels + deviation), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("model_type", "numbers"),
    [
        ("resnet-18", normalization.IMAGENET),
        ("efficientnet-b0", normalization.IMAGENET),
        ("efficientnet-lite0", normalization.LITE),
    ],
)
def test_it_is_the_first_layer_of_each_family_in_every_precision(model_type, numbers):
    model = factory.build_model(
        model_type, num_classes=2, image_size=32, precision="bfloat16", seed=0
    )
    layer = model.layers[1]
    pixels = tf.constant([[[[0.0, 100.0, 255.0]]]])
    expected = normalization.Normalize(numbers)(pixels)
    assert layer(pixels).dtype == tf.float32
    np.testing.assert_array_equal(layer(pixels), expected)
