import numpy as np
import pytest
import tensorflow as tf

from tests import pictures
from trainer.data import duplicates, fingerprints


def distance(first, second):
    colours = [look.colours.astype(int) for look in (first, second)]
    return (
        (first.perceptual ^ second.perceptual).bit_count(),
        np.abs(colours[0] - colours[1]).mean(),
    )


def encode_again(pixels, quality):
    encoded = tf.io.encode_jpeg(pixels, quality=quality)
    return tf.io.decode_jpeg(encoded).numpy()


def scale(pixels, height, width):
    scaled = tf.image.resize(pixels, [height, width], "area")
    return tf.saturate_cast(scaled, tf.uint8).numpy()


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: encode_again(pixels, 30),
        lambda pixels: scale(pixels, 90, 120),
        lambda pixels: scale(pixels, 40, 70),
    ],
    ids=["quality 30", "smaller", "another aspect"],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_changed_copy_looks_the_same(seed, change):
    pixels = pictures.draw(240, 320, seed=seed)
    bits, colours = distance(
        fingerprints.look(pixels), fingerprints.look(change(pixels))
    )
    assert bits <= duplicates.MAX_HASH_DISTANCE
    assert colours <= duplicates.MAX_COLOUR_DISTANCE


def test_another_picture_looks_different():
    looks = [fingerprints.look(pictures.draw(90, 90, seed=seed)) for seed in range(20)]
    bits = [distance(looks[0], other)[0] for other in looks[1:]]
    assert min(bits) > duplicates.MAX_HASH_DISTANCE


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.full([70, 70, 3], 200, np.uint8), True),
        (np.full([1, 1, 3], 200, np.uint8), True),
        (pictures.draw(70, 70), False),
    ],
    ids=["plain", "one pixel", "picture"],
)
def test_a_picture_of_one_grey_is_plain(pixels, expected):
    assert fingerprints.look(pixels).is_plain is expected


def test_digests_are_equal_for_equal_bytes_only():
    assert (fingerprints.digest(b"a") == fingerprints.digest(b"a")).all()
    assert (fingerprints.digest(b"a") != fingerprints.digest(b"b")).any()
