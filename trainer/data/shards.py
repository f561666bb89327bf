"""TFRecord shards of a converted data set, and which files in a folder are ours."""

import contextlib
import itertools
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple, cast

from trainer import errors, storage
from trainer.data import example_bytes, normalize, rows

MANIFEST = "manifest.json"
LABELS = "labels.txt"
OWN_NAME = re.compile(r"(train|validation|test)-\d{5}-of-\d{5}\.tfrecord|labels\.txt")
# Also what the original script wrote, without suffix: a reader's glob takes both.
SHARD_NAME = re.compile(r"(train|validation|test)-(.*\.tfrecord|\d+-of-\d+)")
COPY_BLOCK_BYTES = 1 << 20
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
    return example_bytes.encode_example(
        {
            "image/height": picture.height,
            "image/width": picture.width,
            "image/colorspace": b"RGB",
            "image/channels": 3,
            "image/class/label": class_number,
            "image/class/synset": os.fsencode(row.label),
            "image/format": b"JPEG",
            "image/filename": os.fsencode(os.path.basename(row.path)),
            "image/encoded": picture.encoded,
        }
    )


class Span(NamedTuple):
    """A run of whole records in a file: from which byte, and how many bytes."""

    path: str
    start: int
    num_bytes: int


class Shard(NamedTuple):
    """A file to be: its name, how many records, and where they are now."""

    name: str
    num_records: int
    spans: list[Span]


def plan_shards(
    split: str, parts: Iterable[tuple[str, Sequence[int]]], *, max_bytes: int
) -> list[Shard]:
    """Cuts the records of a split into as many shards as the size limit asks for.

    A record above the limit gets a shard of its own.

    Args:
        split: Split that the shards are named for.
        parts: Files with records, and the bytes of each of their records, in order.
        max_bytes: Size that shards are kept under.

    Returns:
        The shards, of one record or more.
    """
    counts: list[int] = []
    spans: list[list[Span]] = []
    filled = max_bytes
    for path, sizes in parts:
        position = 0
        for size in sizes:
            if not counts or filled + size > max_bytes:
                counts.append(0)
                spans.append([])
                filled = 0
            _extend(spans[-1], path, position, size)
            counts[-1] += 1
            filled += size
            position += size
    names = (f"{split}-{i:05}-of-{len(counts):05}.tfrecord" for i in itertools.count())
    return [Shard(*shard) for shard in zip(names, counts, spans, strict=False)]


def _extend(spans: list[Span], path: str, start: int, num_bytes: int) -> None:
    """Adds a record, to the last span if it goes on from there."""
    if spans and spans[-1].path == path:
        last = spans.pop()
        start, num_bytes = last.start, last.num_bytes + num_bytes
    spans.append(Span(path, start, num_bytes))


def assemble(shard: Shard, directory: str) -> None:
    """Writes a shard by copying its records together.

    Raises:
        StorageError: If the file system refuses.
    """
    with writing(os.path.join(directory, shard.name)) as target:
        for span in shard.spans:
            with (
                storage.local_file(span.path) as local_path,
                open(local_path, "rb") as source,
            ):
                source.seek(span.start)
                _copy(source, target, span.num_bytes)


def _copy(source: BinaryIO, target: BinaryIO, num_bytes: int) -> None:
    while num_bytes > 0:
        block = source.read(min(num_bytes, COPY_BLOCK_BYTES))
        if not block:
            raise OSError(f"{source.name} ended early")
        target.write(block)
        num_bytes -= len(block)


@contextlib.contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """Opens a new file, and turns errors of the file system into the user's."""
    try:
        if storage.is_gs(path):
            with tempfile.NamedTemporaryFile() as copy:
                yield cast("BinaryIO", copy)
                copy.flush()
                storage.put_file(copy.name, path)
            return
        with open(path, "wb") as file:
            yield file
    except OSError as error:
        raise errors.StorageError(
            f"--output_dir: {os.path.dirname(path)} can't be written "
            f"({error.strerror or error}); check that there is space left, and run "
            "again."
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
    begin_publishing(output_dir, manifest["files"])
    storage.publish_files(staging_dir, output_dir, marker=LABELS)
    write_manifest(output_dir, manifest)


def begin_publishing(output_dir: str, new: Sequence[str]) -> None:
    """Makes way for new files: an earlier run's that have no namesake are removed.

    Args:
        output_dir: Where they go.
        new: Their names.
    """
    old = list_own_files(output_dir)
    # Until all is in place, both runs' files are ours: a run that is killed right here
    # can be repeated.
    write_manifest(output_dir, {"complete": False, "files": sorted({*old, *new})})
    stale = sorted(set(old) - set(new))
    storage.remove_files([os.path.join(output_dir, name) for name in stale])


def write_manifest(output_dir: str, manifest: dict[str, Any]) -> None:
    """Says what is in a folder."""
    path = os.path.join(output_dir, MANIFEST)
    storage.write_text(path, json.dumps(manifest, indent=2) + "\n")
