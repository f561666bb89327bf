import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.unit.test_layers import build_builder
from trainer.models import dropout


def test_dropout_acts_in_training_only():
    layer = dropout.Dropout(0.5, seed=1, name="drop")
    ones = tf.ones([100, 10])
    np.testing.assert_array_equal(layer(ones, training=False), ones)
    dropped = layer(ones, training=True).numpy()
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert 0.4 < (dropped == 0).mean() < 0.6
    assert not np.array_equal(dropped, layer(ones, training=True))


def build_dropping_model():
    build = build_builder()
    outputs = inputs = keras.Input([4, 4, 2])
    for number, rate in enumerate((0.1, 0.2)):
        outputs = build.stochastic_depth(outputs, rate, name=f"block{number}_drop")
    return keras.Model(inputs, build.dropout(outputs, 0.3, name="top_dropout"))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, [0.1, 0.2, 0.3]),
        ({"dropout_rate": 0.5}, [0.1, 0.2, 0.5]),
        ({"survival_prob": 0.6}, [0.2, 0.4, 0.3]),
        ({"dropout_rate": 0.0, "survival_prob": 1.0}, [0.0, 0.0, 0.0]),
    ],
)
def test_drop_rates_are_changed_where_asked_for(flags, expected):
    model = build_dropping_model()
    options = {"dropout_rate": None, "survival_prob": None, **flags}
    dropout.set_drop_rates(model, **options)
    found = [one.rate for one in model.layers if isinstance(one, dropout.Dropout)]
    assert found == pytest.approx(expected)
    if not any(expected):
        inputs = tf.ones([3, 4, 4, 2])
        np.testing.assert_array_equal(model(inputs, training=True), inputs)
