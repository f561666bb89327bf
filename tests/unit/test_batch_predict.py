import json
import logging

import pytest

from tests import pictures
from trainer import config, errors
from trainer.serving import batch_parts, batch_predict


@pytest.fixture
def photos(tmp_path):
    """A red and a green picture, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for label, name in enumerate(["a", "b"]):
        encoded = pictures.encode(pictures.draw_class(label, 3))
        (folder / f"{name}.jpg").write_bytes(encoded)
    (folder / "c.jpg").write_bytes(b"no picture")
    return folder


def run(model_dir, photos, output_path):
    batch_predict.run(
        config.BatchPredictConfig(
            model_dir=str(model_dir),
            data_format="IMAGES",
            input_paths=(str(photos),),
            output_path=str(output_path),
        )
    )


def test_output_is_whole_and_replaces_that_of_before(
    colour_model_dir, photos, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(batch_parts, "PICTURES_PER_PART", 1)
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "prediction.results-00000-of-00009").write_text("old")
    (out / "prediction.results-00000-of-00003").write_text("old")
    run(colour_model_dir, photos, out)
    assert sorted(path.name for path in out.iterdir()) == [
        "notes.txt",
        "prediction.errors_stats-00000-of-00001",
        *(f"prediction.results-0000{number}-of-00003" for number in range(3)),
    ]
    lines = "".join(
        (out / f"prediction.results-0000{number}-of-00003").read_text()
        for number in range(3)
    ).splitlines()
    assert [json.loads(line)["classes"] for line in lines] == [0, 1]
    (error,) = (out / batch_predict.ERRORS).read_text().splitlines()
    assert json.loads(error)["key"] == f"{photos}/c.jpg"
    assert f"1 without a prediction; {out}/{batch_predict.ERRORS}" in caplog.text
    assert "batch-predict | predictions 2 | errors 1 | " in caplog.text


def test_earlier_output_stays_if_the_model_is_none(photos, tmp_path):
    (tmp_path / "prediction.results-00000-of-00001").write_text("old")
    with pytest.raises(errors.StorageError, match=r"has no saved_model.pb"):
        run(tmp_path, photos, tmp_path)
    assert (tmp_path / "prediction.results-00000-of-00001").read_text() == "old"


def test_a_batch_without_a_prediction_fails_and_says_why_in_a_file(
    colour_model_dir, photos, tmp_path
):
    for name in ("a.jpg", "b.jpg"):
        (photos / name).unlink()
    with pytest.raises(errors.DataError, match=r"found none that .* \(errors: 1\)"):
        run(colour_model_dir, photos, tmp_path / "out")
    assert (tmp_path / "out" / batch_predict.ERRORS).read_text()
