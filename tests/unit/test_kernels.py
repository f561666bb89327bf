"""The compiled kernels beside TensorFlow's own."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import pictures
from trainer.data import images
from trainer.data.kernels import library

# Of 255, between one order of additions and another.
MOST_DIFFERENCE = 2e-4
KERNELS = library.load()
pytestmark = pytest.mark.skipif(
    KERNELS is None, reason="not compiled: `make setup` does it where there is g++"
)


def draw_noise(height, width):
    shape = [height, width, 3]
    return np.random.default_rng(height).integers(0, 256, shape).astype(np.uint8)


def save_jpeg(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


def seeds_of(count):
    return tf.stack(
        [tf.fill([count], tf.constant(5, tf.int64)), tf.range(count, dtype=tf.int64)], 1
    )


def decode_each(encoded, seeds, **crop):
    decoded = [
        images.decode_for_training(one, seed, **crop)
        for one, seed in zip(encoded, seeds, strict=True)
    ]
    return np.stack(decoded)


def without_kernels(monkeypatch):
    monkeypatch.setattr(library, "load", lambda: None)


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("image_size", [4, 7, 32, 33, 224])
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 9), (9, 1), (2, 3), (37, 53), (224, 224), (400, 533)]
)
def test_it_resizes_as_tensorflow_does(shape, image_size, is_mirrored):
    pixels = draw_noise(*shape)
    found = KERNELS.trainer_resize_window(pixels, is_mirrored, image_size=image_size)
    expected = tf.raw_ops.ResizeBicubic(
        images=pixels[np.newaxis], size=[image_size, image_size]
    )[0].numpy()
    if is_mirrored:
        expected = expected[:, ::-1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=MOST_DIFFERENCE)


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:2:0"},
        {"progressive": True},
        {"quality": 30},
    ],
)
@pytest.mark.parametrize("shape", [(9, 17), (64, 48), (97, 133), (300, 400)])
def test_a_batch_is_decoded_as_each_of_its_pictures(shape, options, monkeypatch):
    encoded = tf.fill([24], save_jpeg(draw_noise(*shape), **options))
    seeds, crop = seeds_of(24), {"image_size": 33, "min_area": 0.05}
    found = images.decode_batch_for_training(encoded, seeds, **crop)
    np.testing.assert_array_equal(found, decode_each(encoded, seeds, **crop))
    without_kernels(monkeypatch)
    np.testing.assert_allclose(
        found, decode_each(encoded, seeds, **crop), rtol=0, atol=MOST_DIFFERENCE
    )


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_of_other_colours_are_decoded_as_tensorflow_does(mode, monkeypatch):
    pixels = np.asarray(Image.fromarray(pictures.draw(60, 70)).convert(mode))
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, "JPEG")
    encoded, seeds = tf.fill([8], file.getvalue()), seeds_of(8)
    found = images.decode_batch_for_training(encoded, seeds, image_size=32)
    without_kernels(monkeypatch)
    np.testing.assert_allclose(
        found,
        decode_each(encoded, seeds, image_size=32),
        rtol=0,
        atol=MOST_DIFFERENCE,
    )


def test_a_batch_with_other_formats_is_decoded_as_each_of_its_pictures():
    pixels = [pictures.draw(60, 70, seed=number) for number in range(4)]
    formats = ["jpeg", "png", "jpeg", "png"]
    encoded = tf.constant(
        [pictures.encode(*one) for one in zip(pixels, formats, strict=True)]
    )
    found = images.decode_batch_for_training(encoded, seeds_of(4), image_size=32)
    expected = decode_each(encoded, seeds_of(4), image_size=32)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("num_threads", [1, 3, 64])
def test_threads_share_a_batch_without_a_mix_up(num_threads):
    encoded = [pictures.encode(pictures.draw(40, 50, seed=one)) for one in range(16)]
    windows = np.array([[one, one, 20, 30 - one] for one in range(16)], np.int32)
    are_mirrored = np.arange(16) % 3 == 0
    found = KERNELS.trainer_decode_jpeg_windows(
        encoded, windows, are_mirrored, image_size=16, num_threads=num_threads
    )
    for one, picture in enumerate(found):
        top, left, height, width = windows[one]
        pixels = images.decode(encoded[one])[top : top + height, left : left + width]
        expected = KERNELS.trainer_resize_window(
            pixels, are_mirrored[one], image_size=16
        )
        np.testing.assert_array_equal(picture, expected)


def test_a_picture_that_does_not_decode_fails_the_batch():
    good = pictures.encode(pictures.draw(40, 50))
    encoded = tf.constant([good, good[: len(good) // 2], good])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG data"):
        images.decode_batch_for_training(encoded, seeds_of(3), image_size=32)


def test_a_picture_of_too_many_pixels_fails_the_batch(monkeypatch):
    encoded = tf.fill([2], pictures.encode(pictures.draw(40, 50)))
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 50 - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 1999 pixels"):
        images.decode_batch_for_training(encoded, seeds_of(2), image_size=32)


@pytest.mark.parametrize(
    "window",
    [
        [0, 0, 0, 5],
        [0, 0, 5, 0],
        [0, 0, 41, 5],
        [0, 0, 5, 51],
        [-1, 0, 5, 5],
        [0, -1, 5, 5],
        [0, -40, 5, 45],
        [40, 0, 5, 5],
        [0, 50, 5, 5],
        [0, 2**31 - 1, 5, 5],
        [2**31 - 1, 0, 5, 5],
        [0, 0, 5, 2**31 - 1],
        [0, 1, 5, 2**31 - 1],
        [1, 0, 2**31 - 1, 5],
        [0, -(2**31), 5, 5],
        [0, 0, 5, -(2**31)],
    ],
)
def test_a_window_out_of_the_picture_is_refused(window):
    encoded = [pictures.encode(pictures.draw(40, 50))]
    with pytest.raises(tf.errors.InvalidArgumentError, match="or crop window"):
        KERNELS.trainer_decode_jpeg_windows(
            encoded, [window], [False], image_size=32, num_threads=1
        )


@pytest.mark.parametrize(
    ("encoded", "windows", "are_mirrored"),
    [
        ([b"", b""], [[0, 0, 1, 1]], [False, False]),
        ([b""], [[0, 0, 1]], [False]),
        ([b""], [[0, 0, 1, 1]], [False, True]),
        ([[b""]], [[0, 0, 1, 1]], [[False]]),
    ],
)
def test_a_batch_whose_parts_do_not_fit_is_refused(encoded, windows, are_mirrored):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(is|are) \[batch"):
        KERNELS.trainer_decode_jpeg_windows(
            encoded,
            tf.constant(windows, tf.int32),
            are_mirrored,
            image_size=32,
            num_threads=1,
        )


@pytest.mark.parametrize("shape", [[0, 5, 3], [5, 0, 3], [5, 5, 1], [5, 5]])
def test_pixels_of_another_shape_are_refused(shape):
    with pytest.raises(tf.errors.InvalidArgumentError, match="height, width, 3"):
        KERNELS.trainer_resize_window(np.zeros(shape, np.uint8), False, image_size=32)


def test_an_empty_batch_is_an_empty_batch():
    found = KERNELS.trainer_decode_jpeg_windows(
        tf.zeros([0], tf.string),
        tf.zeros([0, 4], tf.int32),
        tf.zeros([0], tf.bool),
        image_size=32,
        num_threads=2,
    )
    assert found.shape == (0, 32, 32, 3)
