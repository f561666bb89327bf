import base64
import json
import logging

import pytest

from tests import pictures
from trainer import config, errors
from trainer.serving import predict


@pytest.fixture
def photos(tmp_path):
    """A red, a green and a blue picture."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for label, name in enumerate(["red", "green", "blue"]):
        encoded = pictures.encode(pictures.draw_class(label, 3))
        (folder / f"{name}.jpg").write_bytes(encoded)
    return folder


def test_the_table_goes_to_standard_output(colour_model_dir, photos, capsys):
    job = config.PredictConfig(colour_model_dir, images=(str(photos),), top=1)
    assert predict.run(job) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    found = [line.split()[:2] for line in lines]
    names = ["blue", "green", "red"]
    assert found == [[f"{photos}/{name}.jpg", name] for name in names]


def test_a_bad_file_is_named_between_its_neighbours(
    colour_model_dir, photos, capsys, caplog
):
    caplog.set_level(logging.INFO)
    (photos / "c.jpg").write_bytes(b"no picture")
    (photos / "turned.png").write_bytes(
        pictures.encode(pictures.draw_class(0, 3), "png")
    )
    job = config.PredictConfig(colour_model_dir, images=(str(photos), "absent.jpg"))
    assert predict.run(job) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if ".jpg" in line]
    assert [line.split()[1] for line in lines] == [
        *("blue", "expected", "green", "red", "expected")
    ]
    assert "predict | 2 of 6 pictures without a prediction; the output says why." in (
        caplog.messages
    )


def test_batches_are_answered_in_order(colour_model_dir, photos, monkeypatch, tmp_path):
    monkeypatch.setattr(predict, "BATCH_SIZE", 2)
    job = config.PredictConfig(
        colour_model_dir, images=(str(photos),), json=str(tmp_path / "out/a.jsonl")
    )
    assert predict.run(job) == 0
    lines = (tmp_path / "out/a.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["label"] for one in found] == ["blue", "green", "red"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.jsonl"]


def test_json_on_standard_output_is_alone_there(colour_model_dir, photos, capsys):
    images = (str(photos / "red.jpg"),)
    job = config.PredictConfig(colour_model_dir, images=images, json="-")
    predict.run(job)
    assert json.loads(capsys.readouterr().out)["label"] == "red"


def test_labels_of_a_file_replace_those_of_the_model(
    colour_model_dir, photos, capsys, tmp_path
):
    labels = tmp_path / "names.txt"
    labels.write_text("rouge\nvert\nbleu\n")
    images = (str(photos / "red.jpg"),)
    job = config.PredictConfig(
        colour_model_dir, images=images, labels_file=str(labels), csv="-"
    )
    predict.run(job)
    assert ",rouge," in capsys.readouterr().out
    labels.write_text("rouge\nvert\n")
    with pytest.raises(errors.ConfigError, match=r"names.txt has 2 labels, expected 3"):
        predict.run(job)


def test_nothing_is_written_if_the_model_is_none(photos, tmp_path):
    job = config.PredictConfig(
        str(tmp_path), images=(str(photos),), json=str(tmp_path / "a.jsonl")
    )
    with pytest.raises(errors.StorageError, match=r"has no saved_model.pb"):
        predict.run(job)
    assert not (tmp_path / "a.jsonl").exists()


def test_a_request_is_answered_in_the_documented_form(
    colour_model_dir, photos, capsys, tmp_path
):
    texts = [
        base64.b64encode(content).decode()
        for content in ((photos / "red.jpg").read_bytes(), b"no picture")
    ]
    lines = [
        json.dumps({"image_bytes": {"b64": text}, "key": str(number)})
        for number, text in enumerate([*texts, texts[0]])
    ]
    (tmp_path / "request.json").write_text("\n".join(lines))
    request = str(tmp_path / "request.json")
    job = config.PredictConfig(colour_model_dir, instances=request)
    assert predict.run(job) == 1
    found = json.loads(capsys.readouterr().out)["predictions"]
    assert [one["key"] for one in found] == ["0", "1", "2"]
    assert found[0] == {**found[2], "key": "0"}
    assert list(found[0]) == ["classes", "key", "probabilities"]
    assert found[0]["classes"] == 0
    assert found[1]["error"].startswith("holds a picture that does not decode (")
