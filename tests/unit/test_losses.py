import numpy as np
import pytest
import tensorflow as tf

from trainer.training import losses

LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, 3.0]], np.float32)
LABELS = np.array([0, 1], np.int32)


def expected_cross_entropy(label_smoothing):
    shifted = LOGITS.astype(np.float64)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    targets = np.eye(3)[LABELS] * (1 - label_smoothing) + label_smoothing / 3
    return -(targets * log_probabilities).sum(-1)


def cross_entropy(logits, label_smoothing, labels=LABELS):
    return losses.smoothed_cross_entropy(
        logits, labels, num_classes=3, label_smoothing=label_smoothing
    )


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.9])
def test_cross_entropy_is_the_formula_for_each_example(label_smoothing):
    loss = cross_entropy(LOGITS, label_smoothing)
    assert (loss.dtype, loss.shape) == (tf.float32, (2,))
    np.testing.assert_allclose(loss, expected_cross_entropy(label_smoothing), rtol=1e-6)


def test_cross_entropy_of_huge_logits_is_finite():
    loss = cross_entropy(np.array([[3e4, -3e4, 0.0]], np.float32), 0.0, [1])
    np.testing.assert_allclose(loss, [6e4], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_cross_entropy_of_half_precision_logits_is_computed_in_float32(dtype):
    logits = tf.cast(LOGITS, dtype)
    loss = cross_entropy(logits, 0.1)
    expected = cross_entropy(tf.cast(logits, tf.float32), 0.1)
    np.testing.assert_array_equal(loss, expected)


def test_label_smoothing_changes_the_loss():
    assert not np.allclose(cross_entropy(LOGITS, 0.1), cross_entropy(LOGITS, 0.2))


def test_gradient_of_cross_entropy_is_probabilities_minus_targets():
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = cross_entropy(logits, 0.1)
    targets = np.eye(3)[LABELS] * 0.9 + 0.1 / 3
    gradient = tape.gradient(loss, logits)
    np.testing.assert_allclose(gradient, tf.nn.softmax(LOGITS) - targets, atol=1e-6)


def test_l2_loss_halves_the_sum_of_squares_and_its_gradient_is_the_weights():
    variables = [tf.Variable([[1.0, -2.0]]), tf.Variable([3.0])]
    with tf.GradientTape() as tape:
        loss = losses.l2_loss(variables)
    gradients = tape.gradient(loss, variables)
    assert loss.numpy() == 7.0
    assert [g.numpy().tolist() for g in gradients] == [[[1.0, -2.0]], [3.0]]
