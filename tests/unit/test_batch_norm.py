import numpy as np
import pytest
import tensorflow as tf

from tests.unit.test_activations import REFERENCES
from trainer.models import batch_norm, one_pass

EPSILON = 1e-3
# Sides whose squares have small factors, odd ones, one of its own, and a large one.
SHAPES = [(3, 8, 8, 5), (2, 15, 7, 3), (2, 13, 13, 4), (4, 1, 1, 6), (1, 67, 1, 3)]


def draw(shape, seed=0, dtype=tf.float32):
    drawn = tf.random.stateless_normal(shape, [0, seed], 2.0, 3.0)
    return tf.cast(drawn, dtype)


def differentiate(function, inputs, upstream, channels):
    """Outputs, and the gradients of inputs, gamma and beta."""
    gamma = tf.cast(tf.linspace(0.5, 1.5, channels), upstream.dtype)
    beta = tf.cast(tf.linspace(-1.0, 2.0, channels), upstream.dtype)
    if inputs.dtype == tf.bfloat16:
        gamma, beta = tf.cast(gamma, tf.float32), tf.cast(beta, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([inputs, gamma, beta])
        outputs = function(inputs, gamma, beta)
    gradients = tape.gradient(outputs, [inputs, gamma, beta], upstream)
    return [tf.cast(one, tf.float64) for one in (outputs, *gradients)]


def reference(activation, statistics=None):
    def run(inputs, gamma, beta):
        mean, variance = statistics or tf.nn.moments(inputs, [0, 1, 2])
        mean, variance = (tf.cast(one, inputs.dtype) for one in (mean, variance))
        normalized = (inputs - mean) / tf.sqrt(variance + EPSILON) * gamma + beta
        return REFERENCES[activation](normalized)

    return run


def by_batch(activation):
    def run(inputs, gamma, beta):
        return batch_norm.normalize_by_batch(
            inputs,
            gamma,
            beta,
            shift=tf.ones([inputs.shape[-1]]),
            form=batch_norm.Form(EPSILON, activation, inputs.dtype),
        ).outputs

    return run


def compare(ours, theirs, shape, dtype=tf.float32, tolerance=1e-4):
    inputs, upstream = draw(shape, dtype=dtype), draw(shape, 1, dtype)
    found = differentiate(ours, inputs, upstream, shape[-1])
    inputs, upstream = (tf.cast(one, tf.float64) for one in (inputs, upstream))
    expected = differentiate(theirs, inputs, upstream, shape[-1])
    for one, other in zip(found, expected, strict=True):
        largest = max(1.0, float(tf.reduce_max(tf.abs(other))))
        np.testing.assert_allclose(one / largest, other / largest, atol=tolerance)


@pytest.mark.parametrize("activation", REFERENCES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_is_normalised_and_derived_as_the_formula_says(activation, shape):
    compare(by_batch(activation), reference(activation), shape)


@pytest.mark.parametrize("activation", REFERENCES)
def test_lower_precision_rounds_only_what_goes_in_and_out(activation):
    shape = (3, 8, 8, 5)
    compare(by_batch(activation), reference(activation), shape, tf.bfloat16, 0.01)


@pytest.mark.parametrize("activation", REFERENCES)
def test_given_statistics_are_no_function_of_the_inputs(activation):
    statistics = batch_norm.Statistics(*np.float32([[1.0, 2.0, 3.0], [4.0, 9.0, 1.0]]))

    def ours(inputs, gamma, beta):
        return batch_norm.normalize_by_statistics(
            inputs,
            gamma,
            beta,
            statistics=statistics,
            form=batch_norm.Form(EPSILON, activation, inputs.dtype),
        ).outputs

    compare(ours, reference(activation, statistics), (2, 6, 6, 3))


STATISTICS = batch_norm.Statistics(
    *np.float32([[1.0, 2.0, 3.0, 0.0, 2.0], [4.0, 9.0, 1.0, 1.0, 4.0]])
)


@pytest.mark.parametrize("statistics", [None, STATISTICS], ids=["batch", "given"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(tf.float32, 1e-4), (tf.bfloat16, 0.02)]
)
def test_what_is_squeezed_has_its_gradient(statistics, dtype, tolerance):
    def ours(inputs, gamma, beta):
        form = batch_norm.Form(EPSILON, "swish", inputs.dtype, squeezes=True)
        if statistics:
            found = batch_norm.normalize_by_statistics(
                inputs, gamma, beta, statistics=statistics, form=form
            )
        else:
            shift = tf.ones([inputs.shape[-1]])
            found = batch_norm.normalize_by_batch(
                inputs, gamma, beta, shift=shift, form=form
            )
        return found.outputs * tf.sigmoid(found.squeezed)

    def theirs(*arguments):
        outputs = reference("swish", statistics)(*arguments)
        return outputs * tf.sigmoid(tf.reduce_mean(outputs, [1, 2], keepdims=True))

    compare(ours, theirs, (3, 8, 8, 5), dtype, tolerance)


def test_the_number_of_pictures_may_be_unknown():
    inputs = draw((3, 8, 8, 5))
    ones, zeros = tf.ones([5]), tf.zeros([5])
    traced = tf.function(
        lambda one: by_batch("swish")(one, ones, zeros),
        input_signature=[tf.TensorSpec([None, 8, 8, 5])],
    )
    np.testing.assert_allclose(
        traced(inputs), by_batch("swish")(inputs, ones, zeros), atol=1e-6
    )


def test_a_mean_far_from_zero_costs_no_digits():
    inputs = draw((4, 8, 8, 5)) + 1000.0
    found = batch_norm.normalize_by_batch(
        inputs,
        tf.ones([5]),
        tf.zeros([5]),
        shift=tf.fill([5], 1000.0),
        form=batch_norm.Form(EPSILON, "linear", "float32"),
    )
    expected = np.var(np.float64(inputs), (0, 1, 2), ddof=1)
    np.testing.assert_allclose(found.variance, expected, rtol=1e-5)
    np.testing.assert_allclose(found.mean, np.mean(inputs, (0, 1, 2)), rtol=1e-6)


def test_an_accelerator_has_the_same_sums_as_one_program(monkeypatch):
    # None is at hand: XLA compiles for the CPU what it would for one.
    monkeypatch.setattr(one_pass, "has_accelerator", lambda: True)

    @tf.function(jit_compile=True)
    def run(inputs, gamma, beta):
        return by_batch("swish")(inputs, gamma, beta)

    compare(run, reference("swish"), (3, 8, 8, 5))


def test_threads_do_not_change_a_bit():
    shape = (32, 64, 64, 16)
    inputs, upstream = draw(shape), draw(shape, 1)
    assert one_pass.pays(inputs)
    first, *others = [
        differentiate(by_batch("swish"), inputs, upstream, shape[-1]) for _ in range(4)
    ]
    for other in others:
        for one, again in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, again)


def test_channels_without_a_kernel_pay_in_smaller_layers(monkeypatch):
    sixteens, others = tf.zeros([32, 28, 28, 32]), tf.zeros([32, 28, 28, 40])
    assert not batch_norm.pays(sixteens)
    assert batch_norm.pays(others)
    assert not batch_norm.pays(tf.zeros([2, 7, 7, 40]))
    monkeypatch.setattr(one_pass, "has_accelerator", lambda: True)
    assert not batch_norm.pays(others)
