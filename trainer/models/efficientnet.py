"""EfficientNet: Tan & Le 2019, arxiv.org/abs/1905.11946; and EfficientNet-Lite.

Constants are those of tensorflow/tpu models/official/efficientnet and its folder lite;
layers have the names of keras.applications. Lite is for processors of few operations:
no squeeze and excitation, ReLU6 in the place of swish, and stem, top and the number of
blocks in the first and last stage as in b0.
"""

import math
from typing import Any, NamedTuple

import keras

from trainer.models.layers import LayerBuilder
from trainer.models.variant import Variant


class _Scaling(NamedTuple):
    """How a member of the family differs from b0."""

    width: float
    depth: float
    dropout: float
    is_lite: bool = False

    def scale_filters(self, filters: int) -> int:
        """Multiplies by the width, to a multiple of 8 that is never below 90 %."""
        scaled = filters * self.width
        rounded = max(8, int(scaled + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * scaled else rounded

    def scale_end(self, filters: int) -> int:
        """Filters of the stem and of the top."""
        return filters if self.is_lite else self.scale_filters(filters)

    def count_blocks(self, stage: int) -> int:
        """Blocks of the stage, which is counted from 0."""
        is_end = stage in (0, len(STAGES) - 1)
        depth = 1.0 if self.is_lite and is_end else self.depth
        return math.ceil(depth * STAGES[stage].num_blocks)


class _Stage(NamedTuple):
    """A run of equal blocks; the first one has the stride."""

    num_blocks: int
    kernel_size: int
    strides: int
    expansion: int
    filters: int
    has_gates: bool = True


SCALINGS = {
    "efficientnet-b0": _Scaling(1.0, 1.0, 0.2),
    "efficientnet-b1": _Scaling(1.0, 1.1, 0.2),
    "efficientnet-b2": _Scaling(1.1, 1.2, 0.3),
    "efficientnet-b3": _Scaling(1.2, 1.4, 0.3),
    "efficientnet-b4": _Scaling(1.4, 1.8, 0.4),
    "efficientnet-b5": _Scaling(1.6, 2.2, 0.4),
    "efficientnet-b6": _Scaling(1.8, 2.6, 0.5),
    "efficientnet-b7": _Scaling(2.0, 3.1, 0.5),
    "efficientnet-lite0": _Scaling(1.0, 1.0, 0.2, is_lite=True),
    "efficientnet-lite1": _Scaling(1.0, 1.1, 0.2, is_lite=True),
    "efficientnet-lite2": _Scaling(1.1, 1.2, 0.3, is_lite=True),
    "efficientnet-lite3": _Scaling(1.2, 1.4, 0.3, is_lite=True),
    "efficientnet-lite4": _Scaling(1.4, 1.8, 0.3, is_lite=True),
}
STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
STEM_FILTERS = 32
TOP_FILTERS = 1280
SQUEEZE_RATIO = 0.25
# Share of the images that skip the last block; linear from 0 at the first.
DROP_RATE_OF_LAST_BLOCK = 0.2


def build_efficientnet(
    model_type: str,
    variant: Variant,
    *,
    num_classes: int,
    image_size: int,
    precision: str,
    seed: int,
) -> keras.Model:
    """Builds a network; see factory.build_model for the arguments."""
    scaling = SCALINGS[model_type]
    build = LayerBuilder(
        precision=precision,
        seed=seed,
        activation="relu6" if scaling.is_lite else "swish",
        batch_norm_momentum=0.99,
        variant=variant,
        kernel_scale=2.0,
        kernel_mode="fan_out",
        kernel_distribution="untruncated_normal",
    )
    images = keras.Input([image_size, image_size, 3], dtype="float32", name="images")
    outputs = build.normalize(images)
    stem_filters = scaling.scale_end(STEM_FILTERS)
    outputs = build.conv(outputs, stem_filters, 3, strides=2, name="stem_conv")
    outputs = build.batch_norm(
        outputs, name="stem_bn", activates=True, is_before_depthwise=True
    )
    outputs = _build_stages(build, outputs, scaling)
    outputs = build.conv(outputs, scaling.scale_end(TOP_FILTERS), 1, name="top_conv")
    outputs = build.batch_norm(outputs, name="top_bn", activates=True)
    pool = keras.layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")
    features = build.dropout(pool(outputs), scaling.dropout, name="top_dropout")
    # Uniform in +-1 / sqrt(num_classes).
    initializer = build.seeded(
        keras.initializers.VarianceScaling,
        "predictions",
        scale=1 / 3,
        mode="fan_out",
        distribution="uniform",
    )
    logits = build.classifier(features, num_classes, initializer)
    return keras.Model(images, logits, name=model_type)


def list_blocks(model_type: str) -> list[str]:
    """Names of the blocks, in order; those of their layers start with them."""
    return [
        _name_block(stage, block)
        for stage in range(len(STAGES))
        for block in range(SCALINGS[model_type].count_blocks(stage))
    ]


def _name_block(stage: int, block: int) -> str:
    return f"block{stage + 1}{chr(ord('a') + block)}"


def _build_stages(build: LayerBuilder, outputs: Any, scaling: _Scaling) -> Any:
    num_blocks = [scaling.count_blocks(stage) for stage in range(len(STAGES))]
    position = 0
    for number, stage in enumerate(STAGES):
        for block in range(num_blocks[number]):
            outputs = _build_block(
                build,
                outputs,
                stage._replace(
                    filters=scaling.scale_filters(stage.filters),
                    strides=1 if block else stage.strides,
                    has_gates=not scaling.is_lite,
                ),
                drop_rate=DROP_RATE_OF_LAST_BLOCK * position / sum(num_blocks),
                name=_name_block(number, block),
            )
            position += 1
    return outputs


def _build_block(
    build: LayerBuilder, inputs: Any, stage: _Stage, *, drop_rate: float, name: str
) -> Any:
    """Inverted bottleneck with gates for its channels, around a shortcut."""
    outputs = inputs
    if stage.expansion != 1:
        wide = stage.expansion * inputs.shape[-1]
        outputs = build.conv(outputs, wide, 1, name=f"{name}_expand_conv")
        outputs = build.batch_norm(
            outputs, name=f"{name}_expand_bn", activates=True, is_before_depthwise=True
        )
    outputs = build.depthwise_conv(
        outputs, stage.kernel_size, strides=stage.strides, name=f"{name}_dwconv"
    )
    outputs = build.batch_norm(
        outputs, name=f"{name}_bn", activates=True, squeezes=stage.has_gates
    )
    project = f"{name}_project_conv"
    if stage.has_gates:
        outputs, means = outputs
        gate = _choose_gate(build, means, inputs.shape[-1], name=f"{name}_se")
        outputs = build.gated_conv(outputs, gate, stage.filters, name=project)
    else:
        outputs = build.conv(outputs, stage.filters, 1, name=project)
    outputs = build.batch_norm(outputs, name=f"{name}_project_bn")
    if stage.strides != 1 or inputs.shape[-1] != stage.filters:
        return outputs
    if drop_rate:
        outputs = build.stochastic_depth(outputs, drop_rate, name=f"{name}_drop")
    return build.add([outputs, inputs], name=f"{name}_add")


def _choose_gate(
    build: LayerBuilder, means: Any, num_block_inputs: int, *, name: str
) -> Any:
    """A gate for each channel, that sees the means of all.

    Source: Hu et al. 2017, arxiv.org/abs/1709.01507; the ratio is of the block's input.
    """
    filters = max(1, int(num_block_inputs * SQUEEZE_RATIO))
    gate = build.conv(means, filters, 1, use_bias=True, name=f"{name}_reduce")
    gate = build.activate(gate, name=f"{name}_reduce_activation")
    gate = build.conv(gate, means.shape[-1], 1, use_bias=True, name=f"{name}_expand")
    return build.sigmoid(gate, name=f"{name}_expand_activation")
