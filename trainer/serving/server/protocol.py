"""Bytes of a request -> pictures; predictions -> the answer. No HTTP.

Source: docs/contract.md, "Serve".
"""

import io
import json
from collections.abc import Sequence
from typing import Any

from PIL import Image

from trainer import config, errors
from trainer.data import normalize
from trainer.serving import instances
from trainer.serving.predictor import Prediction, Undecodable
from trainer.serving.server import refusals

INSTANCES, PARAMETERS, SIGNATURE_NAME = "instances", "parameters", "signature_name"
# What the exported graph decodes.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
# Both of the exported signatures answer alike.
SIGNATURES = ("serving_default", "classify")


def parse_request(body: bytes, limits: config.ServeConfig) -> list[instances.Instance]:
    """Reads the body of a request for predictions.

    Args:
        body: JSON, `{"instances": [...]}`.
        limits: How many pictures it may have, and how large they may be.

    Returns:
        The instances in order, one or more.

    Raises:
        RefusalError: With the place of each instance that is wrong.
    """
    values = _parse_form(body)
    if len(values) > limits.max_queue:
        raise refusals.too_many(len(values), limits)
    parsed: list[instances.Instance] = []
    problems = []
    for number, value in enumerate(values):
        try:
            instance = instances.parse_instance(value)
            _check_pixels(instance.encoded, limits.max_pixels)
            parsed.append(instance)
        except errors.DataError as error:
            problems.append(f"instances[{number}]: {error}")
    if problems:
        raise refusals.bad_instances(problems)
    return parsed


def format_answers(
    asked: Sequence[instances.Instance], answers: Sequence[Prediction | Undecodable]
) -> dict[str, Any]:
    """Builds the answer's JSON.

    The documented form has no place for an error beside predictions, so one picture
    that does not decode refuses its whole request, by its place.

    Raises:
        RefusalError: If a picture did not decode.
    """
    problems = [
        f"instances[{number}] {answer.reason}."
        for number, answer in enumerate(answers)
        if isinstance(answer, Undecodable)
    ]
    if problems:
        raise refusals.bad_instances(problems)
    return {
        "predictions": [
            instances.format_prediction(
                answer.class_index, answer.probabilities.tolist(), one.key
            )
            for one, answer in zip(asked, answers, strict=True)
            if isinstance(answer, Prediction)
        ]
    }


def _parse_form(body: bytes) -> list[Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise refusals.bad_form(f"no JSON ({error})") from error
    if not isinstance(value, dict):
        raise refusals.bad_form(f"JSON of type {type(value).__name__}")
    unknown = sorted(value.keys() - {INSTANCES, PARAMETERS, SIGNATURE_NAME})
    if unknown:
        raise refusals.bad_form(f"the name {unknown[0][:40]!r}")
    if value.get(PARAMETERS):
        raise refusals.bad_form(f"{PARAMETERS!r} with content, which the model lacks")
    if value.get(SIGNATURE_NAME, SIGNATURES[0]) not in SIGNATURES:
        raise refusals.bad_form(
            f"another {SIGNATURE_NAME} than {' or '.join(SIGNATURES)}"
        )
    values = value.get(INSTANCES)
    if not isinstance(values, list) or not values:
        raise refusals.bad_form(f"no list {INSTANCES!r} with something in it")
    return values


def _check_pixels(encoded: bytes, max_pixels: int) -> None:
    """Reads a picture's header; what has none that is known is left to the model."""
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            width, height = image.size
    except Image.DecompressionBombError as error:
        raise errors.DataError(
            f"more than {max_pixels} pixels (--max_pixels); scale it down."
        ) from error
    except normalize.DECODE_ERRORS:
        return
    if width * height > max_pixels:
        raise errors.DataError(
            f"{width} x {height} pixels, more than {max_pixels} (--max_pixels); scale "
            "it down."
        )
