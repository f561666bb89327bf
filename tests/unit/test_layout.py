from trainer.training.layout import JobLayout


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
