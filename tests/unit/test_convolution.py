import numpy as np
import pytest
import tensorflow as tf

from trainer import environment
from trainer.models import convolution

CASES = [
    (1, 1, "SAME"),
    (1, 2, "SAME"),
    (1, 2, "VALID"),
    (1, 3, "SAME"),
    (3, 1, "SAME"),
    (3, 2, "SAME"),
    (3, 2, "VALID"),
    (5, 1, "SAME"),
    (7, 2, "VALID"),
]


def differentiate(function, *tensors):
    """Outputs and gradients of a sum in which every output counts differently."""
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = tf.cast(function(*tensors), tf.float32)
        weights = tf.sin(tf.range(tf.size(outputs), dtype=tf.float32))
        loss = tf.reduce_sum(tf.reshape(outputs, [-1]) * weights)
    return [outputs, *tape.gradient(loss, tensors)]


def draw(side, kernel_size, dtype=tf.float32):
    inputs = tf.random.stateless_normal([2, side, side, 4], [0, 1])
    kernel = tf.random.stateless_normal([kernel_size, kernel_size, 4, 6], [0, 2])
    return tf.cast(inputs, dtype), tf.cast(kernel, dtype)


@pytest.mark.parametrize("cpu_flags", [frozenset(), frozenset({"avx512f"})])
@pytest.mark.parametrize(("kernel_size", "strides", "padding"), CASES)
@pytest.mark.parametrize("side", [8, 9])
@pytest.mark.parametrize("has_onednn", [False, True])
def test_gradients_are_tensorflows(
    monkeypatch, cpu_flags, kernel_size, strides, padding, side, has_onednn
):
    monkeypatch.setattr(environment, "cpu_flags", lambda: cpu_flags)
    monkeypatch.setattr(environment, "has_onednn", lambda: has_onednn)
    options = {"strides": strides, "padding": padding}
    tensors = draw(side, kernel_size)
    found = differentiate(lambda i, k: convolution.convolve(i, k, **options), *tensors)
    expected = differentiate(lambda i, k: tf.nn.conv2d(i, k, **options), *tensors)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


ZEN_3 = frozenset({"avx2"})
ZEN_4 = ZEN_3 | {"avx512f", "avx512_bf16"}
XEON_WITH_AMX = ZEN_4 | {"amx_bf16"}


def list_kinds_of_ops(side, kernel_size, dtype=tf.float32, **options):
    """Kinds of the operations of a convolution and its gradients."""

    @tf.function
    def run(inputs, kernel):
        return differentiate(
            lambda *both: convolution.convolve(*both, **options), inputs, kernel
        )

    graph = run.get_concrete_function(*draw(side, kernel_size, dtype)).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize(
    ("kernel_size", "side", "cpu_flags", "dtype", "expected"),
    [
        (3, 14, ZEN_3, tf.float32, True),
        (3, 15, ZEN_3, tf.float32, False),
        (1, 7, ZEN_3, tf.float32, True),
        (1, 8, ZEN_3, tf.float32, False),
        (3, 14, ZEN_4, tf.float32, False),
        (3, 14, ZEN_4, tf.bfloat16, True),
        (1, 15, ZEN_4, tf.bfloat16, False),
        (3, 12, XEON_WITH_AMX, tf.bfloat16, True),
        (3, 13, XEON_WITH_AMX, tf.bfloat16, False),
        (1, 56, XEON_WITH_AMX, tf.bfloat16, True),
        (1, 57, XEON_WITH_AMX, tf.bfloat16, False),
        (1, 7, XEON_WITH_AMX, tf.float32, False),
    ],
)
def test_products_derive_by_small_pictures(
    monkeypatch, kernel_size, side, cpu_flags, dtype, expected
):
    monkeypatch.setattr(environment, "cpu_flags", lambda: cpu_flags)
    monkeypatch.setattr(environment, "has_onednn", lambda: True)
    kinds = list_kinds_of_ops(side, kernel_size, dtype, strides=1, padding="SAME")
    assert ("Conv2DBackpropFilter" not in kinds) is expected


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("side", [8, 9])
def test_a_strided_kernel_of_one_pixel_needs_no_strides(monkeypatch, padding, side):
    monkeypatch.setattr(environment, "cpu_flags", lambda: ZEN_3)
    monkeypatch.setattr(environment, "has_onednn", lambda: True)
    kinds = list_kinds_of_ops(side, 1, strides=2, padding=padding)
    assert "MatMul" in kinds
    # Needed where there are strides.
    assert not kinds & {"ExtractImagePatches", "Conv2DBackpropFilter"}


@pytest.mark.parametrize(("kernel_size", "strides", "padding"), CASES)
@pytest.mark.parametrize("side", [8, 9, 31])
def test_gradients_in_bfloat16_are_those_of_float32(
    kernel_size, strides, padding, side
):
    options = {"strides": strides, "padding": padding}
    tensors = draw(side, kernel_size, tf.bfloat16)
    found = differentiate(lambda i, k: convolution.convolve(i, k, **options), *tensors)
    exact = [tf.cast(tensor, tf.float32) for tensor in tensors]
    expected = differentiate(lambda i, k: tf.nn.conv2d(i, k, **options), *exact)
    for one, other in zip(found, expected, strict=True):
        # bfloat16 has 8 bits: 1/256 of the largest sum.
        error = np.abs(tf.cast(one, tf.float32) - other).max()
        assert error < np.abs(other).max() / 100


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_pictures_of_one_pixel_are_multiplied(dtype):
    tensors = draw(1, 1, dtype)
    options = {"strides": 1, "padding": "SAME"}
    found = differentiate(lambda i, k: convolution.convolve(i, k, **options), *tensors)
    exact = [tf.cast(tensor, tf.float32) for tensor in tensors]
    expected = differentiate(lambda i, k: tf.nn.conv2d(i, k, **options), *exact)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        atol = 1e-5 if dtype == tf.float32 else np.abs(other).max() / 100
        np.testing.assert_allclose(tf.cast(one, tf.float32), other, atol=atol)


@pytest.mark.parametrize(("kernel_size", "strides"), [(1, 1), (3, 1), (3, 2), (7, 2)])
@pytest.mark.parametrize("side", [8, 9])
def test_even_padding_is_half_a_kernel_on_each_side(kernel_size, strides, side):
    inputs, kernel = draw(side, kernel_size)
    layer = convolution.Conv2D(
        6,
        kernel_size,
        strides=strides,
        padding="EVEN",
        kernel_initializer=lambda shape, **_: tf.reshape(kernel, shape),
    )
    margin = [kernel_size // 2] * 2
    expected = tf.nn.conv2d(inputs, kernel, strides, [[0, 0], margin, margin, [0, 0]])
    np.testing.assert_allclose(layer(inputs), expected, atol=1e-5)


def test_a_bias_is_added():
    inputs, _ = draw(8, 1)
    layer = convolution.Conv2D(6, 1, kernel_initializer="zeros", use_bias=True)
    layer.build(inputs.shape)
    layer.bias.assign(tf.range(6, dtype=tf.float32))
    np.testing.assert_array_equal(layer(inputs)[1, 3, 4], range(6))
