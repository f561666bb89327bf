import numpy as np
import tensorflow as tf

from trainer.training import loss_scale


def test_gradients_come_back_at_their_size():
    scale = loss_scale.LossScale()
    scaled = scale.scale(tf.constant(2.0))
    assert float(scaled) == 2 * loss_scale.INITIAL_SCALE
    (gradient,), is_finite = scale.unscale([tf.stack([scaled, -scaled])])
    np.testing.assert_allclose(gradient, [2, -2])
    assert bool(is_finite)


def test_an_overflow_halves_the_scale():
    scale = loss_scale.LossScale()
    _, is_finite = scale.unscale([tf.constant([1.0]), tf.constant([np.inf])])
    assert not bool(is_finite)
    assert float(scale.scale(1.0)) == loss_scale.INITIAL_SCALE / 2


def test_quiet_steps_double_the_scale():
    scale = loss_scale.LossScale()
    scale.variables["loss_scale/good_steps"].assign(loss_scale.STEPS_TO_DOUBLE - 1)
    scale.unscale([tf.constant([1.0])])
    assert float(scale.scale(1.0)) == loss_scale.INITIAL_SCALE * 2
    assert int(scale.variables["loss_scale/good_steps"]) == 0
