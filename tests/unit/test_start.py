import dataclasses

import numpy as np
import pytest

from tests import networks, torch_files
from trainer import config, errors
from trainer.models import factory
from trainer.models import variant as variants
from trainer.models.pretrained import torch_resnet
from trainer.training import checkpoints, start
from trainer.training.layout import own_layout


@pytest.fixture
def weights_path(tmp_path):
    stem = np.zeros([64, 3, 7, 7], np.float32)
    torch_files.write_zip(tmp_path / "resnet18.pth", {"conv1.weight": stem})
    return str(tmp_path / "resnet18.pth")


def find(tmp_path, path):
    job = config.TrainConfig(
        job_dir=str(tmp_path / "job"),
        num_classes=3,
        max_steps=1,
        model_type="resnet-18",
        pretrained_checkpoint_path=path,
    )
    default = factory.default_variant("resnet-18")
    return start.find_start(job, own_layout(job.job_dir), default)


def save_checkpoint(tmp_path, job_state):
    directory = str(tmp_path / "job" / "checkpoints")
    checkpoints.Checkpoints(directory, {}).save(3, job_state)


def test_a_job_without_weights_computes_as_by_default(tmp_path):
    found = find(tmp_path, "")
    assert found.variant == factory.default_variant("resnet-18")
    assert found.weights is None
    model = networks.build("resnet-18")
    before = networks.answer(model)
    found.load(model)
    np.testing.assert_array_equal(networks.answer(model), before)


def test_weights_say_how_the_job_computes(tmp_path, weights_path):
    found = find(tmp_path, weights_path)
    assert found.variant == torch_resnet.VARIANT
    with pytest.raises(errors.ConfigError, match="has 1 of the model's 102 variables"):
        found.load(networks.build("resnet-18"))


def test_a_job_that_goes_on_computes_as_before_without_the_file(tmp_path):
    variant = dataclasses.replace(torch_resnet.VARIANT, batch_norm_epsilon=0.5)
    save_checkpoint(tmp_path, {"variant": variant.export()})
    found = find(tmp_path, "/gone.pth")
    assert found.variant == variant
    assert found.weights is None


def test_checkpoints_of_earlier_versions_compute_as_by_default(tmp_path):
    save_checkpoint(tmp_path, {})
    assert find(tmp_path, "/gone.pth").variant == variants.RESNET


def test_the_checkpoint_of_another_job_brings_its_variant(tmp_path):
    variant = dataclasses.replace(torch_resnet.VARIANT, batch_norm_epsilon=0.5)
    other = tmp_path / "other"
    checkpoints.Checkpoints(str(other), {}).save(3, {"variant": variant.export()})
    assert find(tmp_path, str(other)).variant == variant
