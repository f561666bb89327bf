import os
import subprocess
import sys
import threading
import time

import pytest

from trainer import errors, storage
from trainer.data import shard_cache

SIZE = 1000


@pytest.fixture
def shards(bucket):
    """Six objects of one size."""
    for number in range(6):
        bucket.write(f"data/{number}", bytes([number]) * SIZE)
    return bucket


def find(bucket):
    return storage.find_files(f"{bucket.url}/data/*", "training_data_path")


def open_cache(bucket, directory, *, room=6):
    return shard_cache.ShardCache(find(bucket), str(directory), room * SIZE)


def copies(directory):
    found = [path for path in directory.rglob("*") if path.name != shard_cache.LOCK]
    return [path for path in found if path.is_file()]


def wait_for(is_so):
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def num_downloads(bucket):
    return bucket.proxy.requests["GET"]


def test_a_copy_is_whole(shards, tmp_path):
    with open_cache(shards, tmp_path) as cache:
        path = cache.fetch(f"{shards.url}/data/3")
    with open(path, "rb") as file:
        assert file.read() == b"\3" * SIZE


def test_room_that_others_use_can_be_waited_for(shards, tmp_path):
    paths = [f"{shards.url}/data/{number}" for number in range(2)]
    with open_cache(shards, tmp_path, room=1) as cache:
        cache.fetch(paths[0])
        with pytest.raises(errors.StorageError, match="files in use fill"):
            cache.fetch(paths[1])
        waiting = threading.Thread(
            target=cache.fetch, args=[paths[1]], kwargs={"waits_for_users": True}
        )
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        cache.release(paths[0])
        waiting.join(10)
        assert not waiting.is_alive()
        (copy,) = copies(tmp_path)
        assert copy.read_bytes() == b"\1" * SIZE


def test_who_waits_for_room_gets_it_before_prefetches_do(shards, tmp_path):
    paths = [f"{shards.url}/data/{number}" for number in range(3)]
    with open_cache(shards, tmp_path, room=1) as cache:
        cache.fetch(paths[0])
        cache.prefetch(paths[1:])
        before = num_downloads(shards)
        waiting = threading.Thread(
            target=cache.fetch, args=[paths[1]], kwargs={"waits_for_users": True}
        )
        waiting.start()
        wait_for(lambda: cache._num_waiting)
        cache.release(paths[0])
        waiting.join(10)
        cache.release(paths[1])
        cache.fetch(paths[2])
        assert num_downloads(shards) == before + 2


def test_a_copy_is_downloaded_once(shards, tmp_path):
    with open_cache(shards, tmp_path) as cache:
        before = num_downloads(shards)
        threads = [
            threading.Thread(target=cache.fetch, args=[f"{shards.url}/data/0"])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert num_downloads(shards) == before + 1


def test_prefetched_files_are_there_when_they_are_asked_for(shards, tmp_path):
    with open_cache(shards, tmp_path) as cache:
        cache.prefetch([file.path for file in find(shards)])
        wait_for(lambda: len(copies(tmp_path)) == 6)
        wait_for(lambda: not any(path.suffix for path in copies(tmp_path)))
        shards.fail(404, method="GET", count=99)
        for file in find_without_listing(cache):
            assert os.path.getsize(cache.fetch(file)) == SIZE


def find_without_listing(cache):
    return list(cache._files)


def test_the_folder_stays_within_its_size(shards, tmp_path):
    with open_cache(shards, tmp_path, room=2) as cache:
        for number in (0, 1, 0, 2, 3, 4, 5):
            path = f"{shards.url}/data/{number}"
            cache.fetch(path)
            assert sum(copy.stat().st_size for copy in copies(tmp_path)) <= 2 * SIZE
            cache.release(path)


def test_the_least_recently_used_copy_goes_first(shards, tmp_path):
    with open_cache(shards, tmp_path, room=2) as cache:
        local = {}
        for number in (0, 1, 0, 2):
            path = f"{shards.url}/data/{number}"
            local[number] = cache.fetch(path)
            cache.release(path)
        assert os.path.exists(local[0])
        assert not os.path.exists(local[1])


def test_a_copy_in_use_stays(shards, tmp_path):
    with open_cache(shards, tmp_path, room=2) as cache:
        used = cache.fetch(f"{shards.url}/data/0")
        for number in (1, 2, 3):
            cache.fetch(f"{shards.url}/data/{number}")
            cache.release(f"{shards.url}/data/{number}")
        assert os.path.exists(used)


def test_files_in_use_that_fill_the_folder_are_an_error(shards, tmp_path):
    with open_cache(shards, tmp_path, room=2) as cache:
        cache.fetch(f"{shards.url}/data/0")
        cache.fetch(f"{shards.url}/data/1")
        with pytest.raises(
            errors.StorageError, match="data/2 has no room in the cache"
        ):
            cache.fetch(f"{shards.url}/data/2")


def test_a_reader_walks_through_more_than_the_folder_holds(shards, tmp_path):
    with open_cache(shards, tmp_path, room=3) as cache:
        paths = [file.path for file in find(shards)] * 3
        before = num_downloads(shards)
        for start in range(0, len(paths), 2):
            cache.prefetch(paths[start : start + 2])
        for path in paths:
            assert os.path.getsize(cache.fetch(path)) == SIZE
            cache.release(path)
        assert num_downloads(shards) >= before + 6


def test_a_prefetch_does_not_evict_what_is_awaited(shards, tmp_path):
    with open_cache(shards, tmp_path, room=2) as cache:
        before = num_downloads(shards)
        cache.prefetch([file.path for file in find(shards)])
        wait_for(lambda: len(copies(tmp_path)) == 2)
        # Time for downloads that must not be.
        time.sleep(0.2)
        for number in (0, 1):
            cache.fetch(f"{shards.url}/data/{number}")
        assert num_downloads(shards) <= before + 3


def test_a_reader_out_of_order_gets_room(shards, tmp_path):
    with open_cache(shards, tmp_path, room=2) as cache:
        cache.prefetch([f"{shards.url}/data/{number}" for number in range(5)])
        wait_for(lambda: len(copies(tmp_path)) == 2)
        assert os.path.getsize(cache.fetch(f"{shards.url}/data/5")) == SIZE


def test_a_later_run_uses_the_copies(shards, tmp_path):
    files = find(shards)
    with open_cache(shards, tmp_path) as cache:
        cache.fetch(files[0].path)
    before = num_downloads(shards)
    with shard_cache.ShardCache(files, str(tmp_path), 6 * SIZE) as cache:
        cache.fetch(files[0].path)
    assert num_downloads(shards) == before


def test_a_replaced_object_is_downloaded_again(shards, tmp_path):
    with open_cache(shards, tmp_path) as cache:
        cache.fetch(f"{shards.url}/data/0")
    shards.write("data/0", b"x" * SIZE)
    with (
        open_cache(shards, tmp_path) as cache,
        open(cache.fetch(f"{shards.url}/data/0"), "rb") as file,
    ):
        assert file.read() == b"x" * SIZE


def test_copies_of_other_jobs_make_room(shards, tmp_path):
    with open_cache(shards, tmp_path) as cache:
        for file in find(shards):
            cache.fetch(file.path)
    with open_cache(shards, tmp_path, room=2):
        assert len(copies(tmp_path)) == 2


@pytest.mark.parametrize("spoil", [os.remove, lambda path: os.truncate(path, 10)])
def test_a_copy_that_was_swept_away_is_downloaded_again(shards, tmp_path, spoil):
    with open_cache(shards, tmp_path) as cache:
        path = cache.fetch(f"{shards.url}/data/0")
        cache.release(f"{shards.url}/data/0")
        spoil(path)
        assert os.path.getsize(cache.fetch(f"{shards.url}/data/0")) == SIZE


KILLED = """
import sys
from trainer import storage
from trainer.data import shard_cache

files = storage.find_files(sys.argv[1], "x")
shard_cache.ShardCache(files, sys.argv[2], 2**22).fetch(files[0].path)
"""


def test_kill_9_leaves_nothing_that_is_taken_for_whole(shards, tmp_path):
    content = os.urandom(2**21)
    shards.write("data/0", content)
    held = shards.fail("stall", method="GET", path="download")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, f"{shards.url}/data/0", str(tmp_path)]
    ) as process:
        assert held.met.wait(30)
        wait_for(lambda: copies(tmp_path) and copies(tmp_path)[0].stat().st_size)
        process.kill()
    (partial,) = copies(tmp_path)
    assert partial.name.endswith(shard_cache.PARTIAL)
    with shard_cache.ShardCache(find(shards), str(tmp_path), 2**22) as cache:
        assert copies(tmp_path) == []
        with open(cache.fetch(f"{shards.url}/data/0"), "rb") as file:
            assert file.read() == content


def test_two_processes_do_not_evict_each_other(shards, tmp_path):
    with open_cache(shards, tmp_path, room=1) as one:
        kept = one.fetch(f"{shards.url}/data/0")
        with open_cache(shards, tmp_path, room=1) as other:
            other.fetch(f"{shards.url}/data/1")
            assert os.path.exists(kept)


def test_an_error_names_the_gs_path(shards, tmp_path):
    with open_cache(shards, tmp_path) as cache:
        shards.fail(403, method="GET", count=2)
        path = f"{shards.url}/data/0"
        with pytest.raises(errors.StorageError, match=f"{path} can't be read: access"):
            cache.fetch(path)
        cache.prefetch([path])
        wait_for(lambda: not shards.proxy.faults[-1].left)
        with pytest.raises(errors.StorageError, match=f"{path} can't be read: access"):
            cache.fetch(path)
        assert os.path.getsize(cache.fetch(path)) == SIZE


def test_a_file_larger_than_the_cache_is_refused(shards, tmp_path):
    with pytest.raises(errors.StorageError, match="more than the cache of --cache_gb"):
        shard_cache.ShardCache(find(shards), str(tmp_path), SIZE - 1)


def test_a_folder_that_can_not_be_made_is_named(shards, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StorageError, match=r"--cache_dir=.*file can't be used"):
        open_cache(shards, tmp_path / "file")
