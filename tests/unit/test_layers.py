import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models import batch_norm, depthwise, layers, variant

CHANNELS = 5


def draw(seed=0):
    return tf.random.stateless_normal([4, 6, 6, CHANNELS], [0, seed], 2.0, 3.0)


def build_batch_norm(**options):
    layer = layers.FusedBatchNormalization(momentum=0.9, epsilon=1e-3, **options)
    layer.build((None, 6, 6, CHANNELS))
    return layer


def build_builder(seed=0, precision="float32"):
    return layers.LayerBuilder(
        precision=precision,
        seed=seed,
        activation="relu",
        batch_norm_momentum=0.9,
        variant=variant.EFFICIENTNET,
        kernel_scale=1.0,
        kernel_mode="fan_in",
        kernel_distribution="truncated_normal",
    )


def test_batch_norm_trains_as_keras_layer_does():
    ours = build_batch_norm()
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    for seed in range(3):
        inputs = draw(seed)
        np.testing.assert_allclose(
            ours(inputs, training=True), theirs(inputs, training=True), atol=1e-4
        )
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, rtol=1e-4)
    # Theirs is the biased variance; TensorFlow 1 kept the unbiased one.
    num_values = 4 * 6 * 6
    kept = 1 - 0.9**3
    biased = (theirs.moving_variance.numpy() - 0.9**3) / kept
    unbiased = (ours.moving_variance.numpy() - 0.9**3) / kept
    np.testing.assert_allclose(unbiased, biased * num_values / (num_values - 1), 1e-3)


@pytest.mark.parametrize("is_frozen", [False, True])
@pytest.mark.parametrize("squeezes", [False, True])
@pytest.mark.parametrize("activation", ["linear", "relu6"])
def test_large_layers_train_as_small_ones(monkeypatch, activation, squeezes, is_frozen):
    found = []
    for min_values in (0, 2**40):
        monkeypatch.setattr(batch_norm, "MIN_VALUES_OF_OTHERS", min_values)
        layer = build_batch_norm(activation=activation, squeezes=squeezes)
        layer.moving_mean.assign(tf.range(CHANNELS, dtype=tf.float32))
        layer.is_frozen = is_frozen
        inputs = draw()
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            if squeezes:
                outputs, means = outputs
                outputs *= tf.sigmoid(means)
            loss = tf.reduce_sum(outputs * draw(1))
        found.append([outputs, tape.gradient(loss, inputs), *layer.variables])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("min_values", [0, 2**40])
@pytest.mark.parametrize("types", [("bfloat16", "float32"), ("float32", "bfloat16")])
def test_batch_norm_joins_layers_of_two_types(monkeypatch, types, min_values):
    monkeypatch.setattr(batch_norm, "MIN_VALUES_OF_OTHERS", min_values)
    found = []
    for of_inputs, dtype in (types, ("float32", "float32")):
        layer = build_batch_norm(
            activation="relu6", dtype=layers.POLICIES[dtype], name="bn"
        )
        inputs = tf.cast(draw(), of_inputs)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * draw(1))
        gradient = tape.gradient(loss, inputs)
        assert (outputs.dtype, gradient.dtype) == (dtype, of_inputs)
        found.append([tf.cast(one, tf.float32) for one in (outputs, gradient)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=0.05)


def test_batch_norm_serves_with_the_moving_statistics():
    layer = build_batch_norm()
    layer.moving_mean.assign(tf.range(CHANNELS, dtype=tf.float32))
    layer.moving_variance.assign(tf.fill([CHANNELS], 4.0))
    layer.beta.assign(tf.fill([CHANNELS], 0.5))
    inputs = draw()
    expected = (inputs - np.arange(CHANNELS)) / np.sqrt(4.001) + 0.5
    np.testing.assert_allclose(layer(inputs, training=False), expected, atol=1e-4)
    np.testing.assert_array_equal(layer.moving_mean, range(CHANNELS))


def test_batch_norm_that_starts_at_zero_hides_its_input():
    layer = build_batch_norm(starts_at_zero=True)
    assert not np.any(layer(draw(), training=True))


def test_names_of_variables_tell_batch_norm():
    names = {
        variable.name: layers.is_batch_norm_variable(variable)
        for variable in build_batch_norm().variables
    }
    assert names == dict.fromkeys(layers.BATCH_NORM_VARIABLES, True)
    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    assert not any(layers.is_batch_norm_variable(one) for one in dense.variables)


def test_stochastic_depth_drops_whole_pictures():
    inputs = keras.Input([4, 4, 2])
    outputs = build_builder().stochastic_depth(inputs, 0.5, name="drop")
    dropped = keras.Model(inputs, outputs)(tf.ones([200, 4, 4, 2]), training=True)
    per_picture = dropped.numpy().reshape(200, -1)
    assert np.all(per_picture == per_picture[:, :1])
    assert 0.3 < (per_picture[:, 0] == 0).mean() < 0.7


def kernel(seed, name):
    inputs = keras.Input([8, 8, 3])
    model = keras.Model(inputs, build_builder(seed).conv(inputs, 4, 3, name=name))
    return model.weights[0].numpy()


def test_start_weights_follow_from_seed_and_name():
    np.testing.assert_array_equal(kernel(0, "one"), kernel(0, "one"))
    assert not np.array_equal(kernel(0, "one"), kernel(0, "two"))
    assert not np.array_equal(kernel(0, "one"), kernel(1, "one"))


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_weights_stay_float32(monkeypatch, precision):
    monkeypatch.setattr(depthwise, "choose_precision", lambda _: "float32")
    inputs = keras.Input([8, 8, 3])
    build = build_builder(precision=precision)
    outputs = build.conv(inputs, 4, 3, name="conv")
    outputs = build.batch_norm(outputs, name="bn")
    wide = build.batch_norm(outputs, name="wide_bn", is_before_depthwise=True)
    model = keras.Model(inputs, [outputs, wide])
    assert {variable.dtype for variable in model.variables} == {"float32"}
    assert (outputs.dtype, wide.dtype) == (precision, "float32")
