import pytest
import tensorflow as tf

from tests import feature_vectors
from trainer import config, errors
from trainer.models import hub
from trainer.training import backbone_fit


def fit(handle, *, num_replicas=1, **flags):
    with hub.opened(handle) as backbone:
        job = config.TrainConfig(model_type="hub", hub_handle=handle, **flags)
        return backbone_fit.fit(job, backbone, num_replicas)


def test_a_fixed_size_is_taken_and_another_refused(tmp_path):
    handle, _ = feature_vectors.write(tmp_path, side=48)
    assert fit(handle).resolved_image_size == 48
    assert fit(handle, image_size=48).resolved_image_size == 48
    with pytest.raises(errors.ConfigError, match="--image_size=64 does not go with"):
        fit(handle, image_size=64)


def test_a_model_of_any_size_gets_224_or_what_is_asked(tmp_path):
    handle, _ = feature_vectors.write(tmp_path)
    assert fit(handle).resolved_image_size == 224
    assert fit(handle, image_size=64).resolved_image_size == 64


def test_statistics_of_its_own_need_one_replica(tmp_path):
    handle, _ = feature_vectors.write(tmp_path)
    with pytest.raises(errors.ConfigError, match="which 2 replicas can't share; give"):
        fit(handle, num_replicas=2)
    fit(handle, num_replicas=2, freeze_batch_norm="true")
    fit(handle, num_replicas=2, freeze_backbone=True)


def test_random_numbers_of_its_own_are_warned_of(tmp_path, caplog):
    handle, _ = feature_vectors.write(tmp_path, draws=True)
    fit(handle, freeze_batch_norm="true")
    assert "draws random numbers" not in caplog.text
    fit(handle)
    assert f"--hub_handle={handle} draws random numbers in training" in caplog.text


def test_one_without_trainable_variables_has_to_be_frozen(tmp_path):
    module = tf.Module()
    module.weight = tf.Variable([1.0], trainable=False)
    module.__call__ = tf.function(
        lambda inputs: tf.reduce_mean(inputs, [1, 2]) * module.weight,
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)],
    )
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(errors.ConfigError, match="no variables that can be trained"):
        fit(str(tmp_path))
    fit(str(tmp_path), freeze_backbone=True)
