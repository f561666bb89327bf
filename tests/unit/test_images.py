import io
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import pictures
from trainer.data import images


def reference_crop(pixels, image_size):
    """The upstream's evaluation crop, from its description."""
    height, width = pixels.shape[:2]
    side = int(
        np.float32(image_size / (image_size + 32)) * np.float32(min(pixels.shape[:2]))
    )
    top, left = (height - side + 1) // 2, (width - side + 1) // 2
    crop = pixels[top : top + side, left : left + side]
    return tf.compat.v1.image.resize_bicubic(
        crop[np.newaxis].astype(np.float32), [image_size, image_size]
    )[0].numpy()


def map_one(function, *arguments):
    dataset = tf.data.Dataset.from_tensors(arguments).map(function)
    return next(iter(dataset)).numpy()


@pytest.mark.parametrize("shape", [(24, 32), (97, 33), (8, 8), (224, 300)])
@pytest.mark.parametrize("image_size", [16, 64])
def test_the_evaluation_crop_is_the_upstreams(shape, image_size):
    # Partly decoded, a JPEG of subsampled colour differs at the borders of the crop.
    encoded = tf.io.encode_jpeg(pictures.draw(*shape), chroma_downsampling=False)
    pixels = tf.io.decode_jpeg(encoded).numpy()
    found = images.decode_for_evaluation(encoded, image_size=image_size).numpy()
    np.testing.assert_allclose(found, reference_crop(pixels, image_size), atol=1e-3)


def test_a_png_gives_the_same_crop_as_its_pixels():
    pixels = pictures.draw(40, 50)
    encoded = pictures.encode(pixels, "png")
    found = images.decode_for_evaluation(encoded, image_size=32).numpy()
    np.testing.assert_allclose(found, reference_crop(pixels, 32), atol=1e-3)


@pytest.mark.parametrize("file_format", ["jpeg", "png"])
def test_a_graph_of_tf_data_decodes_as_eager_code_does(file_format):
    encoded = pictures.encode(pictures.draw(40, 50), file_format)
    seed = tf.constant([3, 4], tf.int64)
    eager = images.decode_for_evaluation(encoded, image_size=32)
    mapped = map_one(
        lambda one: images.decode_for_evaluation(one, image_size=32), encoded
    )
    np.testing.assert_array_equal(eager, mapped)
    eager = images.decode_for_training(encoded, seed, image_size=32)
    mapped = map_one(
        lambda one, seed: images.decode_for_training(one, seed, image_size=32),
        encoded,
        seed,
    )
    np.testing.assert_array_equal(eager, mapped)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("shape", [(97, 133), (64, 48), (9, 17)])
def test_a_window_is_decoded_as_in_the_whole_picture(shape, subsampling):
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, [*shape, 3]).astype(np.uint8)
    photo = Image.fromarray(noise)
    photo.save(file, "JPEG", subsampling=subsampling)
    whole = images.decode(file.getvalue())
    for number in range(24):
        seed = tf.constant([1, number], tf.int64)
        found = images.decode_for_training(file.getvalue(), seed, image_size=32)
        expected = images.crop_for_training(whole, seed, image_size=32)
        np.testing.assert_array_equal(found, expected)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded_whole(
    monkeypatch,
):
    encoded = pictures.encode(pictures.draw(40, 50))
    assert images.decode(encoded).shape == (40, 50, 3)
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 50 - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 1999 pixels"):
        images.decode(encoded)


@pytest.mark.parametrize("file_format", ["jpeg", "png"])
def test_training_crops_follow_from_the_seed(file_format):
    encoded = pictures.encode(pictures.draw(60, 60), file_format)

    def decode(number):
        seed = tf.constant([0, number], tf.int64)
        return images.decode_for_training(encoded, seed, image_size=32).numpy()

    np.testing.assert_array_equal(decode(1), decode(1))
    different = [decode(number) for number in range(4)]
    assert len({picture.tobytes() for picture in different}) == 4


@pytest.mark.parametrize("file_format", ["jpeg", "png"])
def test_where_no_window_has_the_aspect_the_centre_is_taken(file_format):
    # No rectangle of at most 4/3 as wide as high is 8 % of it.
    encoded = pictures.encode(pictures.draw(4, 400), file_format)
    centre = images.decode_for_evaluation(encoded, image_size=32).numpy()
    for number in range(4):
        seed = tf.constant([0, number], tf.int64)
        one = images.decode_for_training(encoded, seed, image_size=32)
        (of_batch,) = images.decode_batch_for_training(
            tf.constant([encoded]), seed[tf.newaxis], image_size=32
        )
        np.testing.assert_array_equal(one, of_batch)
        is_mirrored = np.abs(one - centre).max() > 1
        found = np.flip(one, 1) if is_mirrored else one
        np.testing.assert_allclose(found, centre, atol=2e-4)


def test_half_of_the_training_pictures_are_mirrored():
    # Dark on the left, bright on the right, whatever part is cropped.
    ramp = np.broadcast_to(np.linspace(0, 255, 64)[:, np.newaxis], [64, 64, 3])
    encoded = pictures.encode(ramp.astype(np.uint8), "png")
    is_mirrored = []
    for number in range(100):
        seed = tf.constant([0, number], tf.int64)
        found = images.decode_for_training(encoded, seed, image_size=32).numpy()
        is_mirrored.append(found[:, 0].mean() > found[:, -1].mean())
    assert 30 < sum(is_mirrored) < 70


def test_a_picture_of_one_pixel_fills_the_crop():
    encoded = pictures.encode(np.full([1, 1, 3], 200, np.uint8), "png")
    found = images.decode_for_evaluation(encoded, image_size=32).numpy()
    np.testing.assert_allclose(found, 200)
    seed = tf.constant([0, 0], tf.int64)
    found = images.decode_for_training(encoded, seed, image_size=32).numpy()
    np.testing.assert_allclose(found, 200)


GRADIENT = Image.fromarray(pictures.draw(40, 50))
GREY = GRADIENT.convert("L")


def save(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("encoded", "pixels", "most"),
    [
        (save(GRADIENT, "BMP"), GRADIENT, 0),
        (save(GRADIENT, "GIF"), GRADIENT.quantize(), 8),
        (save(GRADIENT, "GIF", save_all=True, append_images=[GREY]), GRADIENT, 8),
        (save(GRADIENT, "WEBP", lossless=True), GRADIENT, 0),
        (save(GRADIENT, "WEBP", quality=100), GRADIENT, 4),
        (save(GRADIENT.convert("RGBA"), "WEBP", lossless=True), GRADIENT, 0),
        (save(GREY, "JPEG", quality=100), GREY, 2),
        (save(GREY, "PNG"), GREY, 0),
        (save(GRADIENT.convert("CMYK"), "JPEG", quality=100), GRADIENT, 6),
        (save(GRADIENT.convert("RGBA"), "PNG"), GRADIENT, 0),
        (save(GRADIENT.quantize(), "PNG"), GRADIENT.quantize(), 0),
        (save(Image.fromarray(np.uint16(GREY) * 257), "PNG"), GREY, 0),
    ],
    ids=(
        *("bmp", "gif", "gif of two", "webp", "lossy webp", "webp with alpha"),
        *("grey jpeg", "grey png", "cmyk", "png with alpha", "palette"),
        "16 bits",
    ),
)
def test_each_format_gives_the_crop_of_its_pixels(encoded, pixels, most):
    found = map_one(
        lambda one: images.decode_for_evaluation(one, image_size=32), encoded
    )
    expected = reference_crop(np.asarray(pixels.convert("RGB")), 32)
    assert np.abs(found - expected).mean() <= most + 1e-3


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0MM"}])
def test_size_of_a_webp_is_read_before_it_is_decoded(options, monkeypatch):
    encoded = save(GRADIENT, "WEBP", **options)
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 50)
    images.decode_for_evaluation(encoded, image_size=32)
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 50 - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 1999 pixels"):
        images.decode_for_evaluation(encoded, image_size=32)


@pytest.mark.parametrize(
    "encoded",
    [b"no picture", b"", b"RIFF", b"RIFF0000WEBPVP8?", save(GRADIENT, "TIFF")],
)
def test_bytes_that_are_no_picture_raise(encoded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        images.decode_for_evaluation(encoded, image_size=32)


@pytest.mark.parametrize(
    "start", [b"\x89P", b"GIF89a\xff", b"BM\xff", b"RIFF....WEBPVP8 ", b"RI\xff"]
)
def test_a_header_that_is_cut_off_is_an_error_with_a_text(start):
    # Bytes that are no text in a message would be another error in Python.
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        images.decode_for_evaluation(tf.constant(start), image_size=8)
    assert re.search("its header is cut off|no JPEG, PNG", caught.value.message)
