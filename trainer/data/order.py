"""In which order training visits the records: which one is at which position.

Positions count examples from the start of the job, over all epochs. An order is a
function of the position alone, so that a job can go on from any step.
"""

import bisect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

# Of the cipher that permutes; TensorFlow's own default.
SHUFFLE_ROUNDS = 4

# What a permutation is of.
_FILES, _RECORDS = 0, 1

Order = Callable[[Any], Any]


def build_global_order(num_records: int, seed: int) -> Order:
    """Each epoch is a permutation of all records, another one than the last.

    Args:
        num_records: Records of an epoch; each one is there once.
        seed: Seed of the order.

    Returns:
        Maps positions, int64 [batch], to records, int64 [batch], in a graph.
    """

    def order(positions: Any) -> Any:
        epochs = positions // num_records
        seeds = tf.fill(tf.shape(epochs), tf.constant(seed, tf.int64))
        # tf.random.experimental.index_shuffle takes one seed for all indices only.
        return tf.raw_ops.RandomIndexShuffle(
            index=positions % num_records,
            seed=tf.stack([epochs, seeds, tf.zeros_like(seeds)], axis=1),
            max_index=tf.constant(num_records - 1, tf.int64),
            rounds=SHUFFLE_ROUNDS,
        )

    return order


class Shards(Protocol):
    """Files that come when they are needed."""

    def count(self, path: str) -> int:
        """Number of records; fetches the file only if it was never read before."""

    def open(self, path: str) -> range:
        """Waits for the file; its records' numbers, good until `close`."""

    def close(self, path: str) -> None:
        """The file may go."""

    def prefetch(self, paths: Sequence[str]) -> None:
        """The files will be opened next."""


class _Window(NamedTuple):
    """Files whose records are visited in one permutation."""

    number: int
    start: int
    num_records: int
    paths: Sequence[str]


class WindowOrder:
    """For data larger than the disk: epochs of windows of files.

    Each epoch takes the files in a new order, as many at a time as a window holds, and
    visits a window's records in a permutation. While one window is read, the next one
    is fetched. Each record is there once an epoch.
    """

    def __init__(
        self, sizes: Mapping[str, int], shards: Shards, *, window_bytes: int, seed: int
    ) -> None:
        """Opens nothing.

        Args:
            sizes: Bytes of each file, by path.
            shards: Gives the files.
            window_bytes: Files that together have at most so many bytes are a window;
                a larger one is a window by itself.
            seed: Seed of the order.
        """
        self._sizes = dict(sizes)
        self._shards = shards
        self._window_bytes = window_bytes
        self._seed = seed
        self._planned = self._plan()
        self._windows: list[_Window] = []
        self._current: _Window | None = None
        self._records = np.empty(0, np.int64)

    def locate(self, positions: np.ndarray) -> np.ndarray:
        """The records at some positions, one thread at a time.

        Args:
            positions: int64 [batch], rising; waits for the files that hold them.

        Returns:
            int64 [batch].
        """
        found = [self._locate(int(position)) for position in positions]
        return np.array(found, np.int64)

    def first_window(self) -> Sequence[str]:
        """The files that a new job reads first."""
        return next(self._plan())

    def _locate(self, position: int) -> int:
        window = self._find_window(position)
        if window is not self._current:
            self._enter(window)
        return int(self._records[position - window.start])

    def _find_window(self, position: int) -> _Window:
        while not self._windows or position >= _end(self._windows[-1]):
            self._windows.append(self._count_next())
        number = bisect.bisect_right(
            self._windows, position, key=lambda window: window.start
        )
        return self._windows[number - 1]

    def _count_next(self) -> _Window:
        start = _end(self._windows[-1]) if self._windows else 0
        paths = next(self._planned)
        count = sum(self._shards.count(path) for path in paths)
        return _Window(len(self._windows), start, count, paths)

    def _enter(self, window: _Window) -> None:
        if self._current is not None:
            for path in self._current.paths:
                self._shards.close(path)
        self._current = None
        opened = [np.arange(*_bounds(self._shards.open(one))) for one in window.paths]
        self._current = window
        records = np.concatenate(opened)
        self._records = records[self._permute(len(records), _RECORDS, window.number)]
        following = itertools.islice(self._plan(), window.number + 1, None)
        self._shards.prefetch(next(following))

    def _plan(self) -> Iterator[Sequence[str]]:
        """Yields the files of each window, of all epochs, without an end."""
        paths = sorted(self._sizes)
        for epoch in itertools.count():
            shuffled = self._permute(len(paths), _FILES, epoch)
            yield from self._group([paths[number] for number in shuffled])

    def _permute(self, count: int, what: int, number: int) -> np.ndarray:
        """A permutation, by raw numbers: NumPy may change how it draws others."""
        key = np.array([self._seed, what], np.uint64)
        counter = np.array([0, 0, 0, number], np.uint64)
        random = np.random.Philox(key=key, counter=counter)
        return np.argsort(random.random_raw(count), kind="stable")

    def _group(self, paths: Sequence[str]) -> Iterator[Sequence[str]]:
        window: list[str] = []
        num_bytes = 0
        for path in paths:
            num_bytes += self._sizes[path]
            if window and num_bytes > self._window_bytes:
                yield window
                window, num_bytes = [], self._sizes[path]
            window.append(path)
        yield window


def _end(window: _Window) -> int:
    return window.start + window.num_records


def _bounds(records: range) -> tuple[int, int]:
    return records.start, records.stop
