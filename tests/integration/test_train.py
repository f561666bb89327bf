"""The documented job, run as a process, from its files to its model."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import jobs, pictures
from trainer import config
from trainer.serving import evaluate


@pytest.fixture(scope="module")
def job(data_dir, tmp_path_factory):
    """A finished job: its folder, its log, and what the tuning agent was told."""
    job_dir = tmp_path_factory.mktemp("jobs") / "colours"
    metric_file = job_dir.parent / "output.metrics"
    log = jobs.run_ok(
        data_dir,
        job_dir,
        max_steps=30,
        train_steps_per_eval=10,
        report="true",
        env={"CLOUD_ML_HP_METRIC_FILE": str(metric_file)},
    )
    return job_dir, log, metric_file


@pytest.fixture(scope="module")
def metrics(job):
    return json.loads((job[0] / "metrics.json").read_text())


def test_the_documented_files_are_there(job):
    job_dir, *_ = job
    assert sorted(os.listdir(job_dir)) == [
        "checkpoints",
        "index.npz",
        "logs",
        "metrics.json",
        "model",
        "report",
        "training.jsonl",
    ]
    assert sorted(os.listdir(job_dir / "model")) == [
        "deployment_config.yaml",
        "labels.txt",
        "saved_model.pb",
        "variables",
    ]
    assert sorted(os.listdir(job_dir / "report")) == ["index.html", "model_card.md"]
    assert "model.ckpt-30.index" in os.listdir(job_dir / "checkpoints")


def test_metrics_hold_every_evaluation_and_the_flags(metrics):
    assert [one["step"] for one in metrics["evaluations"]] == [10, 20, 30]
    for one in metrics["evaluations"]:
        assert one["num_images"] == 10
        assert one["top_5_accuracy"] == 1.0
    best = max(one["top_1_accuracy"] for one in metrics["evaluations"])
    assert metrics["best"]["top_1_accuracy"] == best
    assert metrics["flags"]["model_type"] == "resnet-18"
    assert metrics["resolved"]["train_steps_per_eval"] == 10
    assert metrics["resolved"]["num_training_images"] == 36
    assert metrics["resolved"]["label_offset"] == 1


def test_three_colours_are_learned(metrics):
    assert metrics["best"]["top_1_accuracy"] >= 0.9


def test_saved_model_cli_answers_as_the_evaluation_counted(job, metrics, tmp_path):
    encoded = [
        pictures.encode(pictures.draw_class(number % 3, 3, seed=1000 + number))
        for number in range(10)
    ]
    np.save(tmp_path / "image_bytes.npy", np.array(encoded))
    np.save(tmp_path / "key.npy", np.array([str(number) for number in range(10)], "S"))
    inputs = f"image_bytes={tmp_path}/image_bytes.npy;key={tmp_path}/key.npy"
    subprocess.run(
        [
            *(sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "run"),
            *("--dir", job[0] / "model"),
            *("--tag_set", "serve", "--signature_def", "classify"),
            *("--inputs", inputs),
            *("--outdir", tmp_path / "answer"),
        ],
        check=True,
        capture_output=True,
    )
    answer = {
        name: np.load(tmp_path / "answer" / f"{name}.npy", allow_pickle=True)
        for name in ("classes", "key", "probabilities")
    }
    right = np.mean(answer["classes"] == np.arange(10) % 3)
    assert right == pytest.approx(metrics["best"]["top_1_accuracy"])
    np.testing.assert_array_equal(
        answer["classes"], answer["probabilities"].argmax(axis=1)
    )
    assert [key.decode() for key in answer["key"]] == [str(one) for one in range(10)]


def test_evaluate_counts_as_the_job_did(data_dir, job, metrics, tmp_path):
    accuracy = metrics["best"]["top_1_accuracy"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "trainer.task", "evaluate"),
            f"--model_dir={job[0]}/model",
            f"--data_path={data_dir}/validation-*",
            f"--json={tmp_path}/scores.json",
            f"--assert_accuracy_at_least={accuracy}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["top_1_accuracy"] == accuracy
    assert scores["top_5_accuracy"] == metrics["best"]["top_5_accuracy"]
    assert "top-1 accuracy" in done.stdout


def test_events_hold_the_documented_scalars(job):
    tags = {}
    for split in ("train", "validation"):
        (path,) = (job[0] / "logs" / split).iterdir()
        tags[split] = {
            value.tag
            for event in tf.compat.v1.train.summary_iterator(str(path))
            for value in event.summary.value
        }
    assert tags["validation"] == {"top_1_accuracy", "top_5_accuracy", "loss"}
    assert tags["train"] == {
        "loss",
        "accuracy",
        "learning_rate",
        "images_per_second",
        "input_wait_share",
    }


def test_the_report_has_what_the_job_did(job, metrics):
    page = (job[0] / "report" / "index.html").read_text()
    right = round(10 * metrics["best"]["top_1_accuracy"])
    assert f"{right} are right. In training, {right} were counted." in page
    for text in ("training, smoothed", "Confusions", "Images of each class"):
        assert text in page


def test_the_tuning_agent_hears_of_each_evaluation(job, metrics):
    records = [json.loads(line) for line in job[2].read_text().splitlines()]
    assert [int(record["global_step"]) for record in records] == [10, 20, 30]
    for record, one in zip(records, metrics["evaluations"], strict=True):
        assert float(record["top_1_accuracy"]) == one["top_1_accuracy"]


def test_the_log_has_one_form_and_nothing_of_tensorflows(job):
    kinds = r"data|model|job|train|eval|done|report"
    for line in job[1].splitlines():
        assert re.match(rf"\d\d:\d\d:\d\d ({kinds}) +\| ", line), line
    assert re.search(
        r"train \| step 10/30 \| loss \d\.\d+ \| accuracy \d\.\d+ \| learning rate "
        r"[\d.e-]+ \| [\d.]+ images/s \| .* left\n",
        job[1],
    )


def test_a_finished_job_only_evaluates(data_dir, job):
    job_dir, *_ = job
    model = job_dir / "model" / "saved_model.pb"
    before = model.stat().st_mtime_ns
    log = jobs.run_ok(data_dir, job_dir, max_steps=30, train_steps_per_eval=10)
    assert "resume | step 30" in log
    assert "done  | top_1_accuracy" in log
    assert "train | step" not in log
    assert model.stat().st_mtime_ns == before


def test_a_checkpoint_of_another_model_is_refused(data_dir, job):
    done = jobs.run(data_dir, job[0], max_steps=30, model_type="resnet-34")
    assert done.returncode == 1
    assert "--model_type=resnet-18, this one has resnet-34" in done.stderr


def test_a_job_can_start_from_another(data_dir, job, tmp_path):
    log = jobs.run_ok(
        data_dir,
        tmp_path / "second",
        pretrained_checkpoint_path=job[0] / "checkpoints",
        max_steps=1,
    )
    assert re.search(r"start \| (\d+) of \1 variables", log)


def test_a_trial_writes_where_the_service_had_it(data_dir, tmp_path):
    jobs.run_ok(data_dir, tmp_path, max_steps=2, env={"CLOUD_ML_TRIAL_ID": "5"})
    assert sorted(os.listdir(tmp_path)) == ["5", "model"]
    assert os.listdir(tmp_path / "model") == ["trial_5"]
    for model_dir in (tmp_path / "model" / "trial_5", tmp_path / "5" / "model"):
        assert (model_dir / "saved_model.pb").exists()
    assert (tmp_path / "5" / "metrics.json").exists()


def test_a_batch_larger_than_the_data_crosses_epochs(data_dir, tmp_path):
    log = jobs.run_ok(
        data_dir, tmp_path, train_batch_size=50, num_eval_images=99, max_steps=2
    )
    assert "--train_batch_size=50 is larger than the 36 training images" in log
    assert "--num_eval_images=99 is more than the 10 validation images" in log


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precisions_train_and_export_float32(data_dir, tmp_path, precision):
    log = jobs.run_ok(
        data_dir,
        tmp_path,
        precision=precision,
        max_steps=2,
        # What is left of the loss is what evaluate computes.
        label_smoothing=0,
        weight_decay=0,
    )
    assert f"{precision}, on the CPU" in log
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    outputs = loaded.signatures["serving_default"].structured_outputs
    assert outputs["probabilities"].dtype == tf.float32
    scores_path = tmp_path / "scores.json"
    evaluate.run(
        config.EvaluateConfig(
            model_dir=str(tmp_path / "model"),
            data_path=f"{data_dir}/validation-*",
            json=str(scores_path),
        )
    )
    scores = json.loads(scores_path.read_text())
    best = json.loads((tmp_path / "metrics.json").read_text())["best"]
    assert scores["top_1_accuracy"] == pytest.approx(best["top_1_accuracy"])
    assert scores["loss"] == pytest.approx(best["loss"], abs=1e-4)
