"""Inspections of data in a bucket, which have to find what local ones find."""

import json
import pathlib
import threading
import time

import pytest

from tests import pictures
from trainer import config, errors
from trainer.data import inspect, inspect_reading, shard_cache

RECORDS_PER_FILE = 70
NUM_FILES = 6


def draw_record(seed, label):
    return pictures.example(
        pictures.encode(pictures.draw(48, 48, seed=seed % 97)), label
    )


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Two splits with something of everything that is worth telling."""
    directory = tmp_path_factory.mktemp("data")
    for number in range(NUM_FILES):
        records = [
            draw_record(number * RECORDS_PER_FILE + record, 1 + record % 3)
            for record in range(RECORDS_PER_FILE)
        ]
        if number == 1:
            records[3] = b"\xff no example"
            records[66] = pictures.example(b"\xfe no picture", 1)
            records[67] = draw_record(5, 9)
        pictures.write_records(directory / f"train-{number}.tfrecord", records)
    damaged = bytearray((directory / "train-2.tfrecord").read_bytes())
    damaged[60] ^= 1
    (directory / "train-2.tfrecord").write_bytes(damaged)
    (directory / "train-6.tfrecord").write_bytes(b"")
    (directory / "train-7.tfrecord").write_bytes(b"path,label\n" * 9)
    pictures.write_records(
        directory / "validation-0.tfrecord", [draw_record(1, 1), draw_record(500, 2)]
    )
    (directory / "labels.txt").write_text("cat\ndog\nfox\n")
    return directory


@pytest.fixture
def remote(local, bucket):
    bucket.write_dir(local, "data")
    return f"{bucket.url}/data"


def look(place, json_path, tmp_path, **flags):
    """Runs inspect and gives its exit code."""
    return inspect.run(
        config.InspectConfig(
            (f"{place}/train-*", f"{place}/validation-*"),
            json=str(json_path),
            cache_dir=str(tmp_path / "cache"),
            **flags,
        )
    )


def size_of_largest(directory):
    return max(path.stat().st_size for path in directory.iterdir())


@pytest.fixture
def downloads(bucket, monkeypatch):
    """The paths of all downloads; each download notes what the cache holds."""
    found = []
    take_fault = bucket.proxy.take_fault

    def note(method, path):
        if "alt=media" in path or "download/" in path:
            found.append(path)
        return take_fault(method, path)

    monkeypatch.setattr(bucket.proxy, "take_fault", note)
    return found


@pytest.fixture(scope="module")
def local_findings(local, tmp_path_factory):
    """The text of --json of an inspection where the files are."""
    directory = tmp_path_factory.mktemp("findings")
    assert look(local, directory / "local.json", directory) == 1
    return (directory / "local.json").read_text()


@pytest.fixture(params=[1, 10**9], ids=["in processes", "here"])
def workers(request, monkeypatch):
    """Reads in worker processes, or in this one."""
    monkeypatch.setattr(inspect_reading, "MIN_RECORDS_FOR_WORKERS", request.param)


def watch_size(directory, stop, sizes):
    while not stop.is_set():
        total = 0
        for path in directory.rglob("*"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        sizes.append(total)
        time.sleep(0.002)


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("room", [1.5, 100], ids=["larger than cache", "fits"])
def test_a_bucket_has_the_same_findings(
    local, local_findings, remote, tmp_path, downloads, room
):
    num_bytes = int(room * size_of_largest(local))
    sizes, stop = [], threading.Event()
    watch = threading.Thread(
        target=watch_size, args=(tmp_path / "cache", stop, sizes), daemon=True
    )
    watch.start()
    code = look(remote, tmp_path / "gs.json", tmp_path, cache_gb=num_bytes / 2**30)
    stop.set()
    watch.join()
    assert code == 1
    expected = local_findings.replace(str(local), remote)
    assert json.loads((tmp_path / "gs.json").read_text()) == json.loads(expected)
    shards = [path for path in downloads if "labels.txt" not in path]
    assert len(shards) == len(set(shards)) == len(list(local.glob("*.tfrecord")))
    assert 0 < max(sizes) <= num_bytes


def test_a_later_run_uses_the_copies(remote, tmp_path, downloads):
    look(remote, tmp_path / "a.json", tmp_path)
    downloads.clear()
    look(remote, tmp_path / "b.json", tmp_path)
    assert [path for path in downloads if "tfrecord" in path] == []


def test_findings_go_to_a_bucket(remote, bucket, tmp_path):
    code = look(remote, f"{bucket.url}/out/findings.json", tmp_path)
    assert code == 1
    findings = json.loads(bucket.read("out/findings.json"))
    assert findings["labels"]["names"] == ["cat", "dog", "fox"]


def test_records_are_estimated_until_all_files_are_there(remote, tmp_path, monkeypatch):
    totals = []

    class Lines:
        def __init__(self, word, unit):
            assert (word, unit) == ("inspect", "record")

        def advance(self, count, num_records):
            totals.append((count, num_records))

    monkeypatch.setattr(inspect.record_progress, "_Lines", Lines)
    look(remote, tmp_path / "a.json", tmp_path)
    num_records = sum(count for count, _ in totals)
    assert totals[-1][1] == num_records
    assert 0.8 * num_records < totals[0][1] < 1.25 * num_records


def test_a_file_that_is_larger_than_the_cache_is_told(remote, tmp_path):
    with pytest.raises(errors.StorageError, match="more than the cache of --cache_gb"):
        look(remote, tmp_path / "a.json", tmp_path, cache_gb=1e-6)


def test_a_download_that_is_refused_names_the_flag(remote, bucket, tmp_path):
    bucket.fail(403, path="download/storage/v1/b", count=99)
    bucket.fail(403, path="alt=media", count=99)
    with pytest.raises(errors.StorageError) as caught:
        look(remote, tmp_path / "a.json", tmp_path)
    text = str(caught.value)
    assert text.startswith(f"--data_path={remote}/train-*: {remote}/train-0.tfrecord")
    assert "grant storage.objects.get" in text
    assert not pathlib.Path(tmp_path / "a.json").exists()


def test_a_listing_that_is_refused_names_the_flag(remote, bucket, tmp_path):
    bucket.fail(403)
    with pytest.raises(errors.StorageError, match="grant storage") as one:
        look(remote, tmp_path / "a.json", tmp_path)
    assert str(one.value).startswith(f"--data_path={remote}/train-*: ")


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_names_the_flag(tmp_path):
    with pytest.raises(errors.StorageError, match="there is no bucket nowhere") as one:
        look("gs://nowhere", tmp_path / "a.json", tmp_path)
    assert str(one.value).startswith("--data_path=gs://nowhere/train-*: ")


def test_faults_on_the_way_are_overcome(remote, bucket, tmp_path, caplog):
    # Each meets a file of its own: which come first is chance, and one is empty.
    for number, kind in enumerate((503, "truncate", "corrupt")):
        path = f"download/storage/v1/b/{bucket.name}/o/data/train-{number}."
        bucket.fail(kind, method="GET", path=path)
    assert look(remote, tmp_path / "a.json", tmp_path) == 1
    for number in range(3):
        assert f"{remote}/train-{number}.tfrecord: " in caplog.text
    assert caplog.text.count("; attempt 2 of 8 follows") == 3


def test_local_data_opens_no_cache(local, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_cache, "ShardCache", None)
    assert look(local, tmp_path / "a.json", tmp_path) == 1
    assert not (tmp_path / "cache").exists()
