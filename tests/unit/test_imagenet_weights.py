import keras
import numpy as np
import pytest

from trainer import errors
from trainer.models import pretrained


def test_a_type_that_keras_has_no_weights_of_is_refused():
    with pytest.raises(errors.ConfigError, match="no weights of efficientnet-lite"):
        pretrained.read_weights("imagenet", "efficientnet-lite0")


def test_a_machine_without_network_gets_one_sentence(monkeypatch):
    def fail(weights):
        # As keras.utils.get_file does.
        raise Exception(f"URL fetch failure on https://storage/{weights}")

    monkeypatch.setattr(keras.applications, "ResNet50", fail)
    with pytest.raises(errors.ConfigError, match=r"can't be downloaded \(URL fetch f"):
        pretrained.read_weights("imagenet", "resnet-50")


def test_the_weights_of_its_layers_are_taken(monkeypatch):
    stem = keras.layers.Conv2D(64, 7, name="conv1_conv")

    def build(weights):
        assert weights == "imagenet"
        return keras.Sequential([keras.Input([32, 32, 3]), stem])

    monkeypatch.setattr(keras.applications, "ResNet50", build)
    weights = pretrained.read_weights("imagenet", "resnet-50")
    # Blue comes first there.
    np.testing.assert_array_equal(
        weights.tensors["conv1_conv/kernel"], stem.kernel.numpy()[:, :, ::-1]
    )
    assert weights.variant.first_has_stride
