import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models import join, one_pass

SHAPE = (3, 6, 6, 4)


def draw(seed, dtype):
    return tf.cast(tf.random.stateless_normal(SHAPE, [0, seed]), dtype)


def differentiate(function, dtype):
    """Of two readers that count differently: outputs, and gradients."""
    first, second = draw(0, dtype), draw(1, dtype)
    with tf.GradientTape() as tape:
        tape.watch([first, second])
        one, other = function(first, second)
        loss = tf.reduce_sum(one * draw(2, dtype)) + tf.reduce_sum(
            other * draw(3, dtype)
        )
    made = [one, other, *tape.gradient(loss, [first, second])]
    return [tf.cast(each, tf.float32) for each in made]


def join_by_layer(first, second, *, training=True):
    policy = keras.DTypePolicy(first.dtype.name)
    return join.Join("relu", dtype=policy)([first, second], training=training)


def join_plainly(first, second):
    return [tf.nn.relu(first + second)] * 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("min_values", [0, 2**40])
def test_joins_and_their_gradients_are_those_of_the_formula(
    monkeypatch, min_values, dtype
):
    monkeypatch.setattr(one_pass, "MIN_VALUES", min_values)
    found = differentiate(join_by_layer, dtype)
    expected = differentiate(join_plainly, dtype)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0.01, atol=0.02)


def test_the_last_join_has_one_reader(monkeypatch):
    monkeypatch.setattr(one_pass, "MIN_VALUES", 0)
    first, second = draw(0, "float32"), draw(1, "float32")
    with tf.GradientTape() as tape:
        tape.watch(first)
        loss = tf.reduce_sum(join_by_layer(first, second)[0])
    expected = tf.cast(first + second > 0, tf.float32)
    np.testing.assert_array_equal(tape.gradient(loss, first), expected)


def test_only_training_is_compiled(monkeypatch):
    """So that an export has TensorFlow's own kernels."""
    monkeypatch.setattr(one_pass, "MIN_VALUES", 0)

    def list_ops(*, training):
        @tf.function
        def run(first, second):
            return join_by_layer(first, second, training=training)

        graph = run.get_concrete_function(*[tf.TensorSpec(SHAPE)] * 2).graph
        return {one.type for one in graph.get_operations()}

    calls = {"PartitionedCall", "StatefulPartitionedCall"}
    assert list_ops(training=True) & calls
    assert not list_ops(training=False) & calls
