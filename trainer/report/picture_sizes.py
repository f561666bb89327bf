"""What pictures say of themselves in their headers: sizes, formats, EXIF."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from trainer.data import normalize, record_reader


class PictureSizes:
    """Sums over pictures; those whose headers Pillow does not read are left out."""

    def __init__(self) -> None:
        self._sizes: list[tuple[int, int]] = []
        self._formats: Counter[str] = Counter()
        self._num_turned = 0

    def add(self, encoded: Sequence[bytes]) -> None:
        """Reads the headers of pictures that the model has read."""
        for one in encoded:
            header = record_reader.read_header(one)
            if header is not None:
                self._sizes.append((header.width, header.height))
                self._formats[header.file_format] += 1
                self._num_turned += header.orientation != normalize.UPRIGHT

    def describe(self) -> str:
        """A sentence or two; empty if nothing is known."""
        if not self._sizes:
            return ""
        sides = [
            f"{low:,} pixels {name}"
            if low == high
            else f"{low:,} to {high:,} pixels {name} (median {middle:,.0f})"
            for name, low, middle, high in zip(
                ("wide", "high"),
                np.min(self._sizes, axis=0),
                np.median(self._sizes, axis=0),
                np.max(self._sizes, axis=0),
                strict=True,
            )
        ]
        formats = ", ".join(
            f"{name} {count:,}" for name, count in self._formats.most_common()
        )
        sentence = f"Scored pictures are {sides[0]} and {sides[1]}: {formats}."
        if self._num_turned:
            sentence += (
                f" EXIF says of {self._num_turned:,} that they are turned or mirrored, "
                "which the model ignores."
            )
        return sentence
