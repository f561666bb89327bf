import numpy as np
import pytest
import tensorflow as tf

from tests import networks
from trainer import errors
from trainer.models import normalization, pretrained

BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def name_efficientnet(model):
    """Names as tensorflow/tpu has them -> paths, written down layer by layer."""
    names = {"stem/conv2d/kernel": "stem_conv/kernel"}
    names |= name_norm("stem/tpu_batch_normalization", "stem_bn")
    blocks = dict.fromkeys(
        one.path.split("_")[0] for one in model.weights if one.path[:5] == "block"
    )
    for number, block in enumerate(blocks):
        scope, first = f"blocks_{number}", int(number > 0)
        if first:
            names[f"{scope}/conv2d/kernel"] = f"{block}_expand_conv/kernel"
            names |= name_norm(f"{scope}/tpu_batch_normalization", f"{block}_expand_bn")
        kernel = f"{block}_dwconv/kernel"
        names[f"{scope}/depthwise_conv2d/depthwise_kernel"] = kernel
        names |= name_norm(count(f"{scope}/tpu_batch_normalization", first), block)
        for part in ("kernel", "bias"):
            names[f"{scope}/se/conv2d/{part}"] = f"{block}_se_reduce/{part}"
            names[f"{scope}/se/conv2d_1/{part}"] = f"{block}_se_expand/{part}"
        project = f"{block}_project_conv/kernel"
        names[f"{count(f'{scope}/conv2d', first)}/kernel"] = project
        norm = count(f"{scope}/tpu_batch_normalization", first + 1)
        names |= name_norm(norm, f"{block}_project_bn")
    names["head/conv2d/kernel"] = "top_conv/kernel"
    names |= name_norm("head/tpu_batch_normalization", "top_bn")
    names |= {f"head/dense/{one}": f"predictions/{one}" for one in ("kernel", "bias")}
    return {f"efficientnet-b0/{theirs}": ours for theirs, ours in names.items()}


def count(name, number):
    return f"{name}_{number}" if number else name


def name_norm(theirs, ours):
    ours = ours if ours.endswith("bn") else f"{ours}_bn"
    return {f"{theirs}/{one}": f"{ours}/{one}" for one in BATCH_NORM}


def name_resnet(_model):
    names = {"conv2d/kernel": "conv1_conv/kernel"}
    names |= name_norm("batch_normalization", "conv1_bn")
    number = 0
    for stage, num_blocks in enumerate((3, 4, 6, 3)):
        for block in range(num_blocks):
            for layer in (1, 2, 3) if block else (0, 1, 2, 3):
                number += 1
                ours = f"conv{stage + 2}_block{block + 1}_{layer}"
                names[f"conv2d_{number}/kernel"] = f"{ours}_conv/kernel"
                names |= name_norm(f"batch_normalization_{number}", f"{ours}_bn")
    return names | {f"dense/{one}": f"predictions/{one}" for one in ("kernel", "bias")}


def write(directory, tensors):
    prefix = str(directory / "model.ckpt-7")
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    return prefix


@pytest.mark.parametrize(
    ("model_type", "name"),
    [("efficientnet-b0", name_efficientnet), ("resnet-50", name_resnet)],
)
def test_averages_of_tensorflow_tpu_are_taken(tmp_path, model_type, name):
    source = networks.build_random(model_type)
    names = name(source)
    values = {variable.path: variable.numpy() for variable in source.weights}
    assert sorted(names.values()) == sorted(values)
    last = {theirs: np.zeros_like(values[ours]) for theirs, ours in names.items()}
    average = {
        f"{theirs}/ExponentialMovingAverage": values[ours]
        for theirs, ours in names.items()
    }
    momentum = {f"{theirs}/Momentum": value for theirs, value in last.items()}
    tensors = last | average | momentum | {"global_step": np.int64(7)}
    found = networks.load(write(tmp_path, tensors), model_type)
    np.testing.assert_array_equal(networks.answer(found), networks.answer(source))


def test_last_values_of_tensorflow_tpu_do_without_averages(tmp_path):
    kernel = np.ones([7, 7, 3, 64], np.float32)
    path = write(tmp_path, {"conv2d/kernel": kernel})
    found = pretrained.read_weights(path, "resnet-50").tensors
    np.testing.assert_array_equal(found["conv1_conv/kernel"], kernel)


def test_the_small_resnets_of_tensorflow_tpu_are_other_networks(tmp_path):
    path = write(tmp_path, {"conv2d/kernel": np.ones([7, 7, 3, 64], np.float32)})
    with pytest.raises(errors.ConfigError, match="a projection in its first block"):
        pretrained.read_weights(path, "resnet-18")


def test_adversarial_weights_take_other_pixels(tmp_path):
    (tmp_path / "advprop").mkdir()
    kernel = np.ones([3, 3, 3, 32], np.float32)
    tensors = {"efficientnet-b0/stem/conv2d/kernel": kernel}
    for folder, expected in (
        (tmp_path, normalization.IMAGENET),
        (tmp_path / "advprop", normalization.HALF),
    ):
        weights = pretrained.read_weights(write(folder, tensors), "efficientnet-b0")
        assert weights.variant.normalization == expected
