import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.training import moving_average


def build(*values):
    return [
        keras.Variable(np.float32(value), name=f"v{number}")
        for number, value in enumerate(values)
    ]


def test_it_is_that_of_tensorflow_1():
    (variable,) = variables = build(1.0)
    average = moving_average.MovingAverage(variables, 0.6)
    reference = tf.Variable(1.0)
    expected = tf.train.ExponentialMovingAverage(0.6, num_updates=tf.Variable(0))
    expected.apply([reference])
    for step in range(1, 12):
        variable.assign(step**2)
        reference.assign(step**2)
        expected = _with_num_updates(expected, step)
        expected.apply([reference])
        average.update(tf.constant(step, tf.int64))
        found = average.variables["v0/ExponentialMovingAverage"]
        np.testing.assert_allclose(found, expected.average(reference), rtol=1e-6)


def _with_num_updates(average, step):
    average._num_updates = tf.constant(step)
    return average


def test_restarting_forgets():
    (variable,) = variables = build(1.0)
    average = moving_average.MovingAverage(variables, 0.9)
    variable.assign(5.0)
    assert float(average.find(variable)) == 1.0
    average.restart()
    assert float(average.find(variable)) == 5.0


def test_what_is_no_float_has_no_average():
    seed = keras.Variable(np.uint32([1, 2]), dtype="uint32", name="seed")
    average = moving_average.MovingAverage([*build(1.0), seed], 0.9)
    assert list(average.variables) == ["v0/ExponentialMovingAverage"]
    assert average.find(seed) is seed.value


@pytest.mark.parametrize(("step", "share"), [(1, 9 / 11), (9, 9 / 19), (10**6, 0.01)])
def test_the_decay_warms_up(step, share):
    (variable,) = variables = build(0.0)
    average = moving_average.MovingAverage(variables, 0.99)
    variable.assign(1.0)
    average.update(tf.constant(step, tf.int64))
    assert float(average.find(variable)) == pytest.approx(share, rel=1e-4)
