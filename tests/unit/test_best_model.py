import os
import re

import pytest

from trainer import errors
from trainer.serving import parity
from trainer.training import best_model, history, layout


class Exporter:
    """Writes a model that says how often it was asked."""

    def __init__(self):
        self.count = 0

    def export(self, path):
        self.count += 1
        os.makedirs(path)
        with open(os.path.join(path, "saved_model.pb"), "w") as file:
            file.write(f"model {self.count}")


class Gate:
    """Says no to one of the exported models."""

    def __init__(self, refused):
        self.refused = refused

    def check(self, path):
        with open(os.path.join(path, "saved_model.pb")) as file:
            if file.read() == self.refused:
                raise errors.TrainingError("it answers differently")
        return parity.Parity(0.0, 8)


def build(job_dir, *, labels=None, trial_id=None, refused=""):
    job_history = history.History()
    exporter = Exporter()
    job_layout = layout.JobLayout(str(job_dir), trial_id)
    best = best_model.BestModel(
        exporter, Gate(refused), job_layout, job_history, labels
    )

    def evaluate(step, accuracy):
        metrics = {"top_1_accuracy": accuracy}
        job_history.add(step, metrics)
        best(step, metrics)

    return evaluate, exporter


def test_a_worse_evaluation_leaves_the_model_alone(tmp_path):
    evaluate, exporter = build(tmp_path)
    evaluate(10, 0.5)
    evaluate(20, 0.4)
    assert (tmp_path / "model" / "saved_model.pb").read_text() == "model 1"
    assert exporter.count == 1
    evaluate(30, 0.6)
    assert (tmp_path / "model" / "saved_model.pb").read_text() == "model 2"


def test_the_deployment_config_is_what_gcloud_takes(tmp_path, monkeypatch):
    monkeypatch.delenv("CLOUD_ML_JOB_ID", raising=False)
    evaluate, _ = build(tmp_path / "Flowers")
    evaluate(1000, 0.8125)
    text = (tmp_path / "Flowers" / "model" / "deployment_config.yaml").read_text()
    labels = dict(re.findall(r"^  (\w+): '(.*)'$", text, flags=re.MULTILINE))
    assert f"deploymentUri: '{tmp_path}/Flowers/model'\n" in text
    assert "framework: TENSORFLOW\n" in text
    assert labels["global_step"] == "1000"
    assert labels["job_id"] == "flowers"
    for value in labels.values():
        # Labels of Google Cloud: lower case letters, digits, dashes, underscores.
        assert re.fullmatch("[a-z0-9_-]*", value)


def test_names_of_classes_lie_beside_the_model(tmp_path):
    evaluate, _ = build(tmp_path, labels="cat\ndog\n")
    evaluate(1, 0.5)
    assert (tmp_path / "model" / "labels.txt").read_text() == "cat\ndog\n"


def test_a_trial_has_its_model_in_both_documented_places(tmp_path):
    evaluate, _ = build(tmp_path, trial_id="3")
    evaluate(1, 0.5)
    for parts in (("model", "trial_3"), ("3", "model")):
        assert (tmp_path.joinpath(*parts) / "saved_model.pb").exists()


def test_model_that_answers_differently_is_not_published(tmp_path):
    evaluate, _ = build(tmp_path, refused="model 2")
    evaluate(10, 0.5)
    with pytest.raises(errors.TrainingError, match="it answers differently"):
        evaluate(20, 0.6)
    assert (tmp_path / "model" / "saved_model.pb").read_text() == "model 1"
    assert os.listdir(tmp_path) == ["model"]


def test_nothing_half_written_stays(tmp_path):
    (tmp_path / ".staging-model-old").mkdir(parents=True)
    evaluate, _ = build(tmp_path)
    evaluate(1, 0.5)
    assert os.listdir(tmp_path) == ["model"]


def test_a_trial_leaves_alone_what_another_is_writing(tmp_path):
    for number in ("1", "10"):
        (tmp_path / "model" / f".staging-trial_{number}-abc").mkdir(parents=True)
    evaluate, _ = build(tmp_path, trial_id="1")
    evaluate(1, 0.5)
    names = sorted(os.listdir(tmp_path / "model"))
    assert names == [".staging-trial_10-abc", "trial_1"]
