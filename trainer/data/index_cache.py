"""What the files of a job hold, kept beside the job for its next run.

An entry counts as long as its file has the same size and generation, or modification
time.
"""

import dataclasses
import io
import json
import logging
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainer import storage
from trainer.data import tfrecord
from trainer.data.shard_content import ShardContent

# Changes when an older file would be misread.
VERSION = 1
UNREADABLE = (ValueError, LookupError, TypeError, OSError, zipfile.BadZipFile)


class IndexCache:
    """Contents of TFRecord files by path."""

    def __init__(self, path: str | None) -> None:
        """Reads what an earlier run saved; without that, starts empty.

        Args:
            path: The cache's file; need not be there. None if nothing is kept.
        """
        self._path = path
        self._keys: dict[str, list[Any]] = {}
        self._contents: dict[str, ShardContent] = {}
        self._is_changed = False
        saved = None if path is None else storage.read_bytes(path)
        if saved is None:
            return
        try:
            self._load(saved)
        except UNREADABLE as error:
            logging.warning(
                "%s can't be used (%s); all records are read again.", path, error
            )

    def find(self, file: storage.StoredFile) -> ShardContent | None:
        """What the file holds, if it is known and the file did not change since."""
        is_known = self._keys.get(file.path) == _key(file)
        return self._contents[file.path] if is_known else None

    def add(self, file: storage.StoredFile, content: ShardContent) -> None:
        """Takes what a file holds."""
        self._keys[file.path] = _key(file)
        self._contents[file.path] = content
        self._is_changed = True

    def save(self) -> None:
        """Writes the file anew if there is anything new.

        Raises:
            StorageError: If it can't be written.
        """
        if not self._is_changed or self._path is None:
            return
        contents = self._contents.values()
        shards = [
            {
                "path": path,
                "key": self._keys[path],
                "num_records": len(content.labels),
                "lost": content.shard.lost and dataclasses.asdict(content.shard.lost),
                "bad": {str(record): reason for record, reason in content.bad.items()},
            }
            for path, content in self._contents.items()
        ]
        file = io.BytesIO()
        np.savez_compressed(
            file,
            header=json.dumps({"version": VERSION, "shards": shards}),
            # Offsets follow from lengths, which compress better.
            lengths=np.concatenate([one.shard.spans[:, 1] for one in contents]),
            labels=np.concatenate([one.labels for one in contents]),
        )
        storage.write_bytes(self._path, file.getvalue())
        self._is_changed = False

    def _load(self, saved: bytes) -> None:
        with np.load(io.BytesIO(saved), allow_pickle=False) as arrays:
            header = json.loads(str(arrays["header"]))
            if header["version"] != VERSION:
                raise ValueError(f"version {header['version']}, expected {VERSION}")
            lengths, labels = arrays["lengths"], arrays["labels"]
        keys, contents, start = {}, {}, 0
        for shard in header["shards"]:
            end = start + shard["num_records"]
            keys[shard["path"]] = shard["key"]
            contents[shard["path"]] = _restore(
                shard, lengths[start:end], labels[start:end]
            )
            start = end
        # All or nothing: half a cache would be a puzzle.
        self._keys, self._contents = keys, contents


def _restore(
    shard: Mapping[str, Any], lengths: np.ndarray, labels: np.ndarray
) -> ShardContent:
    lost = tfrecord.LostRest(**shard["lost"]) if shard["lost"] else None
    return ShardContent(
        tfrecord.ShardIndex(tfrecord.place_records(lengths), lost),
        labels,
        {int(record): reason for record, reason in shard["bad"].items()},
    )


def _key(file: storage.StoredFile) -> list[Any]:
    return [file.num_bytes, file.generation]
