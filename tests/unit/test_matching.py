import keras
import numpy as np
import pytest

from trainer import errors
from trainer.models import pretrained


@pytest.fixture
def model():
    inputs = outputs = keras.Input([4])
    for name, units in (("body", 3), ("body2", 2), ("predictions", 5)):
        outputs = keras.layers.Dense(units, name=name)(outputs)
    return keras.Model(inputs, outputs)


def values_of(model, **changes):
    values = {one.path: np.full(one.shape, 0.5) for one in model.weights}
    return {
        name: changes.get(name.replace("/", "_"), value)
        for name, value in values.items()
        if changes.get(name.replace("/", "_"), value) is not None
    }


def test_all_that_matches_is_taken(model, caplog):
    caplog.set_level("INFO")
    pretrained.load_weights(model, values_of(model), "a.pth")
    assert all(np.all(value == 0.5) for value in model.get_weights())
    assert "start | 6 of 6 variables from a.pth" in caplog.text
    assert "at random" not in caplog.text


def test_other_classes_are_said_without_a_warning(model, caplog):
    caplog.set_level("INFO")
    changes = {"predictions_kernel": np.ones([2, 1000]), "predictions_bias": None}
    pretrained.load_weights(model, values_of(model, **changes), "a.pth")
    assert (
        "predictions/kernel starts at random: [2, 1000] there, [2, 5] here (other "
        "classes)" in caplog.text
    )
    assert "at random, absent there: predictions/bias" in caplog.text
    assert "WARNING" not in caplog.text


def test_a_body_with_gaps_is_warned_of(model, caplog):
    pretrained.load_weights(model, values_of(model, body2_bias=None), "a.pth")
    assert "a.pth lacks more than the classes" in caplog.text


def test_fewer_than_half_is_an_error_and_changes_nothing(model):
    before = model.get_weights()
    names = ("body_bias", "body2_kernel", "body2_bias", "predictions_bias")
    values = values_of(model, **dict.fromkeys(names))
    message = "a.pth has 2 of the model's 6 variables"
    with pytest.raises(errors.ConfigError, match=message):
        pretrained.load_weights(model, values, "a.pth")
    for value, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)
