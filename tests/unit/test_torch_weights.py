import importlib.util
import json
import struct
import subprocess
import sys

import numpy as np
import pytest

from tests import networks, torch_files
from trainer import errors
from trainer.models import normalization, pretrained
from trainer.models.pretrained import torch_efficientnet, torch_resnet

LIBRARIES = ("torch", "torchvision", "timm", "efficientnet_pytorch", "safetensors")


def write_source(tmp_path, library, name):
    """Logits of a network of PyTorch; its weights are beside them."""
    missing = [one for one in LIBRARIES if importlib.util.find_spec(one) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: nothing to compare with")
    np.save(tmp_path / "pixels.npy", networks.draw_pixels())
    output = tmp_path / f"{name}-1234abcd"
    command = [sys.executable, "-m", "tests.torch_source", library, name]
    subprocess.run([*command, tmp_path / "pixels.npy", output], check=True)
    return np.load(f"{output}.npy"), output


@pytest.mark.parametrize(
    ("library", "name", "suffix", "model_type"),
    [
        ("torchvision", "resnet18", "pth", "resnet-18"),
        pytest.param(
            *("timm", "resnet50", "safetensors", "resnet-50"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("torchvision", "efficientnet_b0", "pt", "efficientnet-b0"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("timm", "efficientnet_b0", "safetensors", "efficientnet-b0"),
            marks=pytest.mark.slow,
        ),
        ("timm", "tf_efficientnet_b0", "pt", "efficientnet-b0"),
        pytest.param(
            *("timm", "tf_efficientnet_b0.ap_in1k", "pth", "efficientnet-b0"),
            marks=pytest.mark.slow,
        ),
        ("timm", "tf_efficientnet_lite0", "safetensors", "efficientnet-lite0"),
        pytest.param(
            *("timm", "efficientnet_lite0", "pth", "efficientnet-lite0"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("efficientnet_pytorch", "efficientnet-b1", "pth", "efficientnet-b1"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("torchvision", "efficientnet_b5", "pth", "efficientnet-b5"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("timm", "tf_efficientnet_lite2", "pth", "efficientnet-lite2"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_network_answers_as_its_source(tmp_path, library, name, suffix, model_type):
    expected, output = write_source(tmp_path, library, name)
    found = networks.answer(networks.load(f"{output}.{suffix}", model_type))
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("library", "theirs", "ours"),
    [
        ("_conv_stem.weight", "_blocks.0._project_conv", "block1a_project_conv"),
        ("_conv_stem.weight", "_blocks.2._bn1", "block2b_bn"),
        ("_conv_stem.weight", "_blocks.15._se_reduce", "block7a_se_reduce"),
        ("_conv_stem.weight", "_blocks.16._bn1", None),
        ("conv_stem.weight", "blocks.0.0.conv_pw", "block1a_project_conv"),
        ("conv_stem.weight", "blocks.1.1.conv_pw", "block2b_expand_conv"),
        ("conv_stem.weight", "blocks.6.0.se.conv_expand", "block7a_se_expand"),
        ("conv_stem.weight", "blocks.6.1.bn3", None),
        ("features.0.0.weight", "features.1.0.block.2.1", "block1a_project_bn"),
        ("features.0.0.weight", "features.5.2.block.1.0", "block5c_dwconv"),
        ("features.0.0.weight", "features.8.1", "top_bn"),
        ("features.0.0.weight", "features.9.1", None),
    ],
)
def test_layers_of_efficientnet_are_found(library, theirs, ours):
    _, names = torch_efficientnet.STEMS[library]
    found = torch_efficientnet.rename_layer(theirs, names, "efficientnet-b0")
    assert found == ours


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv1", "conv1_conv"),
        ("layer1.0.downsample.1", "conv2_block1_0_bn"),
        ("layer4.2.conv3", "conv5_block3_3_conv"),
        ("fc", "predictions"),
        ("layer5.0.conv1", None),
    ],
)
def test_layers_of_resnet_are_found(theirs, ours):
    assert torch_resnet.rename_layer(theirs) == ours


def write_timm(path):
    stem = np.zeros([32, 3, 3, 3], np.float32)
    torch_files.write_zip(path, {"module.conv_stem.weight": stem})
    return str(path)


@pytest.mark.parametrize(
    ("name", "epsilon", "padding", "numbers"),
    [
        ("tf_efficientnet_b0_ns-c0e6a31c.pth", 1e-3, "SAME", normalization.IMAGENET),
        ("tf_efficientnet_b0_ap-f262efe1.pth", 1e-3, "SAME", normalization.HALF),
        ("efficientnet_b0_ra-3dd342df.pth", 1e-5, "EVEN", normalization.IMAGENET),
    ],
)
def test_timms_names_say_how_it_computes(tmp_path, name, epsilon, padding, numbers):
    weights = pretrained.read_weights(write_timm(tmp_path / name), "efficientnet-b0")
    assert weights.variant.batch_norm_epsilon == epsilon
    assert weights.variant.conv_padding == padding
    assert weights.variant.normalization == numbers
    assert weights.tensors["stem_conv/kernel"].shape == (3, 3, 3, 32)


def test_timms_config_says_it_better(tmp_path):
    content = {"mean": [0.5] * 3, "std": [0.25] * 3}
    (tmp_path / "config.json").write_text(
        json.dumps({"architecture": "tf_efficientnet_b0", "pretrained_cfg": content})
    )
    path = write_timm(tmp_path / "model.bin")
    variant = pretrained.read_weights(path, "efficientnet-b0").variant
    assert variant.conv_padding == "SAME"
    assert variant.normalization == ((127.5,) * 3, (63.75,) * 3)


def test_a_folder_as_hugging_face_has_it_is_read(tmp_path):
    content = {"pretrained_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    stem = np.zeros([64, 3, 7, 7], np.float32)
    write_safetensors(tmp_path / "model.safetensors", {"conv1.weight": ("F32", stem)})
    weights = pretrained.read_weights(str(tmp_path), "resnet-18")
    assert weights.variant.pool_padding == "EVEN"
    assert weights.variant.normalization == ((127.5,) * 3, (63.75,) * 3)


def test_timms_file_under_another_name_is_refused(tmp_path):
    path = write_timm(tmp_path / "best.pth")
    with pytest.raises(errors.ConfigError, match=r"best.pth has timm's names, .* name"):
        pretrained.read_weights(path, "efficientnet-b0")


def test_a_config_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{")
    path = write_timm(tmp_path / "tf_efficientnet_b0.pth")
    with pytest.raises(errors.ConfigError, match=r"config.json .* that is no JSON"):
        pretrained.read_weights(path, "efficientnet-b0")


def test_adversarial_weights_take_other_pixels(tmp_path):
    path = tmp_path / "adv-efficientnet-b0-b64d5a18.pth"
    stem = np.zeros([32, 3, 3, 3], np.float32)
    torch_files.write_pickles(path, {"_conv_stem.weight": stem})
    variant = pretrained.read_weights(str(path), "efficientnet-b0").variant
    assert variant.normalization == normalization.HALF


@pytest.mark.parametrize("model_type", ["resnet-18", "efficientnet-b0"])
def test_names_of_no_library_are_refused(tmp_path, model_type):
    torch_files.write_zip(tmp_path / "a.pth", {"x.weight": np.zeros(3, np.float32)})
    with pytest.raises(errors.ConfigError, match=r"a.pth has no.* the same --model_ty"):
        pretrained.read_weights(str(tmp_path / "a.pth"), model_type)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(errors.ConfigError, match=f"{name} is not there; give"):
        pretrained.read_weights(str(tmp_path / name), "resnet-18")


def write_safetensors(path, tensors):
    table, values = {"__metadata__": {"format": "pt"}}, b""
    for name, (dtype, array) in tensors.items():
        end = len(values) + array.nbytes
        offsets = [len(values), end]
        shape = list(array.shape)
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        values += array.tobytes()
    header = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + values)
    return str(path)


def test_safetensors_are_read_without_their_library(tmp_path):
    kernel = np.random.default_rng(0).normal(size=[64, 3, 7, 7]).astype(np.float32)
    upper = np.array([0x3F80, 0xC020], np.uint16)
    tensors = {"conv1.weight": ("F32", kernel), "fc.bias": ("BF16", upper)}
    path = write_safetensors(tmp_path / "a.safetensors", tensors)
    found = pretrained.read_weights(path, "resnet-18").tensors
    np.testing.assert_array_equal(
        found["conv1_conv/kernel"], kernel.transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(found["predictions/bias"], [1, -2.5])


def test_damaged_safetensors_are_refused(tmp_path):
    tensors = {"conv1.weight": ("F32", np.zeros([4, 3, 7, 7], np.float32))}
    path = write_safetensors(tmp_path / "a.safetensors", tensors)
    content = (tmp_path / "a.safetensors").read_bytes()
    for damaged in (b"", content[:50], content[:-8], b"\xff" * 16):
        (tmp_path / "a.safetensors").write_bytes(damaged)
        with pytest.raises(errors.ConfigError, match=r"damaged, or no .safetensors"):
            pretrained.read_weights(path, "resnet-18")
