"""Records that can't be used: skipped, counted, named, and too many of them refused.

A bad record keeps its place in the order of an epoch, with weight 0, so that the input
of a step still follows from the step alone (docs/adr/0008-bad-records.md).
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from trainer import errors
from trainer.data import tfrecord


class BadRecords:
    """The bad records of one split; safe to use from several threads."""

    def __init__(self, index: tfrecord.RecordIndex, *, limit: int, flag: str) -> None:
        """Starts with what the index could not reach: one for each damaged file.

        Args:
            index: The records of the split.
            limit: Bad records that are put up with, 0 or more.
            flag: Name of the flag that gave the split's files.

        Raises:
            DataError: If the damaged files alone are more than `limit`.
        """
        self._index = index
        self._limit = limit
        self._flag = flag
        self._reasons: dict[int, str] = {}
        self._lock = threading.Lock()
        if len(index.lost) > limit:
            raise self._too_many(str(index.lost[-1]))

    def __contains__(self, record: int) -> bool:
        return record in self._reasons

    def __len__(self) -> int:
        return len(self._reasons)

    def add(self, record: int, reason: str) -> None:
        """Counts a record as bad, and says so once.

        Args:
            record: Its number in the index.
            reason: What is wrong with it, for a sentence "PATH, record 7 ...".

        Raises:
            DataError: If there are more bad records than the limit now.
        """
        with self._lock:
            if record in self._reasons:
                return
            self._reasons[record] = reason
        path, number, offset = self._index.locate(record)
        problem = f"{path}, record {number} (byte {offset}) {reason}"
        if len(self._reasons) + len(self._index.lost) > self._limit:
            raise self._too_many(problem)
        logging.warning("%s; it is skipped.", problem)

    def describe(self) -> list[dict[str, Any]]:
        """All bad records and lost ends of files, in the order of the files; JSON."""
        found = [
            {"path": rest.path, "offset": rest.offset, "num_bytes_lost": rest.num_bytes}
            for rest in self._index.lost
        ]
        for record, reason in sorted(self._reasons.items()):
            path, number, offset = self._index.locate(record)
            found.append(
                {"path": path, "record": number, "offset": offset, "reason": reason}
            )
        return found

    def export(self) -> dict[str, str]:
        """Record number (as text, for JSON) to reason, for a checkpoint."""
        return {str(record): reason for record, reason in self._reasons.items()}

    def restore(self, exported: Mapping[str, str]) -> None:
        """Takes over what an earlier run of the job found."""
        for record, reason in exported.items():
            # Fewer records than before: the files were replaced.
            if int(record) < len(self._index):
                self._reasons.setdefault(int(record), reason)

    def keep_good(self, records: Iterable[int]) -> list[int]:
        """The records that are not bad, as far as is known."""
        return [record for record in records if record not in self._reasons]

    def _too_many(self, last: str) -> errors.DataError:
        return errors.DataError(
            f"--{self._flag} has more bad records than --max_bad_records allows, "
            f"which is {self._limit}; the last one: {last.rstrip('.')}. List all with "
            "task.py inspect, then write the files again or raise --max_bad_records."
        )
