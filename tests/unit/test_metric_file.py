import hypertune
import pytest

from trainer.jobs import metric_file


@pytest.fixture
def agent(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(tmp_path / "a" / "metrics"))
    return hypertune.HyperTune()


def test_what_hypertune_writes_is_read(tmp_path, agent):
    for step in (10, 20):
        agent.report_hyperparameter_tuning_metric("accuracy", 0.01 * step, step)
        agent.report_hyperparameter_tuning_metric("loss", 5, step)
    found = metric_file.read(str(tmp_path / "a" / "metrics"), "accuracy")
    assert found.measurements == pytest.approx({10: 0.1, 20: 0.2})
    assert found.other_tags == {"loss"}
    assert found.other_steps == {10, 20}


def test_a_file_that_is_not_there_has_no_records(tmp_path):
    found = metric_file.read(str(tmp_path / "metrics"), "accuracy")
    assert found == ({}, frozenset(), frozenset())


@pytest.mark.parametrize(
    "line",
    [
        '{"accuracy": "0.5", "glo',
        "[1]",
        "",
        '{"accuracy": "nan"}',
        "3",
        "[" * 2000,
        f'{{"accuracy": {"9" * 400}}}',
    ],
    ids=range(7),
)
def test_a_line_that_is_not_whole_or_no_number_waits(tmp_path, line):
    path = tmp_path / "metrics"
    path.write_text(f'{{"accuracy": "0.25", "global_step": "7", "trial": "1"}}\n{line}')
    found = metric_file.read(str(path), "accuracy")
    assert found == ({7: 0.25}, frozenset(), frozenset())
