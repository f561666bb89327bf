import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models import gates, one_pass

# Pictures with more pixels than there are filters, and with fewer: each path.
SHAPES = [(3, 8, 8, 5), (2, 15, 7, 3), (4, 1, 1, 6)]
FILTERS = [1, 4, 70, 120]


def draw(shape, seed, dtype=tf.float32):
    drawn = tf.random.stateless_normal(shape, [0, seed], 0.5, 1.0)
    return tf.cast(drawn, dtype)


def build_layer(filters, dtype="float32"):
    return gates.GatedConv2D(
        filters,
        kernel_initializer=keras.initializers.RandomNormal(seed=1),
        dtype=keras.DTypePolicy("mixed_bfloat16" if dtype == "bfloat16" else dtype),
    )


def draw_inputs(shape, dtype=tf.float32):
    """Pictures, and a gate for each of their channels."""
    batch, *_, num_channels = shape
    chosen = tf.sigmoid(draw((batch, 1, 1, num_channels), 2))
    return [draw(shape, 0, dtype), tf.cast(chosen, dtype)]


def differentiate(function, inputs, kernel, dtype):
    """Outputs, and gradients in which every output counts differently."""
    inputs = [tf.cast(one, dtype) for one in inputs]
    watched = [*inputs, kernel.value if hasattr(kernel, "value") else kernel]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        outputs = function(inputs)
        loss = tf.reduce_sum(outputs * draw(outputs.shape, 1, dtype))
    made = [outputs, *tape.gradient(loss, watched)]
    return [tf.cast(one, tf.float64) for one in made]


def compare(layer, inputs, dtype, **tolerances):
    layer.build([one.shape for one in inputs])
    found = differentiate(
        lambda both: layer(both, training=True), inputs, layer.kernel, dtype
    )
    kernel = tf.cast(layer.kernel.value, tf.float64)
    expected = differentiate(
        lambda both: tf.einsum("bhwc,bijc,cf->bhwf", *both, kernel[0, 0]),
        inputs,
        kernel,
        tf.float64,
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **tolerances)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("filters", FILTERS)
def test_pictures_and_gradients_are_those_of_the_formula(shape, filters):
    inputs = draw_inputs(shape)
    compare(build_layer(filters), inputs, tf.float32, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("filters", [8, 300])
def test_bfloat16_loses_no_more_than_its_digits(filters):
    inputs = draw_inputs((3, 16, 16, 8), tf.bfloat16)
    layer = build_layer(filters, "bfloat16")
    # Sums over up to 256 pixels or 300 filters, added in float32.
    compare(layer, inputs, tf.bfloat16, rtol=0.02, atol=0.3)


def list_ops(filters, *, training):
    layer = build_layer(filters)
    layer.build([(None, 8, 8, 5), (None, 1, 1, 5)])

    @tf.function
    def run(values, chosen):
        outputs = layer([values, chosen], training=training)
        return tf.gradients(outputs, [values, chosen])

    specs = [tf.TensorSpec([None, 8, 8, 5]), tf.TensorSpec([None, 1, 1, 5])]
    graph = run.get_concrete_function(*specs).graph
    return {one.type for one in graph.get_operations()}


def test_a_kernel_for_each_picture_is_for_training_alone():
    """So that an export has the plain product and the plain convolution."""
    assert "BatchMatMulV2" in list_ops(4, training=True)
    assert "BatchMatMulV2" not in list_ops(4, training=False)
    assert "Conv2D" in list_ops(4, training=False)


def test_kernels_larger_than_their_pictures_are_left_alone():
    assert "BatchMatMulV2" in list_ops(64, training=True)
    assert "BatchMatMulV2" not in list_ops(65, training=True)


def test_an_accelerator_has_its_own_kernels(monkeypatch):
    monkeypatch.setattr(one_pass, "has_accelerator", lambda: True)
    assert "BatchMatMulV2" not in list_ops(4, training=True)


def test_the_number_of_pictures_may_be_unknown():
    inputs = draw_inputs((3, 8, 8, 5))
    layer = build_layer(4)
    layer.build([one.shape for one in inputs])
    specs = [tf.TensorSpec([None, *one.shape[1:]]) for one in inputs]
    traced = tf.function(
        lambda *both: layer(list(both), training=True), input_signature=specs
    )
    np.testing.assert_allclose(traced(*inputs), layer(inputs), atol=1e-5)
