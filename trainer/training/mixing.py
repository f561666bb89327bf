"""Mixup, cutmix and random erasing: what training does to a batch before it learns.

It happens before a training step, where a batch is one tensor, so that the input has
one form. Random numbers follow from the seed and the step alone. Replicas share what
comes out.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from trainer.config import TrainConfig

# Shares of the area and aspects of an erased rectangle. Source: Zhong et al. 2017,
# arxiv.org/abs/1708.04896, section 4.2, with the upper area of timm, which is milder.
ERASED_AREA = (0.02, 1 / 3)
ERASED_ASPECT = (0.3, 1 / 0.3)
# So that the numbers of a step differ from one use to the next.
_MIXUP, _CUTMIX, _CHOICE, _PLACE, _ERASED, _COLOUR = range(6)
_NUM_USES = 6


class Batch(NamedTuple):
    """A batch that is trained on.

    Attributes:
        images: float32 [batch, side, side, 3], 0..255.
        labels: int32 [batch], the class of the larger or only part.
        weights: float32 [batch], 0 to leave an example out and else 1.
        partners: int32 [batch], the class of the other part; None if there is none.
        shares: float32 [batch], share of `labels` in the target, 0..1.
    """

    images: Any
    labels: Any
    weights: Any
    partners: Any = None
    shares: Any = None

    @property
    def tensors(self) -> list[Any]:
        """What there is of it: the arguments that make it again."""
        return [one for one in self if one is not None]


Mix = Callable[[Batch, Any], Batch]


def build_mix(config: TrainConfig) -> Mix:
    """Builds the function from a batch and its step to what is trained on.

    Args:
        config: `random_erasing`, `mixup_alpha`, `cutmix_alpha` and `seed`. With all of
            them off it is the batch itself.
    """

    def mix(batch: Batch, step: Any) -> Batch:
        if config.random_erasing:
            images = _erase(batch.images, config.random_erasing, config.seed, step)
            batch = batch._replace(images=images)
        if config.mixup_alpha or config.cutmix_alpha:
            batch = _mix_pairs(batch, config, step)
        return batch

    return mix


def _mix_pairs(batch: Batch, config: TrainConfig, step: Any) -> Batch:
    """Each example and that from the other end; with both kinds, every other example.

    Source: Zhang et al. 2017, arxiv.org/abs/1710.09412; Yun et al. 2019,
    arxiv.org/abs/1905.04899, algorithm 1.
    """
    count, height, width = batch.images.shape[:3]
    masks = []
    if config.mixup_alpha:
        share = _draw_beta(config.mixup_alpha, count, config.seed, step, _MIXUP)
        masks.append(tf.tile(share[:, None, None], [1, height, width]))
    if config.cutmix_alpha:
        share = _draw_beta(config.cutmix_alpha, count, config.seed, step, _CUTMIX)
        side = tf.sqrt(1.0 - share)
        centre = _draw([2, count], config.seed, step, _PLACE)
        is_inside = _rectangle(centre, side, side, (height, width))
        masks.append(1.0 - tf.cast(is_inside, tf.float32))
    mask = masks[0]
    if len(masks) == 2:
        is_mixup = _draw([count, 1, 1], config.seed, step, _CHOICE) < 0.5
        mask = tf.where(is_mixup, *masks)
    partner = batch.images[::-1]
    return Batch(
        partner + mask[..., None] * (batch.images - partner),
        batch.labels,
        # The placeholder of a bad record teaches nothing.
        batch.weights * batch.weights[::-1],
        batch.labels[::-1],
        tf.reduce_mean(mask, [1, 2]),
    )


def _erase(images: Any, probability: float, seed: int, step: Any) -> Any:
    """Fills a rectangle of some images with one colour each, drawn at random."""
    count, height, width = images.shape[:3]
    is_erased, area, aspect, top, left = tf.unstack(
        _draw([5, count], seed, step, _ERASED)
    )
    area = ERASED_AREA[0] + area * (ERASED_AREA[1] - ERASED_AREA[0])
    low, high = ERASED_ASPECT
    aspect = low * tf.pow(high / low, aspect)
    is_inside = _rectangle(
        tf.stack([top, left]),
        tf.sqrt(area * aspect),
        tf.sqrt(area / aspect),
        (height, width),
    )
    is_filled = is_inside & (is_erased < probability)[:, None, None]
    colour = 255.0 * _draw([count, 1, 1, 3], seed, step, _COLOUR)
    return tf.where(is_filled[..., None], colour, images)


def _rectangle(centre: Any, height: Any, width: Any, shape: tuple[int, int]) -> Any:
    """Which pixels lie in a rectangle each, bool [batch, *shape].

    Args:
        centre: float32 [2, batch], as shares of the height and the width.
        height: float32 [batch], as shares.
        width: float32 [batch], as shares.
        shape: Of the image in pixels; what is beyond it is cut off.
    """
    rows, columns = (
        tf.abs((tf.range(size, dtype=tf.float32) + 0.5) / size - place[:, None])
        < extent[:, None] / 2
        for size, place, extent in zip(
            shape, tf.unstack(centre), (height, width), strict=True
        )
    )
    return rows[:, :, None] & columns[:, None, :]


def _draw_beta(alpha: float, count: int, seed: int, step: Any, use: int) -> Any:
    """Draws from Beta(alpha, alpha): float32 [count], 0..1."""
    gammas = tf.random.stateless_gamma([2, count], _seed_of(seed, step, use), alpha)
    return tf.math.divide_no_nan(gammas[0], gammas[0] + gammas[1])


def _draw(shape: list[int], seed: int, step: Any, use: int) -> Any:
    return tf.random.stateless_uniform(shape, _seed_of(seed, step, use))


def _seed_of(seed: int, step: Any, use: int) -> Any:
    # Seeds of crops are pairs of the seed and a position, which is never negative.
    number = -1 - (step * _NUM_USES + use)
    return tf.stack([tf.constant(seed, tf.int64), tf.cast(number, tf.int64)])
