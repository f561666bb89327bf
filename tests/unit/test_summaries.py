import pytest
import tensorflow as tf

from trainer.storage import paths
from trainer.training import summaries


def read(directory):
    (path,) = directory.iterdir()
    return {
        (value.tag, event.step): round(value.simple_value, 4)
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }


def test_events_hold_what_was_written(tmp_path):
    events = summaries.Summaries(str(tmp_path))
    events.write_training(5, {"loss": 2.0, "learning_rate": 0.1})
    events.write_evaluation(
        10,
        {"top_1_accuracy": 0.5, "top_5_accuracy": 1.0, "loss": 0.75, "num_images": 4},
    )
    assert read(tmp_path / "train") == {("loss", 5): 2.0, ("learning_rate", 5): 0.1}
    assert read(tmp_path / "validation") == {
        ("top_1_accuracy", 10): 0.5,
        ("top_5_accuracy", 10): 1.0,
        ("loss", 10): 0.75,
    }


METRICS = {"top_1_accuracy": 0.5, "top_5_accuracy": 1.0, "loss": 0.75}


def test_events_are_copied_to_gs_at_an_evaluation_and_at_the_end(bucket, tmp_path):
    with summaries.open_summaries(f"{bucket.url}/logs") as events:
        events.write_training(5, {"loss": 2.0})
        assert bucket.names() == []
        events.write_evaluation(10, METRICS)
        before = {name: bucket.read(name) for name in bucket.names()}
        assert sorted(name.split("/")[1] for name in before) == ["train", "validation"]
        events.write_training(15, {"loss": 1.0})
        assert {name: bucket.read(name) for name in bucket.names()} == before
    (name,) = bucket.names("logs/train/")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "events").write_bytes(bucket.read(name))
    assert read(tmp_path / "train") == {("loss", 5): 2.0, ("loss", 15): 1.0}


def test_events_are_copied_now_and_then(bucket, monkeypatch):
    monkeypatch.setattr(summaries, "SECS_BETWEEN_COPIES", 0.0)
    with summaries.open_summaries(f"{bucket.url}/logs") as events:
        events.write_training(5, {"loss": 2.0})
        assert bucket.names("logs/train/")


def test_a_copy_that_fails_is_a_warning(bucket, caplog):
    bucket.fail(403, method="POST", path="upload")
    with summaries.open_summaries(f"{bucket.url}/logs") as events:
        events.write_evaluation(10, METRICS)
        assert "Events are not copied this time" in caplog.text
    assert bucket.names("logs/validation/")


def test_events_are_copied_when_the_job_fails(bucket):
    def fail():
        with summaries.open_summaries(f"{bucket.url}/logs") as events:
            events.write_training(5, {"loss": 2.0})
            raise ValueError("no number")

    with pytest.raises(ValueError, match="no number"):
        fail()
    assert bucket.names("logs/train/")


def test_a_mounted_bucket_gets_whole_files(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MOUNTED_BUCKETS", f"{tmp_path}/")
    with summaries.open_summaries(str(tmp_path / "logs")) as events:
        events.write_training(5, {"loss": 2.0})
        assert not list(tmp_path.rglob("*events*"))
    assert read(tmp_path / "logs" / "train") == {("loss", 5): 2.0}
