import numpy as np
import pytest
import tensorflow as tf

from trainer.models import activations

REFERENCES = {
    "linear": tf.identity,
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "swish": tf.nn.silu,
}


def differentiate(function, inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = function(inputs)
        loss = tf.reduce_sum(outputs * tf.cast(tf.sin(inputs), inputs.dtype))
    return outputs, tape.gradient(loss, inputs)


def test_all_have_a_reference():
    assert activations.ACTIVATIONS.keys() == REFERENCES.keys()


@pytest.mark.parametrize("activation", REFERENCES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(tf.float32, 1e-5), (tf.bfloat16, 0.06)]
)
def test_values_and_gradients_are_tensorflows(activation, dtype, tolerance):
    inputs = tf.cast(tf.random.stateless_normal([3, 5, 5, 7], [0, 1]) * 3, dtype)
    found = differentiate(lambda one: activations.activate(one, activation), inputs)
    expected = differentiate(REFERENCES[activation], inputs)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            tf.cast(one, tf.float32), tf.cast(other, tf.float32), atol=tolerance
        )


def test_relu_passes_nothing_back_at_zero():
    _, gradient = differentiate(
        lambda one: activations.activate(one, "relu"), tf.zeros([4])
    )
    np.testing.assert_array_equal(gradient, np.zeros(4))
