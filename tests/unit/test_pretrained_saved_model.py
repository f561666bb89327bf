import io
import tarfile

import numpy as np
import pytest
import tensorflow as tf

from tests import hub_server, networks, saved_models
from trainer import errors
from trainer.models import pretrained


@pytest.fixture(scope="module")
def source():
    return networks.build_random("resnet-18")


@pytest.fixture(scope="module")
def folder(source, tmp_path_factory):
    module = tf.Module()
    module.variables_of_the_network = [
        tf.Variable(variable.numpy(), name=variable.path) for variable in source.weights
    ]
    path = tmp_path_factory.mktemp("source") / "model"
    tf.saved_model.save(module, str(path))
    return path


def test_variables_are_found_by_name(source, folder):
    found = networks.load(folder, "resnet-18")
    np.testing.assert_array_equal(networks.answer(found), networks.answer(source))


def test_an_archive_holds_the_same(source, folder, tmp_path):
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as file:
        file.add(folder, arcname=".")
    found = networks.load(tmp_path / "model.tar.gz", "resnet-18")
    np.testing.assert_array_equal(networks.answer(found), networks.answer(source))


def test_a_hub_address_is_asked_for_its_archive(source, folder):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as file:
        file.add(folder, arcname=".")
    with hub_server.serving(content.getvalue()) as server:
        weights = pretrained.read_weights(
            f"{server.address}/google/vector/1", "resnet-18"
        )
    values = {variable.path: variable.numpy() for variable in source.weights}
    assert weights.tensors.keys() >= values.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(weights.tensors[name], value)


def test_an_archive_of_something_else_is_refused(tmp_path):
    (tmp_path / "note.txt").write_text("no model")
    with tarfile.open(tmp_path / "other.tar", "w") as file:
        file.add(tmp_path / "note.txt", arcname="note.txt")
    with pytest.raises(errors.ConfigError, match=r"other.tar has no saved_model.pb"):
        pretrained.read_weights(str(tmp_path / "other.tar"), "resnet-18")


def test_a_model_that_a_job_exported_is_refused(tmp_path):
    saved_models.write(tmp_path / "model")
    with pytest.raises(errors.ConfigError, match="is a SavedModel without variables"):
        pretrained.read_weights(str(tmp_path / "model"), "resnet-18")
