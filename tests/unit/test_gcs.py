"""The real client against a real server of the Cloud Storage API."""

import collections
import os
import socket
import subprocess
import sys
import time

import google.auth.exceptions
import google.oauth2.credentials
import pytest
import requests

from trainer import errors, storage
from trainer.storage import gcs_client, retries

# The HTTP library itself repeats a GET once whose connection was dropped.
TIMES = collections.defaultdict(lambda: 1, reset=2)


@pytest.fixture
def shards(bucket):
    for name in ("a-1", "a-2", "a-10", "b-1", "more/a-3", "other/a-1"):
        bucket.write(f"data/{name}.tfrecord", name)
    return bucket


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("data/a-*.tfrecord", ["a-1", "a-10", "a-2"]),
        ("data/?-1.tfrecord", ["a-1", "b-1"]),
        ("data/a-[1-9].tfrecord", ["a-1", "a-2"]),
        ("data/b-1.tfrecord", ["b-1"]),
        ("data/*/a-?.tfrecord", ["more/a-3", "other/a-1"]),
        ("d*a/[mn]ore/*", ["more/a-3"]),
    ],
)
def test_patterns_match_objects_in_order(shards, pattern, names):
    found = storage.match_files(f"{shards.url}/{pattern}", "training_data_path")
    assert found == [f"{shards.url}/data/{name}.tfrecord" for name in names]


def test_a_listing_has_size_version_and_checksum(shards):
    (file,) = storage.find_files(f"{shards.url}/data/a-10.tfrecord", "x")
    assert file.num_bytes == 4
    assert int(file.generation) > 0
    assert file.crc32c


def test_an_object_with_brackets_in_its_name_is_found(bucket):
    path = bucket.write("data [1].tfrecord", b"")
    assert storage.match_files(path, "training_data_path") == [path]


def test_many_pages_are_one_listing(bucket):
    for number in range(1005):
        bucket.write(f"many/{number:04}", b"")
    assert len(storage.match_files(f"{bucket.url}/many/*", "x")) == 1005


def test_no_match_names_flag_and_what_is_there(shards):
    with pytest.raises(errors.StorageError) as caught:
        storage.match_files(f"{shards.url}/data/c-*", "training_data_path")
    text = str(caught.value)
    assert f"--training_data_path={shards.url}/data/c-* matches no file" in text
    assert "holds a-1.tfrecord, a-10.tfrecord, a-2.tfrecord" in text


def test_no_match_says_how_much_of_the_path_exists(shards):
    with pytest.raises(errors.StorageError, match=f"only {shards.url}/data of it exi"):
        storage.match_files(f"{shards.url}/data/x/y/*", "training_data_path")


def test_an_empty_bucket_is_named(bucket):
    with pytest.raises(errors.StorageError, match=f"bucket {bucket.url} is empty"):
        storage.match_files(f"{bucket.url}/x/y/*", "training_data_path")


def test_a_directory_gets_a_pattern_that_works(shards):
    with pytest.raises(errors.StorageError) as caught:
        storage.match_files(f"{shards.url}/data", "validation_data_path")
    assert f"--validation_data_path='{shards.url}/data/*.tfrecord'" in str(caught.value)


def test_text_is_written_listed_read_and_removed(bucket):
    path = f"{bucket.url}/job/metrics.json"
    storage.write_text(path, "one")
    storage.write_text(path, "zwei ä")
    assert storage.read_text(path) == "zwei ä"
    assert storage.list_names(f"{bucket.url}/job") == ["metrics.json"]
    storage.remove_files([path, path])
    assert storage.read_text(path) is None
    assert storage.list_names(f"{bucket.url}/job") == []


def publish(bucket, **contents):
    with storage.staging_dir(f"{bucket.url}/job") as staging:
        for name, content in contents.items():
            with open(os.path.join(staging, name), "wb") as file:
                file.write(content)
        storage.publish_files(staging, f"{bucket.url}/job/model", marker="marker")
    assert not os.path.exists(staging)


def test_the_marker_is_uploaded_last(bucket):
    publish(bucket, marker=b"old", zebra=b"old")
    bucket.fail(403, method="POST", path="upload", skip=1)
    with pytest.raises(errors.StorageError):
        publish(bucket, marker=b"new", zebra=b"new")
    assert bucket.read("job/model/zebra") == b"new"
    assert bucket.read("job/model/marker") == b"old"
    publish(bucket, marker=b"new", zebra=b"new")
    assert bucket.names() == ["job/model/marker", "job/model/zebra"]
    assert bucket.read("job/model/marker") == b"new"


def test_a_file_of_several_parts_arrives_whole(bucket):
    content = os.urandom(6 * 2**20)
    publish(bucket, marker=content)
    assert bucket.read("job/model/marker") == content


@pytest.mark.parametrize("kind", [408, 429, 500, 503, "reset", "truncate"])
def test_what_fails_for_a_moment_is_repeated_and_logged(bucket, caplog, kind):
    path = f"{bucket.url}/metrics.json"
    count = TIMES[kind]
    bucket.fail(kind, method="POST", count=count)
    storage.write_text(path, "text")
    bucket.fail(kind, method="GET", count=count)
    assert storage.read_text(path) == "text"
    bucket.fail(kind, method="GET", count=count)
    assert storage.match_files(f"{bucket.url}/*", "x") == [path]
    assert caplog.text.count("attempt 2 of 8 follows") == 3


@pytest.mark.parametrize("kind", [503, "reset", "truncate", "corrupt"])
def test_a_download_that_came_damaged_is_repeated(bucket, tmp_path, caplog, kind):
    content = os.urandom(2**16)
    bucket.write("shard", content)
    (file,) = storage.find_files(f"{bucket.url}/shard", "x")
    bucket.fail(kind, method="GET", path="download", count=TIMES[kind])
    storage.download(file, str(tmp_path / "shard"))
    assert (tmp_path / "shard").read_bytes() == content
    assert f"{bucket.url}/shard: " in caplog.text


def test_an_object_that_was_replaced_is_not_taken_for_the_listed_one(bucket, tmp_path):
    path = bucket.write("shard", b"old")
    (file,) = storage.find_files(path, "x")
    bucket.write("shard", b"new")
    with pytest.raises(errors.StorageError, match="shard can't be read: it was remove"):
        storage.download(file, str(tmp_path / "shard"))


@pytest.mark.parametrize(
    ("call", "permission"),
    [
        (lambda path: storage.match_files(f"{path}/*", "flag"), "storage.objects.list"),
        (lambda path: storage.read_text(f"{path}/x"), "storage.objects.get"),
        (
            lambda path: storage.make_writable_dir(path, "flag"),
            "storage.objects.create and storage.objects.delete",
        ),
        (lambda path: storage.remove_files([path]), "storage.objects.delete"),
    ],
    ids=["list", "read", "write", "remove"],
)
@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "access is denied"), (401, "no Google Cloud credentials were found")],
)
def test_a_refusal_names_path_and_permission(bucket, call, permission, status, reason):
    bucket.fail(status)
    started_at = time.monotonic()
    with pytest.raises(errors.StorageError) as caught:
        call(f"{bucket.url}/job")
    text = str(caught.value)
    assert f"{bucket.url}/job" in text
    assert f"{reason}" in text
    assert f"{permission} on bucket {bucket.name}" in text
    assert "\n" not in text
    assert time.monotonic() - started_at < 5


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_named():
    with pytest.raises(errors.StorageError, match="there is no bucket nowhere; check"):
        storage.match_files("gs://nowhere/data/*", "training_data_path")
    with pytest.raises(errors.StorageError) as caught:
        storage.make_writable_dir("gs://nowhere/jobs/1", "job-dir")
    assert str(caught.value).startswith(
        "--job-dir=gs://nowhere/jobs/1 can't be written"
    )


def test_a_path_without_a_bucket_is_refused():
    with pytest.raises(errors.StorageError, match="names no bucket"):
        storage.match_files("gs:///data/*", "training_data_path")


def test_a_writable_dir_stays_empty(bucket):
    storage.make_writable_dir(f"{bucket.url}/jobs/1", "job-dir")
    assert bucket.names() == []


def test_other_refusals_are_told(bucket):
    bucket.fail(412)
    with pytest.raises(errors.StorageError, match="Cloud Storage refuses it"):
        storage.write_text(f"{bucket.url}/x", "text")


def test_expired_credentials_are_named_at_once(bucket, monkeypatch):
    bucket.fail(400, path="/token")
    expired = google.oauth2.credentials.Credentials(
        None,
        refresh_token="expired",
        token_uri=f"{bucket.proxy.url}/token",
        client_id="id",
        client_secret="secret",
    )
    client = gcs_client.Client(token=expired, skip_instance_cache=True)
    monkeypatch.setattr(gcs_client, "client", lambda: client)
    started_at = time.monotonic()
    with pytest.raises(errors.StorageError) as caught:
        storage.make_writable_dir(f"{bucket.url}/job", "job-dir")
    assert time.monotonic() - started_at < 5
    text = str(caught.value)
    assert f"--job-dir={bucket.url}/job can't be written: the Google Cloud" in text
    assert "credentials are expired or not valid (401)" in text
    assert "storage.objects.create and storage.objects.delete" in text


def test_an_outage_ends_with_a_sentence(bucket, monkeypatch):
    monkeypatch.setattr(retries, "FIRST_SECS", 0.001)
    bucket.fail(503, count=99)
    with pytest.raises(errors.StorageError) as caught:
        storage.write_text(f"{bucket.url}/x", "text")
    text = str(caught.value)
    assert "did not answer as it should in 8 attempts (on demand, 503)" in text


@pytest.mark.parametrize("is_silent", [False, True], ids=["refused", "silent"])
def test_a_server_that_was_never_reached_is_given_up_soon(monkeypatch, is_silent):
    monkeypatch.setattr(retries, "CONTACT_SECS", 1.2)
    monkeypatch.setattr(retries, "LEAST_SECS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not is_silent:
            server.close()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        client = gcs_client._build("anon")
        monkeypatch.setattr(gcs_client, "client", lambda: client)
        started_at = time.monotonic()
        with pytest.raises(errors.StorageError) as caught:
            storage.match_files("gs://bucket/data/*", "training_data_path")
    assert time.monotonic() - started_at < 5
    assert "--training_data_path=gs://bucket/data/*: gs://bucket/data/" in str(
        caught.value
    )
    assert "did not answer as it should in" in str(caught.value)
    assert "check the network" in str(caught.value)


def test_a_server_that_was_reached_once_is_waited_for(bucket, monkeypatch):
    client = gcs_client._build("anon")
    monkeypatch.setattr(gcs_client, "client", lambda: client)
    storage.write_text(f"{bucket.url}/x", "text")
    monkeypatch.setattr(retries, "FIRST_SECS", 0.001)
    assert client.contact.secs_left is None
    bucket.fail(503, count=7)
    assert storage.read_text(f"{bucket.url}/x") == "text"


def test_renewal_of_credentials_has_a_time_limit(monkeypatch):
    limits = []

    def request(*_, timeout, **__):
        limits.append(timeout)
        raise requests.exceptions.ConnectTimeout("silent")

    monkeypatch.setattr(requests.Session, "request", request)
    credentials = google.oauth2.credentials.Credentials(
        None,
        refresh_token="token",
        token_uri="http://nowhere.invalid/token",
        client_id="id",
        client_secret="secret",
    )
    client = gcs_client.Client(token=credentials, skip_instance_cache=True)
    with pytest.raises(google.auth.exceptions.TransportError) as caught:
        client.credentials.maybe_refresh()
    assert set(limits) == {gcs_client.RENEWAL_TIMEOUT}
    assert gcs_client.is_transient(caught.value)


def test_kill_9_in_an_upload_leaves_the_file_before(bucket, tmp_path):
    publish(bucket, marker=b"old")
    bucket.fail("hold", method="POST", path="upload_id")
    held = bucket.proxy.faults[-1]
    (tmp_path / "marker").write_bytes(os.urandom(2**23))
    script = (
        "import sys; from trainer import storage; "
        "storage.publish_files(*sys.argv[1:], marker='marker')"
    )
    target = f"{bucket.url}/job/model"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), target]
    ) as process:
        assert held.met.wait(60)
        process.kill()
    bucket.proxy.released.set()
    assert bucket.read("job/model/marker") == b"old"
    assert bucket.names() == ["job/model/marker"]


def test_what_is_local_does_not_import_the_client(tmp_path):
    script = (
        "import sys; from trainer import storage, task; "
        "storage.write_text(sys.argv[1], ''); storage.match_files(sys.argv[1], 'x'); "
        "task.main(['--help']); "
        "print(*({'gcsfs', 'aiohttp', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "file")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == ""


def test_a_local_dir_has_copies_of_what_is_there(shards):
    with storage.local_dir(f"{shards.url}/data", ["a-1.tfrecord", "none"]) as found:
        assert os.listdir(found) == ["a-1.tfrecord"]
    assert not os.path.exists(found)
    with (
        storage.local_file(f"{shards.url}/data/b-1.tfrecord") as found,
        open(found, encoding="utf-8") as file,
    ):
        assert file.read() == "b-1"
