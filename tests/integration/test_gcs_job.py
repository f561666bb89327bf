"""Jobs whose data and job-dir are on gs://, as processes of their own."""

import json
import signal
import subprocess
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from tests import gcs, jobs, pictures
from trainer import task

FLAGS = {"max_steps": 8, "train_steps_per_eval": 4}


@pytest.fixture(scope="module")
def owned(gcs_proxy, data_dir):
    """A bucket with the data; the product finds it through the proxy."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_proxy.url)
        bucket = gcs.Bucket(gcs_proxy)
        bucket.write_dir(data_dir, "data")
        yield bucket
        gcs_proxy.faults.clear()
        gcs_proxy.released.set()


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def logs(owned, cache_dir):
    """What a job logged that met faults and SIGTERM, and what it logged at its end."""
    for kind in (503, "reset", "truncate", "corrupt"):
        owned.fail(kind, method="GET", path="o/data/train")
    owned.fail(503, method="POST", path="upload", count=2)
    flags = {**FLAGS, "cache_dir": cache_dir}
    code, first = jobs.interrupt(
        f"{owned.url}/data", f"{owned.url}/job", after="eval  | step 4", **flags
    )
    assert code == 143, first
    second = jobs.run_ok(f"{owned.url}/data", f"{owned.url}/job", **flags)
    return first, second


def test_faults_on_the_way_are_logged_and_overcome(logs):
    first, _ = logs
    # Two uploads, and a status, a short body and a wrong checksum of downloads.
    assert first.count(" of 8 follows in ") >= 5


def test_a_stopped_job_resumes_to_its_end(logs):
    _, second = logs
    assert "resume | step" in second
    assert "done  |" in second


def test_all_outputs_are_on_gs(owned, logs):
    assert logs
    names = set(owned.names("job/"))
    assert {
        "job/metrics.json",
        "job/checkpoints/checkpoint",
        "job/checkpoints/model.ckpt-8.index",
        "job/model/saved_model.pb",
        "job/model/deployment_config.yaml",
        "job/model/labels.txt",
    } <= names
    metrics = json.loads(owned.read("job/metrics.json"))
    assert [one["step"] for one in metrics["evaluations"]] == [4, 8]
    config = owned.read("job/model/deployment_config.yaml").decode()
    assert f"deploymentUri: '{owned.url}/job/model'" in config
    assert not [name for name in names if "staging" in name or "write-check" in name]


def test_events_are_complete(owned, logs, tmp_path):
    assert logs
    steps = []
    for name in owned.names("job/logs/validation/"):
        path = tmp_path / "events"
        path.write_bytes(owned.read(name))
        steps += [
            event.step
            for event in tf.compat.v1.train.summary_iterator(str(path))
            if event.summary.value
        ]
    assert sorted(steps) == [4, 8]
    assert owned.names("job/logs/train/")


def load(content, directory):
    directory.mkdir()
    (directory / "saved_model.pb").write_bytes(content)
    return tf.saved_model.load(str(directory)).signatures["serving_default"]


@pytest.mark.slow
def test_kill_9_in_an_upload_leaves_the_model_before(owned, logs, cache_dir, tmp_path):
    assert logs
    content = owned.read("job/model/saved_model.pb")
    owned.write("killed/model/saved_model.pb", content)
    held = owned.fail("hold", method="POST", path="killed/model/saved_model.pb&upload")
    with subprocess.Popen(
        jobs.command(
            f"{owned.url}/data", f"{owned.url}/killed", cache_dir=cache_dir, **FLAGS
        ),
        stderr=subprocess.PIPE,
    ) as process:
        threading.Thread(target=process.stderr.read, daemon=True).start()
        assert held.met.wait(jobs.TIMEOUT_SECS)
        process.send_signal(signal.SIGKILL)
    owned.proxy.released.set()
    assert "killed/model/deployment_config.yaml" in owned.names()
    assert owned.read("killed/model/saved_model.pb") == content
    encoded = pictures.encode(pictures.draw())
    found = load(content, tmp_path / "model")(
        image_bytes=tf.constant([encoded]), key=tf.constant(["a"])
    )
    assert found["probabilities"].shape == (1, jobs.NUM_CLASSES)


def refuse(caplog, flags):
    """Runs a job that must end with one sentence, and returns that."""
    arguments = jobs.command("data", "job", **flags)[3:]
    started_at = time.monotonic()
    assert task.main(arguments) == task.EXIT_JOB_ERROR
    assert time.monotonic() - started_at < 30
    (record,) = (one for one in caplog.records if one.levelname == "ERROR")
    assert record.exc_info is None
    return record.getMessage()


def test_a_missing_bucket_is_one_sentence(owned, caplog):
    assert owned
    path = "gs://nowhere/data/train-*"
    assert refuse(caplog, {"training_data_path": path}) == (
        f"StorageError: --training_data_path={path}: gs://nowhere/data/train- can't be "
        "listed: there is no bucket nowhere; check its name, or make it with: gcloud "
        "storage buckets create gs://nowhere"
    )


def test_a_job_dir_that_can_not_be_written_is_one_sentence(owned, caplog):
    owned.fail(403, method="POST", path="upload")
    assert refuse(caplog, {"job-dir": f"{owned.url}/refused"}) == (
        f"StorageError: --job-dir={owned.url}/refused/ can't be written: access is "
        "denied (403); grant storage.objects.create and storage.objects.delete on "
        f"bucket {owned.name} to the account that runs this job, for example with the "
        "role roles/storage.objectUser."
    )


def test_bad_data_is_named_by_its_gs_path(owned, caplog, tmp_path):
    flags = {
        "training_data_path": owned.write("bad/0.tfrecord", b"\xff\xd8\xff no records"),
        "validation_data_path": f"{owned.url}/data/validation-*",
        "job-dir": tmp_path / "job",
        "cache_dir": tmp_path / "cache",
    }
    text = refuse(caplog, flags)
    assert text.startswith(f"DataError: {owned.url}/bad/0.tfrecord is a JPEG picture")


def test_data_that_the_cache_can_not_hold_is_refused(owned, caplog, tmp_path):
    flags = {
        "training_data_path": f"{owned.url}/data/train-*",
        "validation_data_path": f"{owned.url}/data/validation-*",
        "job-dir": tmp_path / "job",
        "cache_gb": 0.00001,
    }
    text = refuse(caplog, flags)
    assert "GiB, more than the cache of --cache_gb=1e-05 holds; raise it" in text


@pytest.fixture(scope="module")
def windowed(owned, tmp_path_factory):
    """Flags of a job whose cache holds two of its six training files at a time."""
    directory = tmp_path_factory.mktemp("windows")
    for number in range(6):
        path = directory / f"train-{number}"
        pictures.write_classes(
            path, num_images=10, num_classes=jobs.NUM_CLASSES, seed=50 * number
        )
    pictures.write_classes(
        directory / "validation-0", num_images=6, num_classes=jobs.NUM_CLASSES, seed=900
    )
    owned.write_dir(directory, "windows")
    largest = max(path.stat().st_size for path in directory.iterdir())
    return {
        "training_data_path": f"{owned.url}/windows/train-*",
        "validation_data_path": f"{owned.url}/windows/validation-*",
        "cache_gb": 3.1 * largest / 2**30,
        "max_steps": 24,
        "train_steps_per_eval": 8,
    }


def size_of_files(directory):
    files = [path for path in directory.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


def test_data_larger_than_the_cache_trains_and_resumes_exactly(
    owned, windowed, tmp_path
):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    log = jobs.run_ok(owned.url, whole, cache_dir=tmp_path / "a", **windowed)
    assert "60 training" in log
    assert size_of_files(tmp_path / "a") <= windowed["cache_gb"] * 2**30
    code, _ = jobs.interrupt(
        owned.url,
        stopped,
        after="eval  | step 8",
        cache_dir=tmp_path / "b",
        number=signal.SIGKILL,
        **windowed,
    )
    assert code == -signal.SIGKILL
    jobs.run_ok(owned.url, stopped, cache_dir=tmp_path / "b", **windowed)
    found, expected = (
        tf.train.load_checkpoint(str(job_dir / "checkpoints" / "model.ckpt-24"))
        for job_dir in (stopped, whole)
    )
    for name in set(expected.get_variable_to_shape_map()) - {"job_state"}:
        np.testing.assert_array_equal(
            found.get_tensor(name), expected.get_tensor(name), err_msg=name
        )


def test_a_cache_without_room_for_two_files_is_refused(owned, windowed, caplog):
    assert owned
    text = refuse(caplog, {**windowed, "cache_gb": windowed["cache_gb"] / 2})
    assert "is too small: expected room for" in text
