"""What of which file `inspect` reads next; local files stay where they are.

Files on gs:// may be larger together than the folder for their copies. Each is fetched
once, ahead of its turn, and stays until its last record is read.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trainer import errors, storage
from trainer.data import tfrecord
from trainer.data.shard_cache import ShardCache
from trainer.data.survey import BadFile, Split

RECORDS_PER_TASK = 64


class Task(NamedTuple):
    """Records `start` up to but not including `stop` of a file.

    `split` is the position of its split, `path` the file as users know it, `local_path`
    where it is.
    """

    split: int
    path: str
    local_path: str
    start: int
    stop: int


class Plan:
    """Iterates over all tasks, once, and fills in the files of each split."""

    def __init__(self, splits: Sequence[Split], cache: ShardCache | None) -> None:
        """Looks for the records of local files, and starts to fetch others.

        Args:
            splits: With their files; takes what is found out about those.
            cache: Has the copies of gs:// files; None if there are none.

        Raises:
            StorageError: If a local file can't be read.
        """
        self._splits = splits
        self._cache = cache
        self._num_records = 0
        # Of the files of which the records are known.
        self._num_bytes = 0
        self._all_bytes = sum(split.num_bytes for split in splits)
        for split in splits:
            if not storage.is_gs(split.pattern):
                for file in split.files:
                    self._index(split, file, file.path)
        if cache is not None:
            cache.prefetch(
                [
                    file.path
                    for split in splits
                    if storage.is_gs(split.pattern)
                    for file in split.files
                ]
            )

    @property
    def num_records(self) -> int:
        """Records of all files; until the last one is there, estimated by size."""
        if not self._num_bytes:
            return self._num_records
        return round(self._num_records * self._all_bytes / self._num_bytes)

    def __iter__(self) -> Iterator[Task]:
        """Yields tasks; waits for a file, and for room for it.

        Raises:
            StorageError: If a file can't be fetched.
        """
        for number, split in enumerate(self._splits):
            if self._cache is not None and storage.is_gs(split.pattern):
                for file in split.files:
                    yield from self._open(number, split, file, self._cache)
                continue
            for path, count in zip(split.paths, split.file_records, strict=True):
                yield from _cut(number, path, path, count)

    def finish(self, task: Task) -> None:
        """Takes note of a task that is done; from any thread."""
        if self._cache is not None and storage.is_gs(task.path):
            self._cache.release(task.path)

    def _open(
        self, number: int, split: Split, file: storage.StoredFile, cache: ShardCache
    ) -> Iterator[Task]:
        """Yields the tasks of a file, each of which is one more user of its copy."""
        with storage.naming("data_path", split.pattern):
            # Those who use the copies are at work, and will make room.
            local_path = cache.fetch(file.path, waits_for_users=True)
        try:
            count = self._index(split, file, local_path)
            for task in _cut(number, file.path, local_path, count):
                cache.fetch(file.path)
                yield task
        finally:
            cache.release(file.path)

    def _index(self, split: Split, file: storage.StoredFile, local_path: str) -> int:
        """Finds a file's records, or what is wrong with it; returns how many."""
        self._num_bytes += file.num_bytes
        try:
            shard = tfrecord.index_file(
                file.path, lambda _: contextlib.nullcontext(local_path)
            )
        except errors.DataError as error:
            split.bad_files.append(BadFile(file.path, str(error)))
            return 0
        split.paths.append(file.path)
        split.file_records.append(len(shard.spans))
        if shard.lost:
            split.lost.append(shard.lost)
        self._num_records += len(shard.spans)
        return len(shard.spans)


def _cut(split: int, path: str, local_path: str, count: int) -> Iterator[Task]:
    for start in range(0, count, RECORDS_PER_TASK):
        stop = min(start + RECORDS_PER_TASK, count)
        yield Task(split, path, local_path, start, stop)
