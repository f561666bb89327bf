import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models import gates, one_pass

# Sides whose squares have small factors, odd ones, one of its own, and a single pixel.
SHAPES = [(3, 8, 8, 5), (2, 15, 7, 3), (2, 13, 13, 4), (4, 1, 1, 6), (1, 67, 1, 3)]


@pytest.fixture(params=[0, 2**40], ids=["one pass", "kernels"])
def min_values(monkeypatch, request):
    monkeypatch.setattr(one_pass, "MIN_VALUES", request.param)


def draw(shape, seed, dtype=tf.float32):
    drawn = tf.random.stateless_normal(shape, [0, seed], 0.5, 1.0)
    return tf.cast(drawn, dtype)


def gate_by_layers(inputs, weights, *, training=True):
    policy = keras.DTypePolicy(inputs.dtype.name)
    inputs, means = gates.Squeeze(dtype=policy)(inputs, training=training)
    chosen = tf.sigmoid(means * weights)
    return gates.Excite(dtype=policy)([inputs, chosen], training=training)


def gate_plainly(inputs, weights):
    means = tf.reduce_mean(inputs, [1, 2], keepdims=True)
    return inputs * tf.sigmoid(means * weights)


def differentiate(function, inputs, dtype):
    """Outputs, and gradients in which every output counts differently."""
    inputs = tf.cast(inputs, dtype)
    weights = tf.cast(tf.linspace(-2.0, 2.0, inputs.shape[-1]), dtype)
    with tf.GradientTape() as tape:
        tape.watch([inputs, weights])
        outputs = function(inputs, weights)
        loss = tf.reduce_sum(outputs * draw(inputs.shape, 1, dtype))
    made = [outputs, *tape.gradient(loss, [inputs, weights])]
    return [tf.cast(one, tf.float64) for one in made]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("min_values")
def test_gates_and_their_gradients_are_those_of_the_formula(shape):
    inputs = draw(shape, 0)
    found = differentiate(gate_by_layers, inputs, tf.float32)
    expected = differentiate(gate_plainly, inputs, tf.float64)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("min_values")
def test_bfloat16_loses_no_more_than_its_digits():
    inputs = draw((3, 16, 16, 8), 0, tf.bfloat16)
    outputs, of_inputs, of_weights = differentiate(gate_by_layers, inputs, tf.bfloat16)
    expected = differentiate(gate_plainly, inputs, tf.float64)
    np.testing.assert_allclose(outputs, expected[0], rtol=0.02, atol=0.01)
    np.testing.assert_allclose(of_inputs, expected[1], rtol=0.02, atol=0.05)
    # A sum over 256 pixels, added in float32.
    np.testing.assert_allclose(of_weights, expected[2], rtol=0.02, atol=0.5)


def test_only_training_is_compiled(monkeypatch):
    """So that an export has TensorFlow's own kernels."""
    monkeypatch.setattr(one_pass, "MIN_VALUES", 0)
    weights = tf.ones([5])

    def list_ops(*, training):
        @tf.function
        def run(inputs):
            outputs = gate_by_layers(inputs, weights, training=training)
            return tf.gradients(outputs, inputs)

        inputs = tf.TensorSpec([3, 8, 8, 5])
        return {
            one.type for one in run.get_concrete_function(inputs).graph.get_operations()
        }

    calls = {"PartitionedCall", "StatefulPartitionedCall"}
    assert list_ops(training=True) & calls
    assert not list_ops(training=False) & calls
