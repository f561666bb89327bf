"""model_type -> keras.Model, and the precision that suits it on a device."""

import keras

from trainer import config, environment
from trainer.models import efficientnet, resnet
from trainer.models import variant as variants
from trainer.models.variant import Variant


def build_model(
    model_type: str,
    variant: Variant | None = None,
    *,
    num_classes: int,
    image_size: int,
    precision: str,
    seed: int,
) -> keras.Model:
    """Builds a network with random weights.

    The same arguments give the same weights and the same names of variables, whatever
    else was built in this process; names do not depend on the precision.

    Args:
        model_type: A key of config.MODEL_IMAGE_SIZES, but not config.HUB.
        variant: How to compute it, where pretrained weights ask for that.
        num_classes: Number of logits.
        image_size: Side of the images in pixels.
        precision: "float32", "bfloat16" or "float16": what layers compute in; weights
            and logits are float32.
        seed: 0 or more.

    Returns:
        Maps float32 [batch, image_size, image_size, 3], RGB 0..255, to logits float32
        [batch, num_classes]; normalising the pixels is its first layer.
    """
    family = (
        resnet.build_resnet
        if model_type in resnet.NUM_BLOCKS
        else efficientnet.build_efficientnet
    )
    return family(
        model_type,
        variant or default_variant(model_type),
        num_classes=num_classes,
        image_size=image_size,
        precision=precision,
        seed=seed,
    )


def default_variant(model_type: str) -> Variant:
    """How this project computes a network unless weights ask for another way.

    Args:
        model_type: A key of config.MODEL_IMAGE_SIZES.
    """
    if model_type in resnet.NUM_BLOCKS:
        return variants.RESNET
    is_lite = efficientnet.SCALINGS[model_type].is_lite
    return variants.EFFICIENTNET_LITE if is_lite else variants.EFFICIENTNET


def auto_precision(model_type: str, *, gpu: bool, cpu_flags: frozenset[str]) -> str:
    """The fastest precision without loss of range.

    On a CPU bfloat16 pays where there are instructions for it (docs/adr/
    0002-precision.md). On a GPU float16 with a loss scale runs on every tensor core
    since Volta; bfloat16 needs Ampere.

    Args:
        model_type: A key of config.MODEL_IMAGE_SIZES.
        gpu: Whether a GPU computes.
        cpu_flags: The processor's instruction sets, as Linux names them.
    """
    if model_type == config.HUB:
        # A SavedModel computes in the types that it was saved with.
        return "float32"
    if gpu:
        return "float16"
    return "bfloat16" if cpu_flags & environment.BFLOAT16_CPU_FLAGS else "float32"
