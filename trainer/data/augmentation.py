"""What training changes about a picture, at random, before it learns from it.

Operations are those of RandAugment and TrivialAugment, on float pixels, each a few
kernels. All random numbers follow from the seed of the picture, so that a resumed job
sees what it would have seen (docs/adr/0022-augmentation.md).
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from trainer.data import images

# Pixels, float32 [side, side, 3] in 0..255, and a strength in -1..1 -> such pixels.
Operation = Callable[[Any, Any], Any]

# What comes into view from beyond the edge: a grey, as in tensorflow/tpu
# models/official/efficientnet/autoaugment.py.
FILL = 128.0
# Luma of ITU-R 601, in which Pillow turns pictures grey.
LUMA = (0.299, 0.587, 0.114)
# Pillow's filter SMOOTH.
SMOOTH = ((1 / 13, 1 / 13, 1 / 13), (1 / 13, 5 / 13, 1 / 13), (1 / 13, 1 / 13, 1 / 13))


class Decoder(NamedTuple):
    """What makes a picture out of its bytes: at once, or in two parts, with equal bits.

    Attributes:
        decode_batch: Encoded pictures, string [batch], and their seeds, int64 [batch,
            2] -> float32 [batch, side, side, 3], 0..255.
        decode: The same for one, string [] and int64 [2] -> float32 [side, side, 3].
        prepare: The part without chance, encoded picture -> pixels of `dtype`, which
            takes longer where the rest needs only some of them.
        finish: The rest, pixels and seed -> as of `decode`.
        dtype: Of what `prepare` makes.
    """

    decode_batch: Callable[[Any, Any], Any]
    decode: Callable[[Any, Any], Any]
    prepare: Callable[[Any], Any]
    finish: Callable[[Any, Any], Any]
    dtype: tf.DType


class _Policy(NamedTuple):
    """How many operations a picture gets, and how far the strongest ones go.

    Attributes:
        num_operations: Drawn one after the other, each from all.
        strength: Of 0..1; None draws it.
        degrees: Of the largest rotation.
        shear: Largest shear, as the tangent.
        shift: Largest shift, as a share of the side.
        blend: Largest change of colour, contrast, brightness and sharpness.
        bits: That posterising takes away at most.
    """

    num_operations: int
    strength: float | None
    degrees: float
    shear: float
    shift: float
    blend: float
    bits: int


_POLICIES = {
    # Cubuk et al. 2019, arxiv.org/abs/1909.13719: N = 2 and M = 9 of 30 (table 4), with
    # the ranges of AutoAugment.
    "randaugment": _Policy(2, 9 / 30, 30.0, 0.3, 150 / 331, 0.9, 4),
    # Mueller & Hutter 2021, arxiv.org/abs/2103.10158: TA (wide), with the shift of 32
    # pixels at 224.
    "trivialaugment": _Policy(1, None, 135.0, 0.99, 32 / 224, 0.99, 6),
}


def build_decoder(
    augmentation: str, *, image_size: int, min_area: float = images.AREA_RANGE[0]
) -> Decoder:
    """Builds what makes a picture out of its bytes in training.

    Args:
        augmentation: "none": as in an evaluation; "standard": a random crop, mirrored
            every other time; "randaugment" or "trivialaugment": this, and then theirs.
        image_size: Side of the output in pixels.
        min_area: Of the random crop; see images.decode_for_training.

    Returns:
        Gives pictures as images.decode_for_training does, and fails as it does.
    """
    if augmentation == "none":
        return _build_fixed_decoder(image_size)
    crop: dict[str, Any] = {"image_size": image_size, "min_area": min_area}
    standard = Decoder(
        decode_batch=functools.partial(images.decode_batch_for_training, **crop),
        decode=functools.partial(images.decode_for_training, **crop),
        prepare=images.decode,
        finish=functools.partial(images.crop_for_training, **crop),
        dtype=tf.uint8,
    )
    if augmentation == "standard":
        return standard
    policy = _POLICIES[augmentation]
    apply = functools.partial(_apply, policy)
    return standard._replace(
        decode_batch=lambda encoded, seeds: images.map_pictures(
            apply, standard.decode_batch(encoded, seeds), seeds, image_size=image_size
        ),
        decode=lambda encoded, seed: apply(standard.decode(encoded, seed), seed),
        finish=lambda pixels, seed: apply(standard.finish(pixels, seed), seed),
    )


def _build_fixed_decoder(image_size: int) -> Decoder:
    prepare = functools.partial(images.decode_for_evaluation, image_size=image_size)
    return Decoder(
        decode_batch=lambda encoded, _: images.map_pictures(
            prepare, encoded, image_size=image_size
        ),
        decode=lambda encoded, _: prepare(encoded),
        prepare=prepare,
        finish=lambda pixels, _: tf.ensure_shape(pixels, [image_size, image_size, 3]),
        dtype=tf.float32,
    )


def _apply(policy: _Policy, pixels: Any, seed: Any) -> Any:
    """Applies a policy to float32 [side, side, 3]; other numbers than the crop's."""
    shape = pixels.shape
    # Bicubic interpolation overshoots.
    pixels = _clip(pixels)
    operations = _build_operations(policy)
    for number in range(policy.num_operations):
        drawn = tf.random.stateless_uniform(
            [3], tf.stack([~seed[0] - 1 - number, seed[1]])
        )
        place = tf.cast(drawn[0] * len(operations), tf.int32)
        size = drawn[1] if policy.strength is None else policy.strength
        strength = tf.where(drawn[2] < 0.5, size, -size)
        pixels = _choose(operations, place, pixels, strength)
    return tf.ensure_shape(_clip(pixels), shape)


def _choose(
    operations: Sequence[Operation], place: Any, pixels: Any, strength: Any
) -> Any:
    """Runs one of the operations only."""
    branches = [functools.partial(one, pixels, strength) for one in operations]
    return tf.switch_case(place, branches)


def _build_operations(policy: _Policy) -> list[Operation]:
    """The 14 of RandAugment, which TrivialAugment has as well."""
    radians = math.radians(policy.degrees)
    blend = policy.blend
    return [
        lambda pixels, _: pixels,
        lambda pixels, _: _stretch_contrast(pixels),
        lambda pixels, _: _equalize(pixels),
        lambda pixels, strength: _rotate(pixels, strength * radians),
        lambda pixels, strength: _solarize(pixels, 255.0 * (1 - tf.abs(strength))),
        lambda pixels, strength: _posterize(pixels, tf.abs(strength) * policy.bits),
        lambda pixels, strength: _blend(_grey(pixels), pixels, 1 + strength * blend),
        lambda pixels, strength: _blend(
            tf.reduce_mean(_grey(pixels)), pixels, 1 + strength * blend
        ),
        lambda pixels, strength: _blend(0.0, pixels, 1 + strength * blend),
        lambda pixels, strength: _blend(_smooth(pixels), pixels, 1 + strength * blend),
        lambda pixels, strength: _transform(pixels, shear_x=strength * policy.shear),
        lambda pixels, strength: _transform(pixels, shear_y=strength * policy.shear),
        lambda pixels, strength: _transform(pixels, shift_x=strength * policy.shift),
        lambda pixels, strength: _transform(pixels, shift_y=strength * policy.shift),
    ]


def _blend(start: Any, pixels: Any, factor: Any) -> Any:
    """From start at 0 over the pixels at 1 to beyond them."""
    return _clip(start + factor * (pixels - start))


def _clip(pixels: Any) -> Any:
    return tf.clip_by_value(pixels, 0.0, 255.0)


def _grey(pixels: Any) -> Any:
    return tf.tensordot(pixels, tf.constant(LUMA), 1)[..., tf.newaxis]


def _smooth(pixels: Any) -> Any:
    """The mean around each pixel; those at the edge stay, as in Pillow."""
    kernel = tf.constant(SMOOTH)[:, :, tf.newaxis, tf.newaxis]
    smoothed = tf.nn.depthwise_conv2d(
        pixels[tf.newaxis], tf.tile(kernel, [1, 1, 3, 1]), [1, 1, 1, 1], "VALID"
    )[0]
    margins = [[1, 1], [1, 1], [0, 0]]
    is_inside = tf.pad(tf.ones_like(smoothed, tf.bool), margins)
    return tf.where(is_inside, tf.pad(smoothed, margins), pixels)


def _stretch_contrast(pixels: Any) -> Any:
    """Each channel's darkest value becomes 0 and its brightest 255."""
    low = tf.reduce_min(pixels, [0, 1])
    span = tf.reduce_max(pixels, [0, 1]) - low
    stretched = (pixels - low) * tf.math.divide_no_nan(255.0, span)
    return tf.where(span > 0, stretched, pixels)


def _equalize(pixels: Any) -> Any:
    """Each channel's values become evenly frequent; as Pillow's equalize."""
    values = tf.cast(tf.round(pixels), tf.int32)
    channels = [_equalize_channel(one) for one in tf.unstack(values, axis=-1)]
    return tf.cast(tf.stack(channels, -1), tf.float32)


def _equalize_channel(values: Any) -> Any:
    counts = tf.math.bincount(values, minlength=256, maxlength=256)
    last = tf.gather(counts, tf.reduce_max(values))
    step = (tf.reduce_sum(counts) - last) // 255
    before = tf.cumsum(counts, exclusive=True) + step // 2
    table = tf.minimum(before // tf.maximum(step, 1), 255)
    return tf.where(step > 0, tf.gather(table, values), values)


def _solarize(pixels: Any, threshold: Any) -> Any:
    """Inverts what is brighter than the threshold."""
    return tf.where(pixels > threshold, 255.0 - pixels, pixels)


def _posterize(pixels: Any, bits: Any) -> Any:
    """Drops so many of the lowest bits of 8."""
    step = tf.pow(2.0, tf.floor(bits))
    return tf.floor(pixels / step) * step


def _rotate(pixels: Any, radians: Any) -> Any:
    cos, sin = tf.cos(radians), tf.sin(radians)
    return _warp(pixels, [[cos, -sin], [sin, cos]], [0.0, 0.0])


def _transform(
    pixels: Any,
    *,
    shear_x: Any = 0.0,
    shear_y: Any = 0.0,
    shift_x: Any = 0.0,
    shift_y: Any = 0.0,
) -> Any:
    side = pixels.shape[0]
    return _warp(
        pixels, [[1.0, shear_x], [shear_y, 1.0]], [shift_x * side, shift_y * side]
    )


def _warp(pixels: Any, matrix: Any, shift: Any) -> Any:
    """Moves pixels about the centre: output (x, y) comes from matrix (x, y) + shift."""
    centre = (pixels.shape[0] - 1) / 2
    (a, b), (c, d) = matrix
    coefficients = [
        a,
        b,
        centre * (1 - a - b) + shift[0],
        c,
        d,
        centre * (1 - c - d) + shift[1],
        0.0,
        0.0,
    ]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels[tf.newaxis],
        transforms=tf.stack([tf.cast(one, tf.float32) for one in coefficients])[
            tf.newaxis
        ],
        output_shape=pixels.shape[:2],
        fill_value=FILL,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )[0]
