import os

import numpy as np
import pytest

from tests import pictures
from trainer import storage
from trainer.data import index_cache, shard_content


@pytest.fixture
def shard(tmp_path):
    """A shard with a damaged record, one that is no tf.Example, and a lost rest."""
    records = [pictures.example(b"jpeg", label) for label in (3, 1, 2, 1)]
    path = pictures.write_records(tmp_path / "a", [*records[:2], b"\xff", *records[2:]])
    content = bytearray((tmp_path / "a").read_bytes())
    content[20] ^= 1
    content[-len(records[3]) - 10] ^= 1
    (tmp_path / "a").write_bytes(content)
    return path


def stored(path):
    (file,) = storage.find_files(path, "x")
    return file


def save(tmp_path, *paths):
    cache = index_cache.IndexCache(f"{tmp_path}/index.npz")
    for path in paths:
        cache.add(stored(path), shard_content.read_shard(path))
    cache.save()
    return f"{tmp_path}/index.npz"


def test_what_a_file_holds_is_found_again(tmp_path, shard):
    other = pictures.write_records(tmp_path / "b", [pictures.example(b"jpeg", 7)])
    cache = index_cache.IndexCache(save(tmp_path, shard, other))
    for path in (shard, other):
        found, expected = cache.find(stored(path)), shard_content.read_shard(path)
        np.testing.assert_array_equal(found.shard.spans, expected.shard.spans)
        np.testing.assert_array_equal(found.labels, expected.labels)
        assert found.shard.lost == expected.shard.lost
        assert found.bad == expected.bad
    assert list(cache.find(stored(shard)).bad) == [0, 2]
    assert cache.find(stored(shard)).shard.lost.record == 4


def grow(path):
    with open(path, "ab") as file:
        file.write(b"x")


def touch(path):
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [grow, touch])
def test_a_file_that_changed_is_unknown(tmp_path, shard, change):
    path = save(tmp_path, shard)
    change(shard)
    assert index_cache.IndexCache(path).find(stored(shard)) is None


def cut(content):
    return content[: len(content) // 2]


def other_version(_):
    return b"no archive"


@pytest.mark.parametrize("change", [cut, other_version])
def test_a_damaged_cache_is_left_aside(tmp_path, shard, caplog, change):
    path = save(tmp_path, shard)
    content = (tmp_path / "index.npz").read_bytes()
    (tmp_path / "index.npz").write_bytes(change(content))
    assert index_cache.IndexCache(path).find(stored(shard)) is None
    assert "index.npz can't be used" in caplog.text


def test_a_cache_of_another_version_is_left_aside(tmp_path, shard, caplog, monkeypatch):
    path = save(tmp_path, shard)
    monkeypatch.setattr(index_cache, "VERSION", 2)
    assert index_cache.IndexCache(path).find(stored(shard)) is None
    assert "version 1, expected 2" in caplog.text


def test_nothing_new_writes_nothing(tmp_path, shard):
    path = save(tmp_path, shard)
    os.utime(path, ns=(1, 1))
    index_cache.IndexCache(path).save()
    assert os.stat(path).st_mtime_ns == 1
