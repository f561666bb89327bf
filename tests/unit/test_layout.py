import pytest

from trainer.environment import VertexOutputs
from trainer.training.layout import JobLayout, own_layout


def test_a_job_has_the_documented_folders():
    layout = JobLayout("jobs/flowers")
    assert layout.model_dirs == ("jobs/flowers/model",)
    assert layout.checkpoint_dir == "jobs/flowers/checkpoints"
    assert layout.log_dir == "jobs/flowers/logs"
    assert layout.metrics_path == "jobs/flowers/metrics.json"
    assert layout.curve_path == "jobs/flowers/training.jsonl"
    assert layout.report_dir == "jobs/flowers/report"


def test_a_trial_shares_nothing_with_other_trials():
    layout = JobLayout("jobs/flowers", "7")
    assert layout.model_dirs == ("jobs/flowers/model/trial_7", "jobs/flowers/7/model")
    assert layout.checkpoint_dir == "jobs/flowers/7/checkpoints"
    assert layout.log_dir == "jobs/flowers/7/logs"
    assert layout.metrics_path == "jobs/flowers/7/metrics.json"
    assert layout.report_dir == "jobs/flowers/7/report"


def vertex(root):
    return VertexOutputs(f"{root}/model", f"{root}/checkpoints", f"{root}/logs")


@pytest.mark.parametrize("job_dir", ["gs://b/out/7", "gs://b/out/7/"])
def test_vertex_folders_of_a_trial_are_not_nested_again(job_dir):
    layout = JobLayout(job_dir, "7", vertex("gs://b/out/7"))
    assert layout.model_dirs == ("gs://b/out/7/model",)
    assert layout.checkpoint_dir == "gs://b/out/7/checkpoints"
    assert layout.log_dir == "gs://b/out/7/logs"
    assert layout.metrics_path == "gs://b/out/7/metrics.json"
    assert layout.index_path == "gs://b/out/7/index.npz"


def test_a_job_dir_beside_vertex_folders_takes_what_those_do_not():
    layout = JobLayout("gs://b/mine", "7", vertex("gs://b/out/7"))
    assert layout.model_dirs == ("gs://b/out/7/model",)
    assert layout.checkpoint_dir == "gs://b/out/7/checkpoints"
    assert layout.metrics_path == "gs://b/mine/7/metrics.json"


def test_one_vertex_folder_may_come_alone():
    layout = JobLayout("jobs/flowers", None, VertexOutputs(log_dir="gs://b/logs"))
    assert layout.log_dir == "gs://b/logs"
    assert layout.model_dirs == ("jobs/flowers/model",)
    assert layout.checkpoint_dir == "jobs/flowers/checkpoints"


def test_a_process_finds_the_layout_of_its_own_job(monkeypatch):
    monkeypatch.setenv("CLOUD_ML_TRIAL_ID", "7")
    monkeypatch.setenv("AIP_MODEL_DIR", "gs://b/out/7/model/")
    for name in ("AIP_CHECKPOINT_DIR", "AIP_TENSORBOARD_LOG_DIR"):
        monkeypatch.delenv(name, raising=False)
    layout = own_layout("jobs/flowers")
    assert layout.model_dirs == ("gs://b/out/7/model",)
    assert layout.report_dir == "jobs/flowers/7/report"
