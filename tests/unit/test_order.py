import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainer.data import order

COUNTS = {f"train-{n}": 5 + n for n in range(6)}
NUM_RECORDS = sum(COUNTS.values())


class Shards:
    """Files of a few records, and a log of what was asked of them."""

    def __init__(self, counts=COUNTS):
        self._counts = counts
        ends = list(itertools.accumulate(counts.values()))
        self._records = {
            path: range(end - count, end)
            for (path, count), end in zip(counts.items(), ends, strict=True)
        }
        self.is_open = set()
        self.most_open = 0
        self.opened = []
        self.prefetched = []

    def count(self, path):
        return self._counts[path]

    def open(self, path):
        self.is_open.add(path)
        self.opened.append(path)
        self.most_open = max(self.most_open, len(self.is_open))
        return self._records[path]

    def close(self, path):
        self.is_open.remove(path)

    def prefetch(self, paths):
        self.prefetched.append(list(paths))


def build(shards, *, window_bytes=20, seed=0):
    sizes = dict.fromkeys(COUNTS, 10)
    return order.WindowOrder(sizes, shards, window_bytes=window_bytes, seed=seed)


def locate(windows, start, count):
    return windows.locate(np.arange(start, start + count)).tolist()


@pytest.mark.parametrize("window_bytes", [1, 20, 25, 1000])
def test_each_epoch_has_every_record_once(window_bytes):
    windows = build(Shards(), window_bytes=window_bytes)
    found = np.array(locate(windows, 0, 3 * NUM_RECORDS)).reshape(3, -1)
    np.testing.assert_array_equal(np.sort(found), [range(NUM_RECORDS)] * 3)
    assert len({tuple(epoch) for epoch in found}) == 3


def test_a_window_is_as_many_files_as_fit():
    shards = Shards()
    locate(build(shards), 0, NUM_RECORDS)
    assert shards.most_open == 2
    assert sorted(shards.opened) == sorted(COUNTS)


def test_records_of_a_window_are_mixed():
    shards = Shards()
    found = locate(build(shards), 0, 8)
    files = {number for record in found for number in _files_of(shards, record)}
    assert len(files) == 2
    assert found != sorted(found)


def _files_of(shards, record):
    return [path for path in COUNTS if record in shards._records[path]]


def test_the_next_window_is_fetched_while_one_is_read():
    shards = Shards()
    windows = build(shards)
    locate(windows, 0, 1)
    (following,) = shards.prefetched
    locate(windows, 0, NUM_RECORDS)
    assert shards.opened[2:4] == following


@pytest.mark.parametrize("start", [1, 13, 30, 100])
def test_a_resumed_job_goes_on_where_it_was(start):
    expected = locate(build(Shards()), 0, start + 20)[start:]
    assert locate(build(Shards()), start, 20) == expected


def test_a_resumed_job_opens_only_the_window_it_is_in():
    shards = Shards()
    locate(build(shards), 2 * NUM_RECORDS, 1)
    assert len(shards.opened) == 2


def test_going_back_opens_the_window_again():
    windows = build(Shards())
    first = locate(windows, 0, 5)
    locate(windows, NUM_RECORDS - 1, 1)
    assert locate(windows, 0, 5) == first


def test_the_seed_decides_the_order_of_files_and_records():
    found = [tuple(locate(build(Shards(), seed=s), 0, 20)) for s in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_the_first_window_is_known_before_anything_is_opened():
    shards = Shards()
    windows = build(shards)
    first = windows.first_window()
    assert not shards.opened
    locate(windows, 0, 1)
    assert shards.opened == list(first)


def test_the_global_order_is_a_permutation_that_follows_from_the_position():
    globally = order.build_global_order(7, seed=3)
    epochs = globally(tf.range(14, dtype=tf.int64)).numpy().reshape(2, 7)
    np.testing.assert_array_equal(np.sort(epochs), [range(7)] * 2)
    assert epochs[0].tolist() != epochs[1].tolist()
    later = globally(tf.constant([9, 3], tf.int64)).numpy()
    assert later.tolist() == [epochs[1, 2], epochs[0, 3]]
