"""Local copies of remote shards in a folder of bounded size.

A copy is downloaded under a temporary name, checked and then renamed, so that a file
in the folder is whole whatever happened to the run that wrote it. Its name holds the
object's path, size and generation: a later run takes it if all three are the same.
"""

import collections
import contextlib
import dataclasses
import fcntl
import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Self

from trainer import config, errors, storage
from trainer.config.cache import GIB

NUM_DOWNLOADS = 8
PARTIAL = ".partial"
LOCK = "lock"


@dataclasses.dataclass
class _Entry:
    """A file in the folder, or on its way there."""

    num_bytes: int
    num_users: int = 0
    is_whole: bool = False
    # Prefetched and not fetched since: only a reader that waits may evict it.
    is_awaited: bool = False


class ShardCache:
    """Fetches files that do not change; safe to call from several threads."""

    def __init__(
        self, files: Sequence[storage.StoredFile], cache_dir: str, max_bytes: int
    ) -> None:
        """Takes over what an earlier run left in the folder.

        Args:
            files: All that will be asked for, as listed.
            cache_dir: Folder for the copies. Of several processes with the same one,
                each has a part of its own with `max_bytes` of its own.
            max_bytes: Size of the folder, downloads in progress included.

        Raises:
            StorageError: If the folder can't be used, or is too small for a file.
        """
        self._files = {file.path: file for file in files}
        self._cache_dir = cache_dir
        self._max_bytes = max_bytes
        self._check_sizes()
        # Of each copy's name; the least recently used one first.
        self._entries: collections.OrderedDict[str, _Entry] = collections.OrderedDict()
        self._changed = threading.Condition()
        self._errors: dict[str, errors.StorageError] = {}
        self._queue: collections.deque[str] = collections.deque()
        self._workers: list[threading.Thread] = []
        self._is_closed = False
        # Fetches that wait for room, which is theirs before any prefetched file's.
        self._num_waiting = 0
        with self._explained():
            self._folder, self._lock = _claim_folder(cache_dir)
            self._adopt()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def fetch(self, path: str, *, waits_for_users: bool = False) -> str:
        """Waits for the copy of a file; it stays until `release`.

        Args:
            path: One of the files.
            waits_for_users: Also waits for room that files in use take; then other
                threads have to release those.

        Returns:
            The copy's path.

        Raises:
            StorageError: If the file can't be read, or files in use fill the folder.
        """
        file = self._files[path]
        name = _copy_name(file)
        with self._changed:
            # Whoever comes first has the file on its way for all.
            is_first = self._claim(file, name, waits_for_users=waits_for_users)
        if is_first:
            self._load(file, name)
            with self._changed:
                self._raise_for(path)
        return os.path.join(self._folder, name)

    def _claim(
        self, file: storage.StoredFile, name: str, *, waits_for_users: bool
    ) -> bool:
        """Makes the caller a user of the file; True if it has to download it."""
        with contextlib.suppress(ValueError):
            self._queue.remove(file.path)
        while True:
            self._changed.wait_for(lambda: not self._is_loading(name))
            self._raise_for(file.path)
            self._forget_if_spoiled(file, name)
            entry = self._entries.get(name)
            if entry is None and self._try_room(file.num_bytes, may_evict_awaited=True):
                entry = self._entries[name] = _Entry(file.num_bytes)
            if entry is not None:
                entry.num_users += 1
                entry.is_awaited = False
                self._entries.move_to_end(name)
                # Prefetches may have stood back.
                self._changed.notify_all()
                return not entry.is_whole
            if not waits_for_users:
                self._check_hope(file)
            self._num_waiting += 1
            self._changed.wait()
            self._num_waiting -= 1

    def _check_hope(self, file: storage.StoredFile) -> None:
        """Raises if no download in progress will make room by being done."""
        if all(entry.num_users for entry in self._entries.values()):
            raise errors.StorageError(
                f"{file.path} has no room in the cache: files in use fill the "
                f"{_gib(self._max_bytes)} GiB of --cache_gb; raise it."
            )

    def _forget_if_spoiled(self, file: storage.StoredFile, name: str) -> None:
        """Temporary folders are swept, and a power cut can empty a file."""
        entry = self._entries.get(name)
        if entry is None or entry.num_users or not entry.is_whole:
            return
        try:
            is_spoiled = (
                os.path.getsize(os.path.join(self._folder, name)) != file.num_bytes
            )
        except FileNotFoundError:
            is_spoiled = True
        if is_spoiled:
            del self._entries[name]

    def release(self, path: str) -> None:
        """Gives a fetched copy back: it may be evicted from now on."""
        with self._changed:
            self._entries[_copy_name(self._files[path])].num_users -= 1
            self._changed.notify_all()

    def prefetch(self, paths: Sequence[str]) -> None:
        """Downloads files in the background, in this order, as there is room.

        Each is then expected to be fetched once: until then it is not evicted for
        another prefetched one.
        An error is raised by the `fetch` of that file.
        """
        with self._changed:
            self._queue.extend(paths)
            missing = min(len(self._queue), NUM_DOWNLOADS) - len(self._workers)
            for _ in range(missing):
                worker = threading.Thread(target=self._work, daemon=True)
                self._workers.append(worker)
                worker.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Starts no more background downloads. Copies stay."""
        with self._changed:
            self._is_closed = True
            self._queue.clear()
            self._changed.notify_all()
        self._lock.close()

    def _check_sizes(self) -> None:
        for file in self._files.values():
            if file.num_bytes > self._max_bytes:
                raise errors.StorageError(
                    f"{file.path} has {_gib(file.num_bytes)} GiB, more than the cache "
                    f"of --cache_gb={_gib(self._max_bytes)} holds; raise it, or write "
                    "smaller files."
                )

    def _adopt(self) -> None:
        """Lists the copies of earlier runs, and removes what they did not finish."""
        with os.scandir(self._folder) as found:
            files = [(item.stat(), item.name) for item in found if item.name != LOCK]
        for stat, name in sorted(files, key=lambda pair: pair[0].st_mtime):
            if name.endswith(PARTIAL):
                os.remove(os.path.join(self._folder, name))
            else:
                self._entries[name] = _Entry(stat.st_size, is_whole=True)
        while self._num_bytes() > self._max_bytes and self._evict(
            may_evict_awaited=False
        ):
            pass

    def _work(self) -> None:
        while (file := self._next_queued()) is not None:
            self._load(file, _copy_name(file))

    def _next_queued(self) -> storage.StoredFile | None:
        """The next file to download, its room taken; None at the end."""
        with self._changed:
            while not self._is_closed:
                if not self._queue:
                    self._changed.wait()
                    continue
                file = self._files[self._queue[0]]
                name = _copy_name(file)
                self._forget_if_spoiled(file, name)
                if name in self._entries:
                    self._queue.popleft()
                    self._entries[name].is_awaited = True
                    self._entries.move_to_end(name)
                elif not self._num_waiting and self._try_room(
                    file.num_bytes, may_evict_awaited=False
                ):
                    self._queue.popleft()
                    self._entries[name] = _Entry(file.num_bytes, is_awaited=True)
                    return file
                else:
                    self._changed.wait()
        return None

    def _load(self, file: storage.StoredFile, name: str) -> None:
        """Downloads a file whose room is taken; keeps the error if that fails."""
        path = os.path.join(self._folder, name)
        self._errors.pop(file.path, None)
        try:
            with self._explained():
                storage.download(file, path + PARTIAL)
                os.replace(path + PARTIAL, path)
        except errors.StorageError as error:
            with self._changed:
                del self._entries[name]
                self._errors[file.path] = error
                self._changed.notify_all()
        else:
            with self._changed:
                self._entries[name].is_whole = True
                self._changed.notify_all()

    def _is_loading(self, name: str) -> bool:
        entry = self._entries.get(name)
        return entry is not None and not entry.is_whole

    def _raise_for(self, path: str) -> None:
        error = self._errors.pop(path, None)
        if error is not None:
            raise error

    def _try_room(self, num_bytes: int, *, may_evict_awaited: bool) -> bool:
        while self._num_bytes() + num_bytes > self._max_bytes:
            if not self._evict(may_evict_awaited=may_evict_awaited):
                return False
        return True

    def _num_bytes(self) -> int:
        return sum(entry.num_bytes for entry in self._entries.values())

    def _evict(self, *, may_evict_awaited: bool) -> bool:
        """Removes the least recently used copy that may go; False if none may."""
        candidates = [
            # Of those that a reader will ask for, the last one.
            (entry.is_awaited, -position if entry.is_awaited else position, name)
            for position, (name, entry) in enumerate(self._entries.items())
            if entry.is_whole
            and not entry.num_users
            and (may_evict_awaited or not entry.is_awaited)
        ]
        if not candidates:
            return False
        _, _, name = min(candidates)
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(self._folder, name))
        del self._entries[name]
        return True

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Local failures are of the folder, whichever file was on its way."""
        try:
            yield
        except OSError as error:
            raise errors.StorageError(
                f"--cache_dir={self._cache_dir} can't be used ({error.strerror}); give "
                "a folder on a disk with room for --cache_gb."
            ) from error


def open_cache(
    job: config.CopiesFiles, files: Sequence[storage.StoredFile]
) -> ShardCache | None:
    """The folder for copies of a job's gs:// files; None if it has none.

    Args:
        job: Says where and how large.
        files: All files of the job.

    Raises:
        StorageError: As `ShardCache`.
    """
    remote = [file for file in files if storage.is_gs(file.path)]
    if not remote:
        return None
    num_bytes = sum({file.path: file.num_bytes for file in remote}.values())
    logging.info(
        "data  | %d files (%.1f MB) on gs://, copied to %s in their turn",
        len(remote),
        num_bytes / 1e6,
        job.resolved_cache_dir,
    )
    return ShardCache(remote, job.resolved_cache_dir, job.num_cache_bytes)


def _claim_folder(cache_dir: str) -> tuple[str, IO[bytes]]:
    """The first part of the folder that no other process uses, and its lock."""
    number = 0
    while True:
        folder = os.path.join(cache_dir, f"part-{number}")
        os.makedirs(folder, exist_ok=True)
        lock = open(os.path.join(folder, LOCK), "ab")  # noqa: SIM115 (held until close)
        try:
            # Ends with the process, however that ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            number += 1
        else:
            return folder, lock


def _copy_name(file: storage.StoredFile) -> str:
    key = f"{file.path}\n{file.num_bytes}\n{file.generation}"
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / GIB:.3g}"
