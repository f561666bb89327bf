"""Reads records of one file and finds out all that `inspect` tells of each.

Runs in worker processes. Whether a picture decodes is judged by the decoder that
training uses; its format, colour mode and EXIF are read by Pillow.
"""

import contextlib
import functools
import io
import warnings
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from trainer import errors
from trainer.data import examples, fingerprints, images, normalize, tfrecord
from trainer.data.survey import RECORD, BadRecord, Chunk, Status

# Side for a decode of which the pixels are not looked at.
ANY_SIDE = 32
UNKNOWN = "unknown"
# Pillow's colour modes in words; others keep their names.
MODE_NAMES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with alpha",
    "RGBA": "RGB with alpha",
    "P": "palette",
    "PA": "palette with alpha",
    "I;16": "grey 16 bits",
    "I;16B": "grey 16 bits",
}


class _BadRecordError(Exception):
    """Carries what is wrong with a record out of the steps that read it."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Header(NamedTuple):
    """What a picture says of itself before it is decoded."""

    file_format: str
    mode: str
    width: int
    height: int
    orientation: int


def read_chunk(path: str, local_path: str, start: int, stop: int) -> Chunk:
    """Reads records `start` up to but not including `stop` of a file.

    Args:
        path: The file, as users know it.
        local_path: Where it is.
        start: From 0.
        stop: More than `start`.
    """
    index = _open_file(path, local_path)
    chunk = Chunk(np.zeros(stop - start, RECORD), [], Counter(), Counter())
    for record in range(start, stop):
        facts = chunk.records[record - start]
        try:
            _read_record(index, record, facts, chunk)
        except _BadRecordError as error:
            facts["status"] = error.status
            chunk.bad.append(
                BadRecord(*index.locate(record), error.status, error.reason)
            )
    # A copy that was removed takes room until the last reader closes it.
    index.close(path)
    return chunk


# Chunks come in the order of the files: one or two are in use at a time.
@functools.lru_cache(maxsize=2)
def _open_file(path: str, local_path: str) -> tfrecord.RecordIndex:
    return tfrecord.index_files([path], lambda _: contextlib.nullcontext(local_path))


def close_files() -> None:
    """Forgets the files that were read, which may change from now on."""
    _open_file.cache_clear()


def _read_record(
    index: tfrecord.RecordIndex, record: int, facts: Any, chunk: Chunk
) -> None:
    """Fills in `facts`, a RECORD, as far as the record goes."""
    encoded, facts["label"] = _parse(index, record)
    facts["digest"] = fingerprints.digest(encoded)
    header = read_header(encoded)
    if header is not None:
        chunk.formats[header.file_format] += 1
        chunk.modes[header.mode] += 1
        facts["width"], facts["height"] = header.width, header.height
        facts["orientation"] = header.orientation
    pixels = _decode(encoded, is_known=header is not None)
    if header is None:
        chunk.formats[UNKNOWN] += 1
        facts["height"], facts["width"] = pixels.shape[:2]
    facts["perceptual"], facts["colours"], facts["is_plain"] = fingerprints.look(pixels)


def _parse(index: tfrecord.RecordIndex, record: int) -> tuple[bytes, int]:
    """The encoded picture and the label."""
    where = index.describe(record)
    try:
        serialized = index.read(record)
    except errors.DataError as error:
        raise _BadRecordError(Status.DAMAGED, _cut(error, where)) from error
    try:
        label = examples.parse_label(serialized, where)
    except errors.DataError as error:
        raise _BadRecordError(Status.INCOMPLETE, _cut(error, where)) from error
    if label is None:
        raise _BadRecordError(Status.BROKEN, examples.BROKEN)
    features = tf.train.Example.FromString(serialized).features.feature
    return features[examples.ENCODED].bytes_list.value[0], label


def _cut(error: errors.DataError, where: str) -> str:
    """The message without the record's name, which stands apart."""
    return str(error).removeprefix(f"{where} ").rstrip(".")


def read_header(encoded: bytes) -> Header | None:
    """Reads what a picture says of itself; None if Pillow does not know its kind.

    Raises:
        _BadRecordError: If it has more pixels than training decodes.
    """
    try:
        # Pillow warns of odd metadata, and of sizes that are still below the limit.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(encoded), formats=normalize.FORMATS) as image:
                is_jpeg = image.format in normalize.JPEG_FORMATS
                return Header(
                    "JPEG" if is_jpeg else str(image.format),
                    _describe_mode(image),
                    image.width,
                    image.height,
                    _read_orientation(image),
                )
    except Image.DecompressionBombError as error:
        raise _BadRecordError(
            Status.OVERSIZED,
            f"holds a picture of more than {images.MAX_PIXELS:,} pixels",
        ) from error
    except normalize.DECODE_ERRORS:
        return None


def _describe_mode(image: Image.Image) -> str:
    name = MODE_NAMES.get(image.mode, image.mode)
    # Pillow reads colour of 16 bits as one of 8 and tells by the raw mode only.
    is_deep = any(";16" in str(tile.args) for tile in getattr(image, "tile", []))
    return f"{name} 16 bits" if is_deep and "16" not in name else name


def _read_orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(normalize.ORIENTATION_TAG, normalize.UPRIGHT)
    except normalize.DECODE_ERRORS:
        return normalize.UPRIGHT
    # 2 to 8 are turned or mirrored; cameras also write 0 and nonsense.
    if orientation in range(normalize.UPRIGHT + 1, 9):
        return int(orientation)
    return normalize.UPRIGHT


def _decode(encoded: bytes, *, is_known: bool) -> np.ndarray:
    """All pixels, since training's random crops reach every corner."""
    try:
        if not is_known:
            # Its size is not known to be harmless, so let training's checks see it.
            images.decode_for_evaluation(tf.constant(encoded), image_size=ANY_SIDE)
        pixels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    except tf.errors.InvalidArgumentError as error:
        reason = images.describe_failure(error)
        raise _BadRecordError(Status.UNDECODABLE, reason) from error
    return np.asarray(pixels.numpy())
