import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainer import environment
from trainer.models import depthwise, factory, one_pass


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

    def note(*arguments, compute=depthwise._wide_kernel_gradient):
        found.append(arguments)
        return compute(*arguments)

    monkeypatch.setattr(environment, "has_onednn", lambda: True)
    monkeypatch.setattr(one_pass, "has_accelerator", lambda: False)
    monkeypatch.setattr(depthwise, "_wide_kernel_gradient", note)
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


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("sides", [(8, 8), (9, 9), (7, 12), (5, 6)])
def test_gradients_of_wide_kernels_are_tensorflows(calls, strides, padding, sides):
    compare(strides=strides, padding=padding, sides=sides)
    assert len(calls) == 1


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("sides", [(2, 3), (1, 1)])
def test_gradients_of_kernels_wider_than_the_picture(calls, strides, sides):
    compare(strides=strides, sides=sides)
    assert len(calls) == 1


@pytest.mark.parametrize("strides", [1, 2])
def test_gradients_of_narrow_kernels_are_tensorflows(calls, strides):
    compare(strides=strides, kernel_size=3)
    assert not calls


@pytest.mark.skipif(
    not environment.cpu_flags() & environment.BFLOAT16_CPU_FLAGS,
    reason="This processor has no instructions for bfloat16.",
)
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_bfloat16_is_as_near_as_its_digits(strides, kernel_size):
    inputs = tf.random.stateless_normal([2, 8, 8, 16], [0, 1])
    kernel = tf.random.stateless_normal([kernel_size, kernel_size, 16, 1], [0, 2])
    exact, rounded = [
        differentiate(
            lambda *both: tf.cast(
                depthwise.convolve(*both, strides=strides, padding="SAME"), "float32"
            ),
            *(tf.cast(inputs, dtype), tf.cast(kernel, dtype)),
        )
        for dtype in ("float32", "bfloat16")
    ]
    for one, other in zip(exact, rounded, strict=True):
        size = float(tf.reduce_max(tf.abs(one)))
        # A sum in bfloat16, of 8 digits, would be wrong by some hundredths.
        np.testing.assert_allclose(one, tf.cast(other, "float32"), atol=0.01 * size)


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


@pytest.mark.parametrize(
    ("precision", "flags", "expected"),
    [
        ("bfloat16", {"avx512_bf16"}, "bfloat16"),
        ("bfloat16", {"avx2"}, "float32"),
        ("float16", {"avx512_bf16"}, "float32"),
        ("float32", {"avx512_bf16"}, "float32"),
    ],
)
def test_bfloat16_only_where_there_are_instructions(
    monkeypatch, precision, flags, expected
):
    monkeypatch.setattr(environment, "cpu_flags", lambda: frozenset(flags))
    assert depthwise.choose_precision(precision) == expected


@pytest.mark.parametrize(
    ("module", "name", "answer"),
    [(environment, "has_onednn", False), (one_pass, "has_accelerator", True)],
)
def test_other_kernels_compute_in_float32(monkeypatch, module, name, answer):
    monkeypatch.setattr(environment, "cpu_flags", lambda: frozenset({"avx512_bf16"}))
    monkeypatch.setattr(module, name, lambda: answer)
    assert depthwise.choose_precision("bfloat16") == "float32"


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_a_network_computes_in_what_is_chosen(monkeypatch, precision):
    monkeypatch.setattr(depthwise, "choose_precision", lambda _: precision)
    model = factory.build_model(
        "efficientnet-b0", num_classes=2, image_size=32, precision="bfloat16", seed=0
    )
    for name in ("stem_bn", "block2a_expand_bn", "block2a_dwconv"):
        layer = model.get_layer(name)
        assert (layer.compute_dtype, layer.variable_dtype) == (precision, "float32")


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize(
    ("padding", "sides"),
    [
        *itertools.product(["SAME", "VALID"], [(8, 8), (9, 9), (7, 12), (5, 6)]),
        # Smaller than the kernel.
        *itertools.product(["SAME"], [(2, 3), (1, 1)]),
    ],
)
def test_inputs_that_outputs_skip_have_a_gradient_by_every_pixel(
    monkeypatch, kernel_size, padding, sides
):
    """In bfloat16, where whole numbers are exact, without oneDNN's slow kernel."""
    strides = [1, 2, 2, 1]
    kernel = draw_integers([kernel_size, kernel_size, 4, 1], 1)
    inputs = draw_integers([2, *sides, 4], 2)
    outputs = tf.nn.depthwise_conv2d(inputs, kernel, strides, padding)
    upstream = draw_integers(outputs.shape, 3)
    expected = tf.nn.depthwise_conv2d_backprop_input(
        inputs.shape, kernel, upstream, strides, padding
    )

    monkeypatch.setattr(tf.raw_ops, "DepthwiseConv2dNativeBackpropInput", None)
    inputs, kernel = tf.cast(inputs, "bfloat16"), tf.cast(kernel, "bfloat16")
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = depthwise.convolve(inputs, kernel, strides=2, padding=padding)
    found = tape.gradient(outputs, inputs, tf.cast(upstream, "bfloat16"))
    assert found.dtype == tf.bfloat16
    np.testing.assert_array_equal(tf.cast(found, "float32"), expected)


def draw_integers(shape, seed):
    drawn = tf.random.stateless_uniform(shape, [0, seed], -2, 3, tf.int32)
    return tf.cast(drawn, "float32")
