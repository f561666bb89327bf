"""A trial of Vertex AI: no --job-dir, and folders that it names by variables."""

import json

from tests import jobs


def test_a_trial_writes_where_vertex_ai_says(data_dir, tmp_path):
    root = tmp_path / "out" / "2"
    variables = {
        "CLOUD_ML_TRIAL_ID": "2",
        "CLOUD_ML_HP_METRIC_FILE": str(tmp_path / "metrics" / "output"),
        "AIP_MODEL_DIR": f"{root}/model/",
        "AIP_CHECKPOINT_DIR": f"{root}/checkpoints/",
        "AIP_TENSORBOARD_LOG_DIR": f"{root}/logs/",
    }
    command = jobs.command(data_dir, "")
    without = [one for one in command if not one.startswith("--job-dir")]
    log = jobs.run_command(without, env=variables)
    assert f"model in {root}/model\n" in log
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["2"]
    assert sorted(path.name for path in root.iterdir()) == [
        "checkpoints",
        "index.npz",
        "logs",
        "metrics.json",
        "model",
        "training.jsonl",
    ]
    assert (root / "model" / "saved_model.pb").exists()
    assert list((root / "checkpoints").glob("model.ckpt-8.index"))
    assert list((root / "logs" / "validation").iterdir())
    (*_, last) = (tmp_path / "metrics" / "output").read_text().splitlines()
    assert json.loads(last)["trial"] == "2"
    assert "resume | step 8" in jobs.run_command(without, env=variables)
