"""ResNet v1: He et al. 2015, arxiv.org/abs/1512.03385.

Differs from the paper as tensorflow/tpu models/official/resnet does, unless a variant
says otherwise: the 3 x 3 convolution of a bottleneck has the stride, strided
convolutions are padded evenly. The last gamma of a block starts at zero (Goyal et al.
2017, arxiv.org/abs/1706.02677). Layers have the names of keras.applications.
"""

from typing import Any

import keras

from trainer.models.layers import LayerBuilder
from trainer.models.variant import Variant

# Blocks in each of the four stages. Source: table 1 of the paper; 200: tensorflow/tpu.
NUM_BLOCKS = {
    "resnet-18": (2, 2, 2, 2),
    "resnet-34": (3, 4, 6, 3),
    "resnet-50": (3, 4, 6, 3),
    "resnet-101": (3, 4, 23, 3),
    "resnet-152": (3, 8, 36, 3),
    "resnet-200": (3, 24, 36, 3),
}
BASIC_BLOCK_MODELS = ("resnet-18", "resnet-34")
STAGE_FILTERS = (64, 128, 256, 512)
BOTTLENECK_EXPANSION = 4
# For the block and for the shortcut around it: the same, from where they part.
_Twice = tuple[Any, Any]


def build_resnet(
    model_type: str,
    variant: Variant,
    *,
    num_classes: int,
    image_size: int,
    precision: str,
    seed: int,
) -> keras.Model:
    """Builds a network; see factory.build_model for the arguments."""
    build = LayerBuilder(
        precision=precision,
        seed=seed,
        activation="relu",
        batch_norm_momentum=0.9,
        variant=variant,
        kernel_scale=1.0,
        kernel_mode="fan_in",
        kernel_distribution="truncated_normal",
    )
    is_basic = model_type in BASIC_BLOCK_MODELS
    images = keras.Input([image_size, image_size, 3], dtype="float32", name="images")
    outputs = build.normalize(images)
    outputs = (_build_stem(build, outputs),) * 2
    for stage, num_blocks in enumerate(NUM_BLOCKS[model_type]):
        for block in range(num_blocks):
            outputs = (_build_basic_block if is_basic else _build_bottleneck)(
                build,
                outputs,
                STAGE_FILTERS[stage],
                strides=2 if stage and not block else 1,
                name=f"conv{stage + 2}_block{block + 1}",
            )
    features = keras.layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")
    initializer = build.seeded(
        keras.initializers.RandomNormal, "predictions", stddev=0.01
    )
    logits = build.classifier(features(outputs[0]), num_classes, initializer)
    return keras.Model(images, logits, name=model_type)


def list_convolutions(model_type: str) -> list[str]:
    """Names of the convolutions, in the order in which they are made.

    Args:
        model_type: A key of NUM_BLOCKS; not of BASIC_BLOCK_MODELS.
    """
    names = ["conv1_conv"]
    for stage, num_blocks in enumerate(NUM_BLOCKS[model_type]):
        for block in range(num_blocks):
            numbers = (1, 2, 3) if block else (0, 1, 2, 3)
            names += [f"conv{stage + 2}_block{block + 1}_{one}_conv" for one in numbers]
    return names


def _build_stem(build: LayerBuilder, inputs: Any) -> Any:
    outputs = build.conv(inputs, 64, 7, strides=2, name="conv1_conv")
    outputs = build.batch_norm(outputs, name="conv1_bn", activates=True)
    return build.max_pool(outputs, 3, strides=2, name="pool1_pool")


def _build_basic_block(
    build: LayerBuilder, inputs: _Twice, filters: int, *, strides: int, name: str
) -> _Twice:
    """Two 3 x 3 convolutions around a shortcut."""
    outputs, shortcut = inputs
    shortcut = _build_shortcut(build, shortcut, filters, strides=strides, name=name)
    outputs = _conv_bn_relu(build, outputs, filters, 3, strides, name=f"{name}_1")
    outputs = build.conv(outputs, filters, 3, name=f"{name}_2_conv")
    outputs = build.batch_norm(outputs, name=f"{name}_2_bn", starts_at_zero=True)
    return build.join(shortcut, outputs, name=f"{name}_out")


def _build_bottleneck(
    build: LayerBuilder, inputs: _Twice, filters: int, *, strides: int, name: str
) -> _Twice:
    """1 x 1, 3 x 3 and 1 x 1 convolutions around a shortcut."""
    wide = BOTTLENECK_EXPANSION * filters
    outputs, shortcut = inputs
    shortcut = _build_shortcut(build, shortcut, wide, strides=strides, name=name)
    first, second = (strides, 1) if build.variant.first_has_stride else (1, strides)
    outputs = _conv_bn_relu(build, outputs, filters, 1, first, name=f"{name}_1")
    outputs = _conv_bn_relu(build, outputs, filters, 3, second, name=f"{name}_2")
    outputs = build.conv(outputs, wide, 1, name=f"{name}_3_conv")
    outputs = build.batch_norm(outputs, name=f"{name}_3_bn", starts_at_zero=True)
    return build.join(shortcut, outputs, name=f"{name}_out")


def _build_shortcut(
    build: LayerBuilder, inputs: Any, filters: int, *, strides: int, name: str
) -> Any:
    """The input itself where it has the block's shape, else a projection of it."""
    if strides == 1 and inputs.shape[-1] == filters:
        return inputs
    outputs = build.conv(inputs, filters, 1, strides=strides, name=f"{name}_0_conv")
    return build.batch_norm(outputs, name=f"{name}_0_bn")


def _conv_bn_relu(
    build: LayerBuilder,
    inputs: Any,
    filters: int,
    kernel_size: int,
    strides: int,
    *,
    name: str,
) -> Any:
    outputs = build.conv(
        inputs, filters, kernel_size, strides=strides, name=f"{name}_conv"
    )
    return build.batch_norm(outputs, name=f"{name}_bn", activates=True)
