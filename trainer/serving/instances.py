"""The JSON of requests and answers, as AI Platform and TensorFlow Serving write it.

An instance is `{"image_bytes": {"b64": "..."}, "key": "..."}`; the key may be absent.
Its prediction is `{"classes": 2, "key": "...", "probabilities": [0.1, 0.3, 0.6]}`.
Source: docs/contract.md, "Deploy / predict". No TensorFlow.
"""

import base64
import binascii
from typing import Any, NamedTuple

from trainer import errors

IMAGE_BYTES, KEY, B64 = "image_bytes", "key", "b64"
EXAMPLE = '{"image_bytes": {"b64": "..."}, "key": "1"}'
MAX_SHOWN = 40


class Instance(NamedTuple):
    """One picture that somebody asks about.

    Attributes:
        encoded: The picture's file.
        key: Comes back with the answer; empty if none was given.
    """

    encoded: bytes
    key: str


def parse_instance(value: Any) -> Instance:
    """Reads an instance.

    Args:
        value: What JSON holds for it.

    Raises:
        DataError: With what was expected and found, to follow on the instance's name.
    """
    if not isinstance(value, dict):
        raise _error(f"found {_show(value)}")
    unknown = sorted(value.keys() - {IMAGE_BYTES, KEY})
    if unknown:
        raise _error(f"found the name {_show(unknown[0])}")
    if IMAGE_BYTES not in value:
        raise _error(f"found no {IMAGE_BYTES!r}")
    key = value.get(KEY, "")
    if not isinstance(key, str):
        raise _error(f"found a key that is no text but {_show(key)}")
    if not _is_unicode(key):
        raise _error(f"found a key with half of a pair of surrogates, {_show(key)}")
    return Instance(_decode(value[IMAGE_BYTES]), key)


def format_prediction(
    class_index: int, probabilities: list[float], key: str
) -> dict[str, Any]:
    """Builds the answer to an instance, with its names in the documented order.

    Args:
        class_index: Position of the most probable class, from 0.
        probabilities: One number a class, 0..1.
        key: The instance's.
    """
    return {"classes": class_index, "key": key, "probabilities": probabilities}


def _decode(value: Any) -> bytes:
    text = value.get(B64) if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(text, str):
        raise _error(f"found {IMAGE_BYTES} without {B64!r}: {_show(value)}")
    try:
        encoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _error(f"found {B64} that is no base64 ({error})") from error
    if not encoded:
        raise _error(f"found {B64} without a byte")
    return encoded


def _is_unicode(text: str) -> bool:
    """False for what JSON can escape, but no answer can hold in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _error(found: str) -> errors.DataError:
    return errors.DataError(f"expected {EXAMPLE}, {found}.")
