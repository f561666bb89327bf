"""TFRecord shards of a converted data set, and which files in a folder are ours."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any, Self

import tensorflow as tf

from trainer import errors, storage
from trainer.data import normalize, rows

MANIFEST = "manifest.json"
LABELS = "labels.txt"
OWN_NAME = re.compile(r"(train|validation|test)-\d{5}-of-\d{5}\.tfrecord|labels\.txt")
# Also what the original script wrote, without suffix: a reader's glob takes both.
SHARD_NAME = re.compile(r"(train|validation|test)-(.*\.tfrecord|\d+-of-\d+)")
# Length (8) and two checksums (4 each).
# Source: tensorflow.org/tutorials/load_data/tfrecord.
RECORD_OVERHEAD_BYTES = 16
MAX_NAMES_SHOWN = 5


def build_example(
    row: rows.Row, picture: normalize.Picture, class_number: int
) -> bytes:
    """Serializes one record.

    Args:
        row: Where the picture came from.
        picture: A JPEG in RGB.
        class_number: 1-based line of the label in labels.txt.

    Returns:
        A tf.train.Example.

    Source: keys of tensorflow/tpu tools/datasets/jpeg_to_tf_record.py.
    """
    features = {
        "image/height": _int64(picture.height),
        "image/width": _int64(picture.width),
        "image/colorspace": _bytes(b"RGB"),
        "image/channels": _int64(3),
        "image/class/label": _int64(class_number),
        "image/class/synset": _bytes(os.fsencode(row.label)),
        "image/format": _bytes(b"JPEG"),
        "image/filename": _bytes(os.fsencode(os.path.basename(row.path))),
        "image/encoded": _bytes(picture.encoded),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # Map fields have no fixed order otherwise: the same input gives the same bytes.
    record: bytes = example.SerializeToString(deterministic=True)
    return record


def _int64(value: int) -> Any:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _bytes(value: bytes) -> Any:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


class ShardWriter:
    """Writes records of one split to as many files as the size limit asks for.

    The number of files is known at the end only, so they are named on leaving the
    context. A record above the limit gets a shard of its own.
    """

    def __init__(self, directory: str, split: str, *, max_bytes: int) -> None:
        self.num_records: list[int] = []
        self._directory = directory
        self._split = split
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def write(self, record: bytes) -> None:
        """Appends a record.

        Raises:
            StorageError: If the file system refuses.
        """
        size = len(record) + RECORD_OVERHEAD_BYTES
        with _storage_errors(self._directory):
            if self._writer is None or self._num_bytes + size > self._max_bytes:
                self._start_shard()
            self._writer.write(record)
        self._num_bytes += size
        self.num_records[-1] += 1

    def finish(self) -> dict[str, int]:
        """Closes the last shard and gives all their final names.

        Returns:
            File name to number of records.

        Raises:
            StorageError: If the file system refuses.
        """
        with _storage_errors(self._directory):
            self._close()
        count = len(self.num_records)
        names = [f"{self._split}-{i:05}-of-{count:05}.tfrecord" for i in range(count)]
        for index, name in enumerate(names):
            os.replace(self._temporary_path(index), os.path.join(self._directory, name))
        return dict(zip(names, self.num_records, strict=True))

    def _start_shard(self) -> None:
        self._close()
        path = self._temporary_path(len(self.num_records))
        self._writer = tf.io.TFRecordWriter(path)
        self.num_records.append(0)
        self._num_bytes = 0

    def _close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()

    def _temporary_path(self, index: int) -> str:
        return os.path.join(self._directory, f".{self._split}-{index:05}.tmp")


@contextlib.contextmanager
def _storage_errors(directory: str) -> Iterator[None]:
    """Turns TensorFlow's file errors into the user's."""
    try:
        yield
    except tf.errors.OpError as error:
        raise errors.StorageError(
            f"--output_dir: {directory} can't be written ({error.message}); check that "
            "there is space left, and run again."
        ) from error


def list_own_files(output_dir: str) -> list[str]:
    """Lists what an earlier run wrote, as its manifest says.

    Raises:
        ConfigError: If there is a manifest.json of something else.
    """
    path = os.path.join(output_dir, MANIFEST)
    text = storage.read_text(path)
    if text is None:
        return []
    try:
        names = [str(name) for name in json.loads(text)["files"]]
    except (ValueError, LookupError, TypeError) as error:
        raise errors.ConfigError(
            f"{path} is not from an earlier convert, expected none or one with "
            '"files"; give an --output_dir of its own.'
        ) from error
    # Only these are ever replaced or removed, whatever a manifest claims.
    return sorted(name for name in names if OWN_NAME.fullmatch(name))


def check_foreign_files(output_dir: str, labels_text: str) -> None:
    """Checks that nothing but an earlier run's output would be replaced or mixed in.

    Raises:
        ConfigError: If there are shards or labels that the manifest does not list.
    """
    own = set(list_own_files(output_dir))
    foreign = [
        name
        for name in storage.list_names(output_dir)
        if SHARD_NAME.fullmatch(name) and name not in own
    ]
    if foreign:
        shown = ", ".join(foreign[:MAX_NAMES_SHOWN])
        more = len(foreign) - MAX_NAMES_SHOWN
        rest = f" and {more} more" if more > 0 else ""
        raise errors.ConfigError(
            f"--output_dir={output_dir} holds {shown}{rest}, which its manifest.json "
            "does not list, so a glob would mix them with the new files; move them "
            "away, or give another folder."
        )
    present = storage.read_text(os.path.join(output_dir, LABELS))
    if LABELS not in own and present not in (None, labels_text):
        raise errors.ConfigError(
            f"--output_dir={output_dir} holds a labels.txt with other labels that "
            "convert did not write; move it away, or give another folder."
        )


def publish(staging_dir: str, output_dir: str, manifest: dict[str, Any]) -> None:
    """Puts new files in place of an earlier run's.

    Args:
        staging_dir: Folder with the new shards and labels.txt.
        output_dir: Where they go.
        manifest: What to say of them; its "files" are theirs.
    """
    path = os.path.join(output_dir, MANIFEST)
    old, new = list_own_files(output_dir), manifest["files"]
    # Until all is in place, both runs' files are ours: a run that is killed right here
    # can be repeated.
    unfinished = {"complete": False, "files": sorted({*old, *new})}
    storage.write_text(path, json.dumps(unfinished))
    stale = sorted(set(old) - set(new))
    storage.remove_files([os.path.join(output_dir, name) for name in stale])
    storage.publish_files(staging_dir, output_dir, marker=LABELS)
    storage.write_text(path, json.dumps(manifest, indent=2) + "\n")
