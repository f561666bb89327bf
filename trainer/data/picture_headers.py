"""What a picture that is no JPEG says of itself, read in a graph before it is decoded.

Sources: w3.org/TR/png section 11.2.1; w3.org/Graphics/GIF/spec-gif89a.txt section 18;
BITMAPINFOHEADER of Windows' bitmaps; RFC 9649 sections 2.5 to 2.7 (WebP) and RFC 6386
section 9.1 (its lossy frames).
"""

from typing import Any

import numpy as np
import tensorflow as tf

# Where numbers start, in bytes, and of what kind they are.
PNG_WIDTH, GIF_WIDTH, BMP_WIDTH = 16, 6, 18
WEBP_KIND = 12
WEBP_LOSSY_WIDTH, WEBP_LOSSLESS_BITS = 26, 21
WEBP_CANVAS_WIDTH, WEBP_CANVAS_HEIGHT = 24, 27
MASK_14_BITS, MASK_24_BITS = 0x3FFF, 0xFFFFFF
TYPES = {"u2": tf.uint16, "i4": tf.int32}


def read_size(encoded: Any) -> tuple[Any, Any]:
    """Reads height and width.

    Args:
        encoded: string [], a PNG, GIF, BMP or WebP.

    Returns:
        Two int64 [], in pixels.

    Raises:
        tf.errors.InvalidArgumentError: If it is of another kind, or cut off.
    """
    magic = tf.strings.substr(encoded, 0, 2)
    return tf.case(
        [
            (tf.equal(magic, b"\x89P"), lambda: _read_pair(encoded, PNG_WIDTH, ">i4")),
            (tf.equal(magic, b"GI"), lambda: _read_pair(encoded, GIF_WIDTH, "<u2")),
            (tf.equal(magic, b"BM"), lambda: _read_pair(encoded, BMP_WIDTH, "<i4")),
            (tf.equal(magic, b"RI"), lambda: _read_webp_size(encoded)),
        ],
        default=_refuse,
    )


def _read_webp_size(encoded: Any) -> tuple[Any, Any]:
    kind = _take(encoded, WEBP_KIND, 4)
    return tf.case(
        [
            (tf.equal(kind, b"VP8 "), lambda: _read_lossy_size(encoded)),
            (tf.equal(kind, b"VP8L"), lambda: _read_lossless_size(encoded)),
            (tf.equal(kind, b"VP8X"), lambda: _read_canvas_size(encoded)),
        ],
        default=_refuse,
    )


def _read_lossy_size(encoded: Any) -> tuple[Any, Any]:
    height, width = _read_pair(encoded, WEBP_LOSSY_WIDTH, "<u2")
    # The upper two bits ask for scaling, which decoders leave out.
    return height & MASK_14_BITS, width & MASK_14_BITS


def _read_lossless_size(encoded: Any) -> tuple[Any, Any]:
    bits = _read(encoded, WEBP_LOSSLESS_BITS, "<i4")
    height = tf.bitwise.right_shift(bits, tf.constant(14, tf.int64)) & MASK_14_BITS
    return height + 1, (bits & MASK_14_BITS) + 1


def _read_canvas_size(encoded: Any) -> tuple[Any, Any]:
    height = _read(encoded, WEBP_CANVAS_HEIGHT, "<i4") & MASK_24_BITS
    width = _read(encoded, WEBP_CANVAS_WIDTH, "<i4") & MASK_24_BITS
    return height + 1, width + 1


def _read_pair(encoded: Any, position: int, kind: str) -> tuple[Any, Any]:
    """Height and width, of which the width comes first."""
    num_bytes = np.dtype(kind).itemsize
    # A BMP that is stored from the top has a negative height.
    height = tf.abs(_read(encoded, position + num_bytes, kind))
    return height, tf.abs(_read(encoded, position, kind))


def _read(encoded: Any, position: int, kind: str) -> Any:
    """The number, int64 [], at a position."""
    numbers = tf.io.decode_raw(
        _take(encoded, position, np.dtype(kind).itemsize),
        TYPES[kind[1:]],
        little_endian=kind[0] == "<",
    )
    return tf.cast(numbers[0], tf.int64)


def _take(encoded: Any, position: int, num_bytes: int) -> Any:
    """Some bytes, if they are there.

    Without the check substr would put the picture into its message, which then is no
    text.
    """
    is_there = tf.strings.length(encoded) >= position + num_bytes
    whole = tf.debugging.Assert(is_there, ["its header is cut off"])
    with tf.control_dependencies([whole]):
        return tf.strings.substr(encoded, position, num_bytes)


def _refuse() -> tuple[Any, Any]:
    known = tf.debugging.Assert(
        tf.constant(False), ["it is no JPEG, PNG, GIF, BMP or WebP"]
    )
    with tf.control_dependencies([known]):
        return tf.zeros([], tf.int64), tf.zeros([], tf.int64)
