"""Predictions from a bucket and into one, on this machine and as Dataflow would."""

import dataclasses
import json

import pytest
from apache_beam.runners.portability.fn_api_runner import fn_runner

from tests import pictures
from trainer import config, errors
from trainer.config.beam import DATAFLOW_RUNNER
from trainer.data import beam_runner
from trainer.serving import batch_parts, batch_predict, predict

RESULTS = ["prediction.results-00000-of-00002", "prediction.results-00001-of-00002"]


@pytest.fixture
def source(tmp_path, bucket, colour_model_dir):
    """A model and pictures, the same beside and in the bucket."""
    for number in range(4):
        path = tmp_path / "photos" / "in" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures.encode(pictures.draw_class(number % 3, 3)))
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no picture")
    bucket.write_dir(tmp_path / "photos", "photos")
    bucket.write_dir(colour_model_dir, "job/model")
    return tmp_path / "photos"


@pytest.fixture
def two_parts(monkeypatch):
    monkeypatch.setattr(batch_parts, "PICTURES_PER_PART", 3)


@pytest.fixture
def dataflow(monkeypatch):
    """Everything that a job on Dataflow does, but for the machines."""
    monkeypatch.setattr(beam_runner, "check_installed", lambda *_: None)
    monkeypatch.setattr(beam_runner, "_build_runner", lambda _: fn_runner.FnApiRunner())


def build_batch(bucket, **flags):
    return config.BatchPredictConfig(
        model_dir=f"{bucket.url}/job/model",
        data_format="IMAGES",
        input_paths=(f"{bucket.url}/photos",),
        output_path=f"{bucket.url}/out",
        **flags,
    )


def build_dataflow_batch(bucket):
    return build_batch(
        bucket,
        runner=DATAFLOW_RUNNER,
        project_id="p",
        region="r",
        temp_location=f"{bucket.url}/temp",
    )


def assert_out(bucket):
    """The results of all pictures, in order, and the error of one."""
    assert bucket.names("out/") == sorted(
        f"out/{name}" for name in [*RESULTS, batch_predict.ERRORS]
    )
    lines = b"".join(bucket.read(f"out/{name}") for name in RESULTS).splitlines()
    found = list(map(json.loads, lines))
    assert [(one["key"], one["classes"]) for one in found] == [
        (f"{bucket.url}/photos/in/{number}.jpg", number % 3) for number in range(4)
    ]
    error = json.loads(bucket.read(f"out/{batch_predict.ERRORS}"))
    assert error["instance"] == f"{bucket.url}/photos/bad.jpg"


@pytest.mark.usefixtures("source")
def test_predict_reads_and_writes_a_bucket(bucket):
    job = config.PredictConfig(
        f"{bucket.url}/job/model",
        images=(f"{bucket.url}/photos/in/", f"{bucket.url}/photos/*.jpg"),
        csv=f"{bucket.url}/answers.csv",
    )
    assert predict.run(job) == 1
    rows = bucket.read("answers.csv").decode().splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == [
        "red",
        "green",
        "blue",
        "red",
        "",
    ]


@pytest.mark.usefixtures("source", "two_parts")
def test_a_batch_reads_and_writes_a_bucket(bucket):
    bucket.write("out/prediction.results-00000-of-00001", "old")
    batch_predict.run(build_batch(bucket))
    assert_out(bucket)


@pytest.mark.usefixtures("source", "two_parts", "dataflow")
def test_workers_elsewhere_write_the_same(bucket):
    bucket.write("out/prediction.results-00000-of-00001", "old")
    batch_predict.run(build_dataflow_batch(bucket))
    assert_out(bucket)
    assert bucket.names("temp/") == []


@pytest.mark.usefixtures("source")
def test_input_that_can_not_be_read_leaves_the_results_of_before(bucket):
    batch_predict.run(build_batch(bucket))
    before = {name: bucket.read(name) for name in bucket.names("out/")}
    bucket.write("requests/a.jsonl", "{}")
    bucket.fail(403, method="GET", path="o/requests/a.jsonl", count=99)
    job = dataclasses.replace(
        build_batch(bucket),
        data_format="JSON",
        input_paths=(f"{bucket.url}/requests/*",),
    )
    with pytest.raises(errors.StorageError, match=r"a.jsonl can't be read: access is"):
        batch_predict.run(job)
    assert {name: bucket.read(name) for name in bucket.names("out/")} == before


@pytest.mark.usefixtures("source")
def test_output_that_can_not_be_written_is_no_complete_set(bucket):
    batch_predict.run(build_batch(bucket))
    # The first is the look whether one may write.
    bucket.fail(403, method="POST", skip=1, count=99)
    with pytest.raises(errors.StorageError, match=r"storage.objects.create"):
        batch_predict.run(build_batch(bucket))
    assert bucket.names("out/") == []
