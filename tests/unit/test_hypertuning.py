import json

import pytest

from trainer.training import hypertuning


@pytest.fixture
def metric_file(tmp_path, monkeypatch):
    path = tmp_path / "agent" / "output.metrics"
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(path))
    monkeypatch.delenv("CLOUD_ML_TRIAL_ID", raising=False)
    return path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_evaluation_is_a_record(metric_file):
    report = hypertuning.Reporter("7")
    report(100, {"top_1_accuracy": 0.25, "loss": 1.0})
    report(200, {"top_1_accuracy": 0.5, "loss": 0.5})
    records = read(metric_file)
    assert [record["global_step"] for record in records] == ["100", "200"]
    assert [record["top_1_accuracy"] for record in records] == ["0.25", "0.5"]
    assert {record["trial"] for record in records} == {"7"}


def test_a_place_that_cannot_be_written_is_no_error(metric_file, caplog):
    metric_file.parent.write_text("a file in the way")
    hypertuning.Reporter(None)(1, {"top_1_accuracy": 0.5})
    assert "Nothing is reported to a tuning service" in caplog.text
