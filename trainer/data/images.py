"""Encoded pictures -> pixels: the one preprocessing of training, evaluation, serving.

Source: tensorflow/tpu models/official/efficientnet/preprocessing.py as of 2019, which
the built-in algorithm used (docs/contract.md, "Preprocessing").
"""

import functools
import re
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer import environment
from trainer.data import picture_headers
from trainer.data.kernels import library

# The evaluation crop leaves out image_size / (image_size + CROP_PADDING) of the shorter
# side, 7/8 at 224 pixels. The 2021 upstream takes 7/8 at every size.
CROP_PADDING = 32
# A picture with more is refused before it is decoded: a file of a few kilobytes can
# unpack to gigabytes. Twice Pillow's warning level, where Pillow refuses as well.
MAX_PIXELS = 178_956_970

# As tf.io.is_jpeg has it, which looks at one string only.
_JPEG_START = b"\xff\xd8\xff"

# What TensorFlow writes before the reason, if the graph was loaded or has errors twice.
_HEADING = re.compile(
    r"Graph execution error:|Detected at node|<stack traces|\d+ root error|\s*$"
    r"|  File |    |\t"
)

# Of Szegedy et al. 2014, arxiv.org/abs/1409.4842, section 6.
MIN_OBJECT_COVERED = 0.1
ASPECT_RATIO_RANGE = (3 / 4, 4 / 3)
AREA_RANGE = (0.08, 1.0)
MAX_ATTEMPTS = 10


def decode_for_evaluation(encoded: Any, *, image_size: int) -> Any:
    """Decodes a picture and resizes its centre, a square.

    Args:
        encoded: string [], a JPEG, PNG, GIF (its first frame), BMP or still WebP.
        image_size: Side of the output in pixels.

    Returns:
        float32 [image_size, image_size, 3], RGB, 0..255 and, where bicubic
        interpolation overshoots, a little beyond.

    Raises:
        tf.errors.InvalidArgumentError: If the bytes are no picture, or one of more than
            MAX_PIXELS.
    """
    pixels = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _crop_jpeg(encoded, _centre_window(_jpeg_shape(encoded), image_size)),
        lambda: _crop_centre(_decode_other(encoded), image_size),
    )
    return _resize(pixels, image_size)


def decode(encoded: Any) -> Any:
    """Decodes a whole picture.

    Args:
        encoded: string [], a JPEG, PNG, GIF (its first frame), BMP or still WebP.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        tf.errors.InvalidArgumentError: If the bytes are no picture, or one of more than
            MAX_PIXELS.
    """
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _decode_jpeg(encoded),
        lambda: _decode_other(encoded),
    )


def decode_for_training(
    encoded: Any, seed: Any, *, image_size: int, min_area: float = AREA_RANGE[0]
) -> Any:
    """Decodes a picture, takes a random part of it, and mirrors every other one.

    The part is a rectangle of `min_area` to all of the area; the centre where ten draws
    found none.

    Args:
        encoded: string [], a JPEG, PNG, GIF (its first frame), BMP or still WebP.
        seed: int64 [2]; the same seed gives the same picture.
        image_size: Side of the output in pixels.
        min_area: Share of the area that the part has at least, above 0 and up to 1.

    Returns:
        float32 [image_size, image_size, 3] as of `decode_for_evaluation`.

    Raises:
        tf.errors.InvalidArgumentError: If the bytes are no picture, or one of more than
            MAX_PIXELS.
    """
    pixels = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _crop_jpeg_at_random(encoded, seed, image_size, min_area),
        lambda: _crop_random(_decode_other(encoded), seed, image_size, min_area),
    )
    return _resize_for_training(pixels, seed, image_size)


def decode_batch_for_training(
    encoded: Any, seeds: Any, *, image_size: int, min_area: float = AREA_RANGE[0]
) -> Any:
    """Decodes pictures as `decode_for_training` does, to the bit.

    JPEGs it decodes all at once, where the kernels for it were compiled.

    Args:
        encoded: string [batch].
        seeds: int64 [batch, 2].
        image_size: As there, like the rest.
        min_area: Share of the area that the part has at least.

    Returns:
        float32 [batch, image_size, image_size, 3].

    Raises:
        tf.errors.InvalidArgumentError: If one of the pictures does not decode.
    """
    crop: dict[str, Any] = {"image_size": image_size, "min_area": min_area}

    def decode_each() -> Any:
        decode = functools.partial(decode_for_training, **crop)
        return map_pictures(decode, encoded, seeds, image_size=image_size)

    if library.load() is None:
        return decode_each()
    are_jpegs = tf.reduce_all(tf.strings.substr(encoded, 0, 3) == _JPEG_START)
    return tf.cond(
        are_jpegs, lambda: _decode_jpegs(encoded, seeds, **crop), decode_each
    )


def map_pictures(decode: Callable[..., Any], *arguments: Any, image_size: int) -> Any:
    """Makes a batch of pictures one by one, in as many threads as there are cores.

    Args:
        decode: Makes a picture, float32 [image_size, image_size, 3].
        *arguments: What it is given, each [batch, ...].
        image_size: Side of the pictures in pixels.

    Returns:
        float32 [batch, image_size, image_size, 3].
    """
    return tf.map_fn(
        lambda one: decode(*one),
        arguments,
        fn_output_signature=tf.TensorSpec([image_size, image_size, 3]),
        parallel_iterations=environment.num_cores(),
    )


def crop_for_training(
    pixels: Any, seed: Any, *, image_size: int, min_area: float = AREA_RANGE[0]
) -> Any:
    """The picture that `decode_for_training` makes, to the bit, from decoded pixels.

    Args:
        pixels: uint8 [height, width, 3], of `decode`.
        seed: As there, like the rest.
        image_size: Side of the output in pixels.
        min_area: Share of the area that the part has at least.
    """
    # What a cache hands out has no shape in a graph.
    pixels = tf.ensure_shape(pixels, [None, None, 3])
    window = _crop_random(pixels, seed, image_size, min_area)
    return _resize_for_training(window, seed, image_size)


def describe_failure(error: tf.errors.OpError) -> str:
    """Says why a picture did not decode, for messages that name its record."""
    lines = (line for line in error.message.splitlines() if not _HEADING.match(line))
    # Without the names of TensorFlow's op, before and after.
    reason = re.sub(
        r"^\{\{.*?\}\} |^ *\(0\) [A-Z_]+: | \[Op:.*", "", next(lines, "no reason given")
    )
    return f"holds a picture that does not decode ({reason.rstrip('.')})"


def _crop_jpeg(encoded: Any, window: Any) -> Any:
    """Decodes the window (top, left, height, width) only, which saves its rest."""
    return tf.image.decode_and_crop_jpeg(encoded, window, channels=3)


def _crop_jpeg_at_random(
    encoded: Any, seed: Any, image_size: int, min_area: float
) -> Any:
    """Decodes a column more on each side, which makes the window's own as in the whole.

    libjpeg-turbo interpolates colour that has half the columns from the neighbours,
    and has none beyond the columns that it was asked for.
    """
    shape = _jpeg_shape(encoded)
    top, left, height, width = tf.unstack(
        _random_window(shape, seed, image_size, min_area)
    )
    start = tf.maximum(left - 1, 0)
    end = tf.minimum(left + width + 1, shape[1])
    pixels = _crop_jpeg(encoded, tf.stack([top, start, height, end - start]))
    return pixels[:, left - start : left - start + width]


def _decode_jpegs(encoded: Any, seeds: Any, *, image_size: int, min_area: float) -> Any:
    """The kernel decodes the columns beside a window as `_crop_jpeg_at_random` does.

    What can be done for all pictures at once is: an op of TensorFlow takes microseconds
    to start, of the hundreds that a picture takes.
    """

    def draw(one: Any) -> Any:
        picture, seed = one
        shape = tf.io.extract_jpeg_shape(picture)
        return shape, *_sample_window(shape, seed, min_area), _is_mirrored(seed)

    three = tf.TensorSpec([3], tf.int32)
    shapes, begins, sizes, are_mirrored = tf.map_fn(
        draw, (encoded, seeds), fn_output_signature=(three, three, three, tf.bool)
    )
    with tf.control_dependencies([_check_size(shapes[:, 0], shapes[:, 1])]):
        windows = _or_centre(begins, sizes, shapes, image_size)
    return library.load().trainer_decode_jpeg_windows(
        encoded,
        windows,
        are_mirrored,
        image_size=image_size,
        num_threads=environment.num_cores(),
    )


def _decode_jpeg(encoded: Any) -> Any:
    with tf.control_dependencies([_jpeg_shape(encoded)]):
        return tf.io.decode_jpeg(encoded, channels=3)


def _jpeg_shape(encoded: Any) -> Any:
    shape = tf.io.extract_jpeg_shape(encoded)
    with tf.control_dependencies([_check_size(shape[0], shape[1])]):
        return tf.identity(shape)


def _decode_other(encoded: Any) -> Any:
    height, width = picture_headers.read_size(encoded)
    with tf.control_dependencies([_check_size(height, width)]):
        return tf.io.decode_image(encoded, channels=3, expand_animations=False)


def _check_size(height: Any, width: Any) -> Any:
    num_pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    return tf.debugging.Assert(
        tf.reduce_all(num_pixels <= MAX_PIXELS),
        [f"more than {MAX_PIXELS} pixels, it has", tf.reduce_max(num_pixels)],
    )


def _crop_centre(pixels: Any, image_size: int) -> Any:
    return _crop(pixels, _centre_window(tf.shape(pixels), image_size))


def _crop_random(pixels: Any, seed: Any, image_size: int, min_area: float) -> Any:
    window = _random_window(tf.shape(pixels), seed, image_size, min_area)
    return _crop(pixels, window)


def _crop(pixels: Any, window: Any) -> Any:
    top, left, height, width = tf.unstack(window)
    return pixels[top : top + height, left : left + width]


def _centre_window(shape: Any, image_size: int) -> Any:
    """The square in the middle: int32 [..., 4], top, left, height, width."""
    height, width = shape[..., 0], shape[..., 1]
    share = image_size / (image_size + CROP_PADDING)
    shorter = tf.cast(tf.minimum(height, width), tf.float32)
    # A picture of one pixel has one pixel to show.
    side = tf.maximum(tf.cast(share * shorter, tf.int32), 1)
    corner = [(height - side + 1) // 2, (width - side + 1) // 2]
    return tf.stack([*corner, side, side], axis=-1)


def _random_window(shape: Any, seed: Any, image_size: int, min_area: float) -> Any:
    """A random rectangle: int32 [4], top, left, height, width."""
    begin, size = _sample_window(shape, seed, min_area)
    return _or_centre(begin, size, shape, image_size)


def _sample_window(shape: Any, seed: Any, min_area: float) -> tuple[Any, Any]:
    """Begin and size of a random part of an image, int32 [3] each, or of all of it."""
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape,
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed=seed,
        min_object_covered=MIN_OBJECT_COVERED,
        aspect_ratio_range=ASPECT_RATIO_RANGE,
        area_range=(min_area, 1.0),
        max_attempts=MAX_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    return begin, size


def _or_centre(begin: Any, size: Any, shape: Any, image_size: int) -> Any:
    """The window as int32 [..., 4]; the centre in place of the whole image.

    That is what the sampling kernel returns if no draw was good.
    """
    is_whole = tf.reduce_all(size[..., :2] == shape[..., :2], axis=-1, keepdims=True)
    window = tf.concat([begin[..., :2], size[..., :2]], axis=-1)
    return tf.where(is_whole, _centre_window(shape, image_size), window)


def _resize(pixels: Any, image_size: int) -> Any:
    """Bicubic without antialiasing and with corners as TensorFlow 1 placed them."""
    resized = tf.raw_ops.ResizeBicubic(
        images=pixels[tf.newaxis], size=[image_size, image_size]
    )[0]
    return tf.ensure_shape(resized, [image_size, image_size, 3])


def _resize_for_training(pixels: Any, seed: Any, image_size: int) -> Any:
    """Resizes, and mirrors every other picture; compiled kernels do both at once.

    They differ from TensorFlow's by 2e-4 at most, a millionth of the range.
    """
    is_mirrored = _is_mirrored(seed)
    kernels = library.load()
    if kernels is None:
        resized = _resize(pixels, image_size)
        return tf.cond(is_mirrored, lambda: tf.reverse(resized, [1]), lambda: resized)
    return kernels.trainer_resize_window(pixels, is_mirrored, image_size=image_size)


def _is_mirrored(seed: Any) -> Any:
    """With probability 1/2, by another random number than the crop's."""
    other_seed = tf.stack([~seed[0], seed[1]])
    return tf.random.stateless_uniform([], other_seed) < 0.5
