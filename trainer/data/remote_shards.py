"""Files of a split that may be larger than the disk: fetched and checked in turn."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from trainer import storage
from trainer.data import labels, shard_content, tfrecord
from trainer.data.bad_records import BadRecords
from trainer.data.index_cache import IndexCache
from trainer.data.shard_cache import ShardCache
from trainer.data.shard_content import ShardContent

# Gives the numbers of a file's records and their labels to a check that may raise.
LabelCheck = Callable[[np.ndarray, range], None]


class RemoteShards:
    """What `order.WindowOrder` opens and closes."""

    def __init__(
        self,
        files: Sequence[storage.StoredFile],
        copies: ShardCache,
        known: IndexCache,
        *,
        flag: str,
        max_bad_records: Callable[[int], int],
    ) -> None:
        """Fetches nothing.

        Args:
            files: All files of the split.
            copies: Has room for a window and the next one.
            known: Takes what is found.
            flag: Name of the flag that gave the files.
            max_bad_records: Says how many bad ones so many records may have.
        """
        self._files = {file.path: file for file in files}
        self._copies = copies
        self._known = known
        self._records: dict[str, range] = {}
        self._check: LabelCheck | None = None
        self.index = tfrecord.RecordIndex(self._resolve)
        self.bad = BadRecords(self.index, max_bad_records=max_bad_records, flag=flag)

    def count(self, path: str) -> int:
        """Number of records; fetches the file only if it was never read before."""
        return len(self._read(path).labels)

    def open(self, path: str) -> range:
        """Waits for the file; its records' numbers, good until `close`."""
        self._copies.fetch(path)
        if path not in self._records:
            content = self._read(path)
            records = self.index.add(path, content.shard)
            self._records[path] = records
            labels.report_damage(content, records, self.bad)
            if self._check:
                self._check(content.labels, records)
        return self._records[path]

    def close(self, path: str) -> None:
        """The file may go."""
        self.index.close(path)
        self._copies.release(path)

    def prefetch(self, paths: Sequence[str]) -> None:
        """The files will be opened next."""
        self._copies.prefetch(paths)

    def read_first(self, paths: Sequence[str]) -> labels.Split:
        """Reads the first window, by which a job judges the data before it starts."""
        self._copies.prefetch(paths)
        for path in paths:
            self.open(path)
        found = np.concatenate([self._read(path).labels for path in paths])
        for path in paths:
            self.close(path)
        return labels.Split(self.index, found, self.bad)

    def check_with(self, check: LabelCheck) -> None:
        """From now on each file's labels are checked when it is opened first."""
        self._check = check

    def _read(self, path: str) -> ShardContent:
        file = self._files[path]
        content = self._known.find(file)
        if content is None:
            content = shard_content.read_shard(path, self._resolve)
            self._known.add(file, content)
        return content

    @contextlib.contextmanager
    def _resolve(self, path: str) -> Iterator[str]:
        local_path = self._copies.fetch(path)
        try:
            yield local_path
        finally:
            self._copies.release(path)
