import numpy as np
import pytest
import tensorflow as tf

from tests import networks, saved_models
from trainer import errors
from trainer.models import pretrained


def test_variables_are_found_by_name(tmp_path):
    source = networks.build_random("resnet-18")
    module = tf.Module()
    module.variables_of_the_network = [
        tf.Variable(variable.numpy(), name=variable.path) for variable in source.weights
    ]
    tf.saved_model.save(module, str(tmp_path))
    found = networks.load(tmp_path, "resnet-18")
    np.testing.assert_array_equal(networks.answer(found), networks.answer(source))


def test_a_model_that_a_job_exported_is_refused(tmp_path):
    saved_models.write(tmp_path / "model")
    with pytest.raises(errors.ConfigError, match="is a SavedModel without variables"):
        pretrained.read_weights(str(tmp_path / "model"), "resnet-18")
