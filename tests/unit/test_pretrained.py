import keras
import numpy as np
import pytest

from trainer import errors
from trainer.models import pretrained
from trainer.training import checkpoints


def build_model(num_classes=3):
    inputs = keras.Input([4, 4, 3])
    hidden = keras.layers.Conv2D(5, 3, name="conv")(inputs)
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    outputs = keras.layers.Dense(num_classes, name="predictions")(hidden)
    return keras.Model(inputs, outputs)


def load(model, path):
    weights = pretrained.read_weights(path, "resnet-18")
    pretrained.load_weights(model, weights.tensors, path)


@pytest.fixture
def checkpoint_dir(tmp_path):
    model = build_model()
    model.set_weights([np.full(one.shape, 0.5) for one in model.weights])
    named = {variable.path: variable.value for variable in model.variables}
    checkpoints.Checkpoints(str(tmp_path), named).save(7, {})
    return tmp_path


@pytest.mark.parametrize("suffix", ["", "/model.ckpt-7", "/model.ckpt-7.index"])
def test_weights_come_from_a_checkpoint_or_its_directory(checkpoint_dir, suffix):
    model = build_model()
    load(model, f"{checkpoint_dir}{suffix}")
    for weight in model.get_weights():
        np.testing.assert_array_equal(weight, 0.5)


@pytest.mark.parametrize("suffix", ["", "/model.ckpt-7", "/model.ckpt-7.index"])
def test_weights_come_from_gs(bucket, checkpoint_dir, suffix):
    model = build_model()
    remote = bucket.write_dir(checkpoint_dir, "earlier/checkpoints")
    load(model, f"{remote}{suffix}")
    for weight in model.get_weights():
        np.testing.assert_array_equal(weight, 0.5)


def test_nothing_on_gs_is_refused(bucket):
    path = f"{bucket.url}/nothing/model.ckpt-1"
    with pytest.raises(errors.ConfigError, match=f"{path} is no readable checkpoint"):
        load(build_model(), path)


def test_a_head_of_another_size_stays_as_it_is(checkpoint_dir, caplog):
    caplog.set_level("INFO")
    model = build_model(num_classes=8)
    before = model.get_layer("predictions").kernel.numpy()
    load(model, str(checkpoint_dir))
    assert np.all(model.get_layer("conv").kernel.numpy() == 0.5)
    np.testing.assert_array_equal(model.get_layer("predictions").kernel.numpy(), before)
    assert "2 of 4 variables" in caplog.text
    assert (
        "predictions/kernel starts at random: [5, 3] there, [5, 8] here" in caplog.text
    )


def test_a_checkpoint_of_another_model_is_refused(checkpoint_dir):
    model = keras.Sequential([keras.Input([4]), keras.layers.Dense(2, name="other")])
    with pytest.raises(errors.ConfigError, match="has 0 of the model's 2 variables"):
        load(model, str(checkpoint_dir))


@pytest.mark.parametrize("name", ["nothing", "empty", "text.ckpt"])
def test_what_is_no_checkpoint_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    with pytest.raises(errors.ConfigError, match="is no readable checkpoint"):
        load(build_model(), str(tmp_path / name))


def test_a_web_address_without_a_server_is_refused():
    with pytest.raises(
        errors.ConfigError, match=r"/x/1 can't be downloaded \(.*refused"
    ):
        pretrained.read_weights("http://127.0.0.1:9/x/1", "resnet-18")
