import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from tests import pictures
from trainer.data import augmentation, images

SIDE = 24
POLICIES = ["randaugment", "trivialaugment"]


def draw_pixels():
    return np.random.default_rng(0).integers(40, 200, [SIDE, SIDE, 3]).astype("float32")


def seed_of(position):
    return tf.constant([0, position], tf.int64)


def decode(kind, position, encoded):
    return augmentation.build_decoder(kind, image_size=SIDE).decode(
        encoded, seed_of(position)
    )


@pytest.fixture(scope="module")
def encoded():
    return pictures.encode(pictures.draw(40, 40))


@pytest.mark.parametrize("kind", POLICIES)
def test_the_same_seed_gives_the_same_picture(kind, encoded):
    found = [decode(kind, position, encoded).numpy() for position in (3, 3, 4, 5, 6)]
    np.testing.assert_array_equal(found[0], found[1])
    assert len({one.tobytes() for one in found}) == 4


@pytest.mark.parametrize("kind", POLICIES)
def test_pixels_stay_in_range_and_shape(kind, encoded):
    decoder = tf.function(augmentation.build_decoder(kind, image_size=SIDE).decode)
    for position in range(40):
        pixels = decoder(encoded, seed_of(position))
        assert pixels.shape == [SIDE, SIDE, 3]
        assert pixels.dtype == tf.float32
        assert float(tf.reduce_min(pixels)) >= 0
        assert float(tf.reduce_max(pixels)) <= 255


def test_standard_is_the_documented_crop_and_flip(encoded):
    expected = images.decode_for_training(encoded, seed_of(5), image_size=SIDE)
    np.testing.assert_array_equal(decode("standard", 5, encoded), expected)


def test_none_is_what_an_evaluation_sees(encoded):
    expected = images.decode_for_evaluation(encoded, image_size=SIDE)
    np.testing.assert_array_equal(decode("none", 5, encoded), expected)


def operations(**options):
    defaults = augmentation._POLICIES["randaugment"]._replace(**options)
    return augmentation._build_operations(defaults)


def as_pillow(pixels):
    return PIL.Image.fromarray(pixels.astype(np.uint8))


@pytest.mark.parametrize(
    ("number", "function"),
    [
        (1, PIL.ImageOps.autocontrast),
        (2, PIL.ImageOps.equalize),
        (4, lambda picture: PIL.ImageOps.solarize(picture, 128)),
        (5, lambda picture: PIL.ImageOps.posterize(picture, 6)),
    ],
    ids=["autocontrast", "equalize", "solarize", "posterize"],
)
def test_operations_do_what_pillows_do(number, function):
    pixels = draw_pixels()
    # Half of the strength: a threshold of 127.5, and 2 of 4 bits.
    found = operations()[number](pixels, tf.constant(0.5))
    expected = np.asarray(function(as_pillow(pixels)), np.float32)
    np.testing.assert_allclose(found, expected, atol=1)


@pytest.mark.parametrize("number", [0, *range(3, 14)])
def test_an_operation_without_strength_changes_nothing(number):
    pixels = draw_pixels()
    found = operations()[number](pixels, tf.constant(0.0))
    np.testing.assert_allclose(found, pixels, atol=1e-3)


def test_a_quarter_turn_is_a_quarter_turn():
    pixels = draw_pixels()
    found = operations(degrees=90.0)[3](pixels, tf.constant(1.0)).numpy()
    inner = np.s_[1:-1, 1:-1]
    turned = [np.rot90(pixels, turns)[inner] for turns in (1, 3)]
    differences = [np.abs(found[inner] - one).max() for one in turned]
    assert min(differences) < 0.1


@pytest.mark.parametrize(("number", "axis"), [(12, 1), (13, 0)])
def test_a_shift_moves_pixels_and_fills_the_rest(number, axis):
    pixels = draw_pixels()
    found = operations(shift=3 / SIDE)[number](pixels, tf.constant(1.0)).numpy()
    kept = np.take(pixels, range(3, SIDE), axis)
    np.testing.assert_allclose(np.take(found, range(SIDE - 3), axis), kept, atol=1e-2)
    edge = np.take(found, range(SIDE - 3, SIDE), axis)
    np.testing.assert_array_equal(edge, np.full_like(edge, augmentation.FILL))


def test_crops_have_the_area_that_is_asked_for():
    rows = np.broadcast_to(np.arange(128)[:, None, None], [128, 128, 3])
    ramp = pictures.encode(rows.astype(np.uint8))

    def mean_height(**options):
        decoder = augmentation.build_decoder("standard", image_size=SIDE, **options)
        found = [decoder.decode(ramp, seed_of(number)).numpy() for number in range(20)]
        return np.mean([np.ptp(one) for one in found]) / 128

    assert mean_height() + 0.1 < mean_height(min_area=0.6)
    expected = images.decode_for_training(ramp, seed_of(5), image_size=SIDE)
    np.testing.assert_array_equal(decode("standard", 5, ramp), expected)
