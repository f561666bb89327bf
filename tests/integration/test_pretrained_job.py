"""A job starts from PyTorch's weights, ends, and goes on without them."""

import json

import tensorflow as tf

from tests import jobs, networks, torch_files
from trainer.models.pretrained import torch_resnet, torch_tensors

PARAMETERS = {ours: theirs for theirs, ours in torch_tensors.PARAMETERS.items()}


def name_layers():
    """Our layers of a ResNet-18 -> torchvision's."""
    theirs = ["conv1", "bn1", "fc"]
    for stage in range(1, 5):
        for block in range(2):
            layer = f"layer{stage}.{block}"
            theirs += [
                f"{layer}.{kind}{one}" for kind in ("conv", "bn") for one in "12"
            ]
            theirs += [f"{layer}.downsample.{one}" for one in "01"]
    return {torch_resnet.rename_layer(name): name for name in theirs}


def write_weights(path):
    names, tensors = name_layers(), {}
    for variable in networks.build_random("resnet-18").weights:
        layer, _, name = variable.path.rpartition("/")
        value = variable.numpy()
        if name == "kernel":
            # A view, which is written as its row and strides.
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
        parameter = {"kernel": "weight", "bias": "bias"}.get(name) or PARAMETERS[name]
        tensors[f"{names[layer]}.{parameter}"] = value.copy()
    torch_files.write_zip(path, tensors)
    return path


def test_the_job_starts_ends_and_goes_on(data_dir, tmp_path):
    weights = write_weights(tmp_path / "resnet18.pth")
    flags = {"pretrained_checkpoint_path": weights, "train_steps_per_eval": 2}
    log = jobs.run_ok(data_dir, tmp_path / "job", max_steps=2, **flags)
    assert "start | PyTorch, torchvision or timm: " in log
    assert "100 of 102 variables" in log
    assert "predictions/kernel starts at random: [512, 7] there, [512, 3] here" in log
    weights.unlink()
    log = jobs.run_ok(data_dir, tmp_path / "job", max_steps=4, **flags)
    assert "resume | step 2" in log
    checkpoint = tf.train.load_checkpoint(str(tmp_path / "job" / "checkpoints"))
    variant = json.loads(checkpoint.get_tensor("job_state"))["variant"]
    assert variant == json.loads(json.dumps(torch_resnet.VARIANT.export()))
    assert (tmp_path / "job" / "model" / "saved_model.pb").exists()


def test_a_file_that_is_not_there_is_one_sentence(data_dir, tmp_path):
    done = jobs.run(
        data_dir, tmp_path, pretrained_checkpoint_path="/nowhere/resnet18.pth"
    )
    assert done.returncode == 1
    assert "--pretrained_checkpoint_path=/nowhere/resnet18.pth is not there" in (
        done.stderr
    )
    assert "Traceback" not in done.stderr
