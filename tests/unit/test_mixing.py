import numpy as np
import pytest
import tensorflow as tf

from trainer import config
from trainer.training import mixing

SIDE, COUNT = 16, 32


def mix(batch, step=0, **flags):
    job = config.TrainConfig(num_classes=COUNT, max_steps=1, **flags)
    function = tf.function(mixing.build_mix(job))
    return function(batch, tf.constant(step, tf.int64))


def build_batch():
    """Image n is n all over, so that a mixed pixel says what it is made of."""
    values = np.arange(COUNT, dtype=np.float32)
    images = np.broadcast_to(values[:, None, None, None], [COUNT, SIDE, SIDE, 3])
    return mixing.Batch(
        tf.constant(images), tf.range(COUNT), tf.ones([COUNT], tf.float32)
    )


def target_means(mixed):
    """What the mean pixel of each image must be, by its target."""
    labels, partners = (
        one.numpy().astype(np.float32) for one in (mixed.labels, mixed.partners)
    )
    shares = mixed.shares.numpy()
    return shares * labels + (1 - shares) * partners


BOTH = {"mixup_alpha": 0.4, "cutmix_alpha": 1.0}


@pytest.mark.parametrize("flags", [{"mixup_alpha": 0.4}, {"cutmix_alpha": 1.0}, BOTH])
def test_targets_are_shared_as_pixels_are(flags):
    mixed = mix(build_batch(), **flags)
    found = tf.reduce_mean(mixed.images, [1, 2, 3])
    np.testing.assert_allclose(found, target_means(mixed), atol=1e-3)
    assert 0.05 < np.std(mixed.shares) < 0.5


def test_cutmix_takes_each_pixel_from_one_of_the_two():
    mixed = mix(build_batch(), cutmix_alpha=1.0)
    for number, image in enumerate(mixed.images.numpy()):
        assert set(np.unique(image)) <= {number, COUNT - 1 - number}


def test_mixup_blends_all_pixels_alike():
    mixed = mix(build_batch(), mixup_alpha=0.4)
    assert np.ptp(mixed.images, axis=(1, 2, 3)).max() < 1e-3


def test_with_both_each_pair_has_one():
    mixed = mix(build_batch(), **BOTH)
    is_mixup = np.array([len(np.unique(image)) == 1 for image in mixed.images.numpy()])
    assert 0.2 < is_mixup.mean() < 0.9


def test_what_is_mixed_with_a_bad_record_has_no_weight():
    weights = np.ones(COUNT, np.float32)
    weights[0] = 0
    mixed = mix(build_batch()._replace(weights=tf.constant(weights)), mixup_alpha=1.0)
    np.testing.assert_array_equal(np.flatnonzero(mixed.weights == 0), [0, COUNT - 1])


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_erasing_paints_over_a_rectangle_of_some(probability):
    batch = build_batch()._replace(images=tf.fill([COUNT, SIDE, SIDE, 3], -1.0))
    mixed = mix(batch, random_erasing=probability)
    is_painted = np.all(mixed.images.numpy() >= 0, axis=3)
    areas = is_painted.mean(axis=(1, 2))
    assert np.mean(areas > 0) == pytest.approx(probability, abs=0.2)
    assert areas.max() < 0.45
    assert mixed.partners is None


@pytest.mark.parametrize("flags", [BOTH, {"random_erasing": 0.5}])
def test_the_step_and_the_seed_decide(flags):
    first, again, later, other = (
        mix(build_batch(), step, seed=seed, **flags).images.numpy()
        for step, seed in ((5, 0), (5, 0), (6, 0), (5, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, later)
    assert not np.array_equal(first, other)


def test_nothing_is_done_unless_asked_for():
    batch = build_batch()
    job = config.TrainConfig(num_classes=COUNT, max_steps=1)
    assert mixing.build_mix(job)(batch, 0) is batch
