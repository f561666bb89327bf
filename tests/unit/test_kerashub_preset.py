import importlib
import importlib.util
import json

import h5py
import numpy as np
import pytest

from tests import networks
from trainer import errors
from trainer.models import pretrained
from trainer.models import variant as variants
from trainer.models.normalization import Normalization

RESNET = {
    "class_name": "ResNetBackbone",
    "config": {
        "input_conv_filters": [64],
        "input_conv_kernel_sizes": [7],
        "block_type": "basic_block",
        "use_pre_activation": False,
    },
}
CONVERTER = {"config": {"scale": [0.01, 0.02, 0.04], "offset": [-1.0, -2.0, -2.0]}}
NORMALIZATION = Normalization((100.0, 100.0, 50.0), (100.0, 50.0, 25.0))
VARIANT = variants.Variant(NORMALIZATION, 1e-5, "EVEN", pool_padding="EVEN")


def name_layer(ours):
    """conv2_block1_0_conv -> stack0_block0_0_conv."""
    stage, _, rest = ours.partition("_block")
    if not rest:
        return ours
    block, _, ending = rest.partition("_")
    return f"stack{int(stage[4:]) - 2}_block{int(block) - 1}_{ending}"


def write(preset_dir, model, *, config, converter):
    """Writes the files of a preset, with the head in a file of its own."""
    for file_name, is_head in (("model", False), ("task", True)):
        with h5py.File(preset_dir / f"{file_name}.weights.h5", "w") as file:
            for number, layer in enumerate(model.layers):
                if layer.weights and is_head == (layer.name == "predictions"):
                    group = file.create_group(f"layers/layer_{number}/vars")
                    group.attrs["name"] = name_layer(layer.name)
                    for index, value in enumerate(layer.get_weights()):
                        group[str(index)] = value
    (preset_dir / "config.json").write_text(json.dumps(config))
    if converter:
        (preset_dir / "image_converter.json").write_text(json.dumps(converter))
    return str(preset_dir)


def test_a_preset_answers_as_its_source(tmp_path):
    source = networks.build_random("resnet-18", VARIANT)
    path = write(tmp_path, source, config=RESNET, converter=CONVERTER)
    assert pretrained.read_weights(path, "resnet-18").variant == VARIANT
    found = networks.load(path, "resnet-18")
    np.testing.assert_allclose(
        networks.answer(found), networks.answer(source), atol=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"block_type": "bottleneck_block_vd"}, "is a KerasHub preset of ResNetBackbo"),
        ({"use_pre_activation": True}, "that is no ResNet v1"),
    ],
)
def test_other_networks_are_refused(tmp_path, changes, reason):
    config = {**RESNET, "config": {**RESNET["config"], **changes}}
    source = networks.build("resnet-18")
    path = write(tmp_path, source, config=config, converter=CONVERTER)
    with pytest.raises(errors.ConfigError, match=reason):
        pretrained.read_weights(path, "resnet-18")


def test_pixels_without_a_scale_are_refused(tmp_path):
    source = networks.build("resnet-18")
    path = write(tmp_path, source, config=RESNET, converter=None)
    with pytest.raises(errors.ConfigError, match="makes of pixels is not known"):
        pretrained.read_weights(path, "resnet-18")


def test_a_config_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "model.weights.h5").write_bytes(b"")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(errors.ConfigError, match=r"a config\.json that is no JSON"):
        pretrained.read_weights(str(tmp_path), "resnet-18")


# Constructor arguments of its presets.
HUB_RESNET = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 128, 256, 512],
    "stackwise_num_blocks": [3, 4, 6, 3],
    "stackwise_num_strides": [1, 2, 2, 2],
    "block_type": "bottleneck_block",
}
HUB_EFFICIENTNET = {
    "stackwise_kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
    "stackwise_num_repeats": [1, 2, 2, 3, 3, 4, 1],
    "stackwise_input_filters": [32, 16, 24, 40, 80, 112, 192],
    "stackwise_output_filters": [16, 24, 40, 80, 112, 192, 320],
    "stackwise_expansion_ratios": [1, 6, 6, 6, 6, 6, 6],
    "stackwise_strides": [1, 2, 2, 2, 1, 2, 1],
    "stackwise_squeeze_and_excite_ratios": [0.25] * 7,
    "stackwise_block_types": ["v1"] * 7,
    "width_coefficient": 1.0,
    "depth_coefficient": 1.0,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_type", "network", "options"),
    [
        ("resnet-50", "ResNet", HUB_RESNET),
        ("efficientnet-b0", "EfficientNet", HUB_EFFICIENTNET),
    ],
)
def test_a_preset_that_kerashub_wrote_answers_the_same(
    tmp_path, model_type, network, options
):
    if importlib.util.find_spec("keras_hub") is None:
        pytest.skip("keras_hub is not installed: nothing to compare with")
    models = importlib.import_module("keras_hub").models
    backbone = getattr(models, f"{network}Backbone")(**options)
    random = np.random.default_rng(0)
    for variable in backbone.weights:
        if variable.path.endswith(("beta", "moving_mean")):
            variable.assign(random.normal(scale=0.1, size=variable.shape))
    size = (networks.SIDE, networks.SIDE)
    converters = importlib.import_module("keras_hub").layers
    converter = getattr(converters, f"{network}ImageConverter")(
        image_size=size, scale=1 / 100, offset=-1.0
    )
    preprocessor = getattr(models, f"{network}ImageClassifierPreprocessor")(converter)
    classifier = getattr(models, f"{network}ImageClassifier")(
        backbone=backbone, num_classes=networks.NUM_CLASSES, preprocessor=preprocessor
    )
    classifier.save_to_preset(str(tmp_path))
    expected = classifier.predict(networks.draw_pixels(), verbose=0)
    found = networks.answer(networks.load(tmp_path, model_type))
    np.testing.assert_allclose(found, expected, atol=1e-3)
