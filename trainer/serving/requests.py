"""AI Platform's request files -> instances, each with a name for messages."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from trainer import errors, storage
from trainer.config.predict import STANDARD_STREAM
from trainer.serving import instances

INSTANCES = "instances"


def read_request(path: str, flag: str) -> list[tuple[str, instances.Instance]]:
    """Reads all instances of a request.

    Args:
        path: File with an instance a line, or one JSON object with `instances`;
            - is standard input.
        flag: Name of the flag that holds it, for messages.

    Returns:
        Where each instance is, such as "request.json line 3", and the instance.

    Raises:
        StorageError: If it can't be read.
        DataError: If it is no request; names the first instance that is wrong.
    """
    text = _read(path, flag)
    found = [
        (where, _parse(where, value)) for where, value in _split(_name(path), text)
    ]
    if not found:
        raise errors.DataError(
            f"{_name(path)} is empty, expected an instance a line: {instances.EXAMPLE}"
        )
    return found


def parse_json(text: str | bytes) -> Any:
    """Parses JSON.

    Raises:
        DataError: If it is none; to follow on the place where it is.
    """
    try:
        return json.loads(text)
    # A RecursionError comes of a thousand brackets.
    except (ValueError, RecursionError) as error:
        raise errors.DataError(
            f"expected JSON such as {instances.EXAMPLE}, found none ({error})."
        ) from error


def _name(path: str) -> str:
    return "standard input" if path == STANDARD_STREAM else path


def _read(path: str, flag: str) -> bytes:
    if path == STANDARD_STREAM:
        return sys.stdin.buffer.read()
    content = storage.read_bytes(path)
    if content is None:
        # Says how much of the path exists.
        storage.match_files(path, flag)
    return content or b""


def _split(name: str, text: bytes) -> Iterator[tuple[str, Any]]:
    """Yields where each instance is, and what JSON holds for it."""
    try:
        whole = parse_json(text)
    except errors.DataError:
        yield from _split_lines(name, text)
        return
    if isinstance(whole, dict) and INSTANCES in whole:
        values = whole[INSTANCES]
        if not isinstance(values, list) or not values:
            raise errors.DataError(
                f"{name}: expected {INSTANCES!r} to be a list of one or more "
                f"{instances.EXAMPLE}; correct the request."
            )
        for number, value in enumerate(values):
            yield f"{name} instance {number}", value
        return
    yield name, whole


def _split_lines(name: str, text: bytes) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{name} line {number}"
        try:
            yield where, parse_json(line)
        except errors.DataError as error:
            raise errors.DataError(f"{where}: {error}") from error


def _parse(where: str, value: Any) -> instances.Instance:
    try:
        return instances.parse_instance(value)
    except errors.DataError as error:
        raise errors.DataError(f"{where}: {error}") from error
