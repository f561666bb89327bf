import numpy as np
import pytest
import tensorflow as tf

from trainer import environment
from trainer.models import depthwise, one_pass


def differentiate(function, *tensors):
    """Outputs and gradients of a sum in which every output counts differently."""
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = function(*tensors)
        weights = tf.sin(tf.range(tf.size(outputs), dtype=tf.float32))
        loss = tf.reduce_sum(tf.reshape(outputs, [-1]) * weights)
    return [outputs, *tape.gradient(loss, tensors)]


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """Gradients of kernels that were put together of two, on a CPU with oneDNN."""
    found = []

    def note(*arguments, compute=depthwise._kernel_gradient):
        found.append(arguments)
        return compute(*arguments)

    monkeypatch.setattr(environment, "has_onednn", lambda: True)
    monkeypatch.setattr(one_pass, "has_accelerator", lambda: False)
    monkeypatch.setattr(depthwise, "_kernel_gradient", note)
    return found


def compare(strides=1, kernel_size=5, padding="SAME", sides=(8, 8)):
    inputs = tf.random.stateless_normal([2, *sides, 4], [0, 1])
    kernel = tf.random.stateless_normal([kernel_size, kernel_size, 4, 1], [0, 2])
    found = differentiate(
        lambda *both: depthwise.convolve(*both, strides=strides, padding=padding),
        *(inputs, kernel),
    )
    expected = differentiate(
        lambda *both: tf.nn.depthwise_conv2d(*both, [1, strides, strides, 1], padding),
        *(inputs, kernel),
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("sides", [(8, 8), (9, 9), (7, 12), (2, 3), (1, 1)])
def test_gradients_of_wide_kernels_are_tensorflows(calls, sides):
    compare(sides=sides)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "layer", [{"kernel_size": 3}, {"strides": 2}, {"padding": "VALID"}]
)
def test_other_layers_are_left_to_tensorflow(calls, layer):
    compare(**layer)
    assert not calls


@pytest.mark.parametrize(
    ("module", "name", "answer"),
    [(environment, "has_onednn", False), (one_pass, "has_accelerator", True)],
)
def test_what_has_other_kernels_is_left_to_tensorflow(
    calls, monkeypatch, module, name, answer
):
    monkeypatch.setattr(module, name, lambda: answer)
    compare()
    assert not calls
