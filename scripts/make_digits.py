"""Writes scikit-learn's handwritten digits as PNG files in class folders.

    python scripts/make_digits.py --output_dir=digits

1,797 pictures of 8 x 8 pixels come with scikit-learn (no download), enlarged to
32 x 32; a fifth of each class goes to validation. For a first run of
`convert` and `train`.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps
from sklearn import datasets

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SIDE_PIXELS = 32
# A model of 48 pixels is shown the inner 60 % of a picture's width and height.
MARGIN_PIXELS = 8
VALIDATION_EVERY = 5
# Ink runs from 0 to 16. Source: sklearn.datasets.load_digits.
MAX_INK = 16


def main(argv: Sequence[str]) -> int:
    """Writes {train,validation}/{zero..nine}/NNNN.png and returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Writes handwritten digits as PNG files in class folders."
    )
    parser.add_argument("--output_dir", required=True, help="Folder to write to.")
    output_dir = pathlib.Path(parser.parse_args(argv).output_dir)
    digits = datasets.load_digits()
    seen = dict.fromkeys(NAMES, 0)
    for index, (ink, digit) in enumerate(
        zip(digits.images, digits.target, strict=True)
    ):
        name = NAMES[digit]
        seen[name] += 1
        split = "train" if seen[name] % VALIDATION_EVERY else "validation"
        folder = output_dir / split / name
        folder.mkdir(parents=True, exist_ok=True)
        _draw(ink).save(folder / f"{index:04}.png")
    print(f"{sum(seen.values())} pictures of {len(seen)} classes in {output_dir}")
    return 0


def _draw(ink: np.ndarray) -> Image.Image:
    """Enlarges one digit: float64 [8, 8], 0..16, to RGB, white on wide black."""
    grey = Image.fromarray((ink * 255 / MAX_INK).astype(np.uint8))
    side = (SIDE_PIXELS, SIDE_PIXELS)
    digit = grey.resize(side, Image.Resampling.BICUBIC)
    return ImageOps.expand(digit, border=MARGIN_PIXELS).convert("RGB")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
