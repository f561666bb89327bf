"""Makes any picture file a JPEG in RGB that shows what a person sees in a viewer.

Runs in worker processes, so TensorFlow is not imported here.
"""

import io
import struct
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from trainer import storage

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
# A phone's JPEG with more pictures behind the first; decoders read the first.
JPEG_FORMATS = ("JPEG", "MPO")
JPEG_QUALITY = 95
# Pillow refuses beyond twice Image.MAX_IMAGE_PIXELS as a decompression bomb.
MAX_PIXELS = 178_956_970
# Decoded pixels to each that a smaller picture keeps, in a row: with fewer, what the
# decoder leaves out would be seen.
SPARE_PIXELS = 2
ORIENTATION_TAG = 0x0112
UPRIGHT = 1
# What Pillow's decoders raise on broken files.
DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    ArithmeticError,
    MemoryError,
    struct.error,
)


class Picture(NamedTuple):
    """A JPEG in RGB; height and width are those of the bytes, EXIF not applied."""

    encoded: bytes
    height: int
    width: int


def load_picture(path: str, max_shorter_side: int = 0) -> Picture | str:
    """Reads a picture file and decompresses all of it, so a truncated one is found.

    A JPEG that is RGB, upright and small enough keeps its bytes. Everything else (PNG,
    GIF's first frame, BMP, WebP, TIFF; grey, CMYK, palette, alpha, 16 bits, turned by
    EXIF) is encoded anew.

    Args:
        path: The file.
        max_shorter_side: Pixels that the shorter side is made smaller to, if it has
            more; 0 for any size.

    Returns:
        The picture, or what is wrong with the file, to follow "found".
    """
    try:
        data = storage.read_bytes(path)
        if data is None:
            return "no file; check the path"
        return _normalize(data, max_shorter_side)
    except Image.DecompressionBombError:
        return f"a picture of more than {MAX_PIXELS:,} pixels; scale it down"
    except UnidentifiedImageError:
        return "bytes of another kind; save it as JPEG or PNG"
    except DECODE_ERRORS as error:
        return f"one that can't be decoded ({error}); replace the file"


def _normalize(data: bytes, max_shorter_side: int) -> Picture:
    # Pillow warns of odd metadata, and of sizes that are still below the limit.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            is_large = 0 < max_shorter_side < min(image.size)
            if _is_plain_jpeg(image) and not is_large:
                picture = Picture(data, image.height, image.width)
                # At an eighth of the size all of the file is still decompressed, which
                # finds what is cut off; only pixels that nobody needs are not made.
                image.draft(image.mode, (1, 1))
                image.load()
                return picture
            if is_large:
                # JPEG decodes to a half, quarter or eighth of the size in less time.
                image.draft(None, (SPARE_PIXELS * max_shorter_side,) * 2)
            image.load()
            upright = _convert_to_rgb(ImageOps.exif_transpose(image))
            return _encode(_shrink(upright, max_shorter_side) if is_large else upright)


def _is_plain_jpeg(image: Image.Image) -> bool:
    if image.format not in JPEG_FORMATS or image.mode != "RGB":
        return False
    orientation = image.getexif().get(ORIENTATION_TAG, UPRIGHT)
    return orientation not in range(UPRIGHT + 1, 9)


def _convert_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _scale_to_8_bits(image).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError("32 bits a pixel, of which black and white are unknown")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _shrink(image: Image.Image, shorter_side: int) -> Image.Image:
    share = shorter_side / min(image.size)
    width, height = (max(shorter_side, round(share * side)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _scale_to_8_bits(image: Image.Image) -> Image.Image:
    """Maps 0..65535 to 0..255; Pillow's own conversion cuts off at 255."""
    values = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def _encode(image: Image.Image) -> Picture:
    buffer = io.BytesIO()
    # A copy without the source's comment and profile.
    plain = Image.frombytes(image.mode, image.size, image.tobytes())
    plain.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    return Picture(buffer.getvalue(), image.height, image.width)
