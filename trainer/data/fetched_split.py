"""Reads a whole split wherever it is; copies of its gs:// files stay."""

import contextlib
from collections.abc import Callable, Sequence

from trainer import storage
from trainer.data import labels
from trainer.data.index_cache import IndexCache
from trainer.data.shard_cache import ShardCache


def read_split(
    files: Sequence[storage.StoredFile],
    *,
    flag: str,
    max_bad_records: Callable[[int], int],
    known: IndexCache,
    copies: ShardCache | None,
) -> labels.Split:
    """Fetches, reads and checks every record.

    Args:
        files: TFRecord files.
        flag: Name of the flag that gave them.
        max_bad_records: Says how many bad ones so many records may have.
        known: What is known of the files; takes what is found.
        copies: Has room for all files on gs://; None if there are none.

    Raises:
        DataError: As `labels.read_split`.
        StorageError: If a file can't be read, or copies have no room.
    """
    remote = {file.path for file in files if storage.is_gs(file.path)}
    if copies is not None:
        copies.prefetch(sorted(remote))
    local = {path: copies.fetch(path) for path in remote} if copies else {}
    return labels.read_split(
        files,
        flag=flag,
        max_bad_records=max_bad_records,
        cache=known,
        resolve=lambda path: contextlib.nullcontext(local.get(path, path)),
    )
