"""Records that can't be used: skipped, counted, named, and too many of them refused.

A bad record keeps its place in the order of an epoch, with weight 0, so that the input
of a step still follows from the step alone (docs/adr/0008-bad-records.md).
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from trainer import errors
from trainer.data import tfrecord


class BadRecords:
    """The bad records of one split; safe to use from several threads."""

    def __init__(
        self,
        index: tfrecord.RecordIndex,
        *,
        max_bad_records: Callable[[int], int],
        flag: str,
    ) -> None:
        """Starts without any.

        Args:
            index: The records of the split.
            max_bad_records: Says how many bad ones so many records may have.
            flag: Name of the flag that gave the split's files.
        """
        self._index = index
        self._max_bad_records = max_bad_records
        self._flag = flag
        # By file and position, which mean the same in the next run.
        self._found: dict[tuple[str, int], _BadRecord] = {}
        self._lock = threading.Lock()

    def __contains__(self, record: int) -> bool:
        return bool(self._found) and self._index.locate(record)[:2] in self._found

    def __len__(self) -> int:
        return len(self._found)

    def add(self, record: int, reason: str) -> None:
        """Counts a record as bad, and says so once.

        Args:
            record: Its number in the index.
            reason: What is wrong with it, for a sentence "PATH, record 7 ...".

        Raises:
            DataError: If there are more bad records than allowed now.
        """
        path, number, offset = self._index.locate(record)
        with self._lock:
            if (path, number) in self._found:
                return
            self._found[path, number] = _BadRecord(path, number, offset, reason)
        problem = f"{path}, record {number} (byte {offset}) {reason}"
        self._check_count(problem)
        logging.warning("%s; it is skipped.", problem)

    def add_lost(self, lost: tfrecord.LostRest) -> None:
        """Says what the index, which has it already, could not reach.

        Raises:
            DataError: If there are more bad records than allowed now.
        """
        self._check_count(str(lost))
        logging.warning("%s", lost)

    def describe(self) -> list[dict[str, Any]]:
        """All bad records and lost ends of files; JSON."""
        lost = [
            {"path": rest.path, "offset": rest.offset, "num_bytes_lost": rest.num_bytes}
            for rest in self._index.lost
        ]
        return lost + self.export()

    def export(self) -> list[dict[str, Any]]:
        """All bad records, for `restore` in the next run; JSON."""
        return [found._asdict() for _, found in sorted(self._found.items())]

    def restore(self, exported: Iterable[Mapping[str, Any]]) -> None:
        """Takes over what an earlier run of the job found."""
        for values in exported:
            found = _BadRecord(**values)
            self._found.setdefault((found.path, found.record), found)

    def keep_good(self, records: Iterable[int]) -> list[int]:
        """The records that are not bad, as far as is known."""
        return [record for record in records if record not in self]

    def _check_count(self, last: str) -> None:
        num_lost = len(self._index.lost)
        limit = self._max_bad_records(len(self._index) + num_lost)
        if len(self._found) + num_lost > limit:
            raise errors.DataError(
                f"--{self._flag} has more bad records than --max_bad_records allows, "
                f"which is {limit}; the last one: {last.rstrip('.')}. List all with "
                "task.py inspect, then write the files again or raise "
                "--max_bad_records."
            )


class _BadRecord(NamedTuple):
    path: str
    record: int
    offset: int
    reason: str
