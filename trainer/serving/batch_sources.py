"""Input files of a batch -> pictures to predict, one at a time, or what is wrong."""

import contextlib
import gzip
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from trainer import errors, storage
from trainer.config.batch_predict import IMAGES, TF_RECORD, TF_RECORD_GZIP
from trainer.data import tfrecord
from trainer.serving import instances, picture_files, requests

# How many pictures are read ahead.
READ_AHEAD = 16
CHUNK_BYTES = 2**20
# First bytes of records: of a serialized tf.train.Example, and of a JSON object. No
# picture that the graph decodes starts with either.
EXAMPLE_START, JSON_START = b"\n", b"{"
GZIP_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error)


class Asked(NamedTuple):
    """A picture to predict, or why it is none.

    Attributes:
        where: The file, and the line or record in it.
        key: Comes back with the answer.
        encoded: The picture's file.
        reason: Why there is no picture, to follow on `where`; empty if there is one.
    """

    where: str
    key: str = ""
    encoded: bytes = b""
    reason: str = ""


def read(
    paths: Sequence[str], data_format: str, expect: Callable[[int], None]
) -> Iterator[Asked]:
    """Yields all that files hold, in order.

    Args:
        paths: Files of one format.
        data_format: See BatchPredictConfig.
        expect: Is told, once it is known, of so many more that will come.

    Raises:
        StorageError: If a file can't be read.
    """
    if data_format == IMAGES:
        expect(len(paths))
        for batch in picture_files.load_batches(paths, READ_AHEAD):
            for file in batch:
                yield Asked(file.path, file.path, file.encoded, file.reason)
        return
    readers = {TF_RECORD: _read_records, TF_RECORD_GZIP: _read_packed_records}
    reader = readers.get(data_format, _read_lines)
    for path in paths:
        try:
            with storage.local_file(path) as local_path:
                yield from reader(path, local_path, expect)
        except OSError as error:
            raise errors.StorageError(
                f"{path} can't be read ({error.strerror}); check that it is still "
                f"there and what this user may read, and {tempfile.gettempdir()}."
            ) from error


def _read_lines(
    path: str, local_path: str, expect: Callable[[int], None]
) -> Iterator[Asked]:
    with open(local_path, "rb") as file:
        expect(sum(not line.isspace() for line in file))
        file.seek(0)
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _parse_json(line, f"{path} line {number}")


def _parse_json(text: bytes, where: str) -> Asked:
    key = ""
    try:
        value = requests.parse_json(text)
        key = _find_key(value)
        encoded, _ = instances.parse_instance(value)
    except errors.DataError as error:
        return Asked(where, key, reason=str(error))
    return Asked(where, key, encoded)


def _find_key(value: Any) -> str:
    """The key of an instance that may be wrong otherwise; empty if it has none."""
    key = value.get(instances.KEY) if isinstance(value, dict) else None
    return key if isinstance(key, str) else ""


def _read_packed_records(
    path: str, local_path: str, expect: Callable[[int], None]
) -> Iterator[Asked]:
    with tempfile.TemporaryDirectory() as folder:
        unpacked = os.path.join(folder, "records")
        try:
            with gzip.open(local_path) as source, open(unpacked, "wb") as target:
                target.writelines(iter(lambda: source.read(CHUNK_BYTES), b""))
        except GZIP_ERRORS as error:
            yield Asked(path, reason=f"expected a GZIP file, found none ({error})")
            return
        yield from _read_records(path, unpacked, expect)


def _read_records(
    path: str, local_path: str, expect: Callable[[int], None]
) -> Iterator[Asked]:
    def resolve(_: str) -> contextlib.AbstractContextManager[str]:
        return contextlib.nullcontext(local_path)

    try:
        index = tfrecord.index_files([path], resolve)
    except errors.DataError as error:
        yield Asked(path, reason=str(error).removeprefix(f"{path} "))
        return
    expect(len(index))
    for record in range(len(index)):
        where = index.describe(record)
        try:
            yield _parse_record(index.read(record), where)
        except errors.DataError as error:
            yield Asked(where, where, reason=str(error).removeprefix(f"{where} "))
    for lost in index.lost:
        yield Asked(path, reason=str(lost).removeprefix(f"{path} "))


def _parse_record(data: bytes, where: str) -> Asked:
    """Takes the picture of a tf.Example, an instance in JSON, or a picture's file."""
    if data.startswith(JSON_START):
        return _parse_json(data, where)
    if data.startswith(EXAMPLE_START):
        # The one reader that needs TensorFlow.
        from trainer.data import examples

        return Asked(where, where, examples.parse_picture(data, where))
    return Asked(where, where, data)
