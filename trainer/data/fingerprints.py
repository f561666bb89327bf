"""What pictures are compared by: their bytes, and what they look like.

Runs in worker processes. Two pictures look the same if their perceptual hashes differ
in few bits and their colours are close: the hash alone took pictures of different
garments on one floor for the same (docs/adr/0011-near-duplicates.md).
"""

import hashlib
from typing import NamedTuple

import imagehash
import numpy as np
from PIL import Image

# Side that pictures are brought to first, so that a large one is scanned once.
SMALL_SIDE = 64
# The colours are the means of this many by this many fields.
COLOUR_SIDE = 2
# Standard deviation of the grey values, of 255, under which a hash is noise.
MIN_CONTRAST = 3.0


class Look(NamedTuple):
    """What a picture looks like.

    Attributes:
        perceptual: 64 bits.
        colours: uint8 [12], means of red, green and blue in four quarters.
        is_plain: True if the picture is nearly of one grey: the bits mean nothing.
    """

    perceptual: int
    colours: np.ndarray
    is_plain: bool


def digest(encoded: bytes) -> np.ndarray:
    """Hash of the bytes, uint64 [2]."""
    hashed = hashlib.blake2b(encoded, digest_size=16).digest()
    return np.frombuffer(hashed, np.uint64)


def look(pixels: np.ndarray) -> Look:
    """Computes the perceptual hash and the colours.

    Args:
        pixels: uint8 [height, width, 3].
    """
    image = Image.fromarray(pixels)
    # A whole number of pixels to one is several times faster than any other ratio.
    reduced = image.reduce(max(1, min(image.size) // SMALL_SIDE))
    small = reduced.resize((SMALL_SIDE, SMALL_SIDE), Image.Resampling.LANCZOS)
    bits = imagehash.phash(small).hash
    colours = small.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX)
    return Look(
        int.from_bytes(np.packbits(bits).tobytes(), "big"),
        np.asarray(colours).reshape(-1),
        float(np.asarray(small.convert("L")).std()) < MIN_CONTRAST,
    )
