import json
import logging

import pytest

from tests import pictures, saved_models
from trainer import config, errors
from trainer.serving import evaluate

PAGE = """\
{model_dir} on {data_path}

images                  6
top-1 accuracy     0.8333  95 % confidence: 0.4365 to 0.9699
top-5 accuracy     1.0000
macro F1           0.8222  each class counts the same
loss               {loss:.4f}  cross entropy of the probabilities
calibration error  {error:.4f}  mean gap of confidence and accuracy

class    images  precision  recall     F1
1 red         2      1.000   1.000  1.000
2 green       2      0.667   1.000  0.800
3 blue        2      1.000   0.500  0.667

is \\ taken for  1  2  3
1 red           2  .  .
2 green         .  2  .
3 blue          .  1  1
"""


def write_data(path, *, labels=(1, 2, 3, 1, 2, 3), colours=(0, 1, 2, 0, 1, 1)):
    records = [
        pictures.example(pictures.encode(pictures.draw_class(colour, 3, seed=n)), label)
        for n, (label, colour) in enumerate(zip(labels, colours, strict=True))
    ]
    return pictures.write_records(path, records)


def build(model_dir, data_path, **flags):
    return config.EvaluateConfig(model_dir=model_dir, data_path=str(data_path), **flags)


def run_json(tmp_path, model_dir, data_path, **flags):
    path = f"{tmp_path}/scores.json"
    code = evaluate.run(build(model_dir, data_path, json=path, **flags))
    with open(path) as file:
        return code, json.load(file)


def test_the_page_and_the_json_have_the_scores(colour_model_dir, tmp_path, capsys):
    data_path = write_data(tmp_path / "test-0")
    code, found = run_json(tmp_path, colour_model_dir, data_path)
    assert code == 0
    assert capsys.readouterr().out == PAGE.format(
        model_dir=colour_model_dir,
        data_path=data_path,
        loss=found["loss"],
        error=found["expected_calibration_error"],
    )
    assert found["top_1_accuracy"] == pytest.approx(5 / 6)
    assert found["num_images"] == 6
    assert found["files"] == [data_path]
    assert found["confusion_matrix"] == [[2, 0, 0], [0, 2, 0], [0, 1, 1]]
    assert found["confusions"] == [{"label": 3, "predicted_label": 2, "num_images": 1}]
    assert found["classes"][2] == {
        "label": 3,
        "name": "blue",
        "support": 2,
        "predicted": 1,
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
    }
    assert sum(one["num_images"] for one in found["reliability_bins"]) == 6
    assert found["bad_records"] == []


def test_batches_do_not_change_the_scores(colour_model_dir, tmp_path):
    data_path = write_data(tmp_path / "test-0")
    _, found = run_json(tmp_path, colour_model_dir, data_path)
    _, other = run_json(tmp_path, colour_model_dir, data_path, batch_size=4)
    assert other["loss"] == pytest.approx(found["loss"])
    assert other["classes"] == found["classes"]


@pytest.mark.parametrize(("demanded", "code"), [(0.8333, 0), (0.84, 1)])
def test_a_demanded_accuracy_decides_the_exit_code(
    colour_model_dir, tmp_path, caplog, demanded, code
):
    data_path = write_data(tmp_path / "test-0")
    job = build(colour_model_dir, data_path, assert_accuracy_at_least=demanded)
    assert evaluate.run(job) == code
    said = (
        "top_1_accuracy is 0.8333, expected --assert_accuracy_at_least=0.84: 5 of 6 "
        "images are right, 1 more were needed"
    )
    assert (said in caplog.text) == bool(code)


def test_bad_records_are_left_out_and_named(colour_model_dir, tmp_path, capsys):
    good = pictures.example(pictures.encode(pictures.draw_class(0, 3)), 1)
    records = [good, pictures.example(b"no picture", 2), b"\xff broken", good]
    path = pictures.write_records(tmp_path / "test-0", records)
    code, found = run_json(tmp_path, colour_model_dir, path)
    assert (code, found["num_images"], found["top_1_accuracy"]) == (0, 2, 1.0)
    assert [one["record"] for one in found["bad_records"]] == [1, 2]
    assert "holds a picture that does not decode" in found["bad_records"][0]["reason"]
    assert "2  and 2 bad records left out" in capsys.readouterr().out


def test_more_bad_records_than_allowed_end_it(colour_model_dir, tmp_path):
    records = [pictures.example(b"no picture", 1)] * 2
    path = pictures.write_records(tmp_path / "test-0", records)
    with pytest.raises(errors.DataError, match="--data_path has more bad records than"):
        evaluate.run(build(colour_model_dir, path, max_bad_records=1))
    with pytest.raises(errors.DataError, match="has no record that can be used among"):
        evaluate.run(build(colour_model_dir, path))


def test_labels_from_0_are_taken_as_a_job_takes_them(
    colour_model_dir, tmp_path, caplog
):
    path = write_data(tmp_path / "test-0", labels=(0, 1, 2, 0, 1, 1))
    _, found = run_json(tmp_path, colour_model_dir, path)
    assert (found["top_1_accuracy"], found["label_offset"]) == (1.0, 0)
    assert "Labels of --data_path count from 0, not from 1" in caplog.text
    with pytest.raises(errors.DataError, match=r"label is 0 in .*, record 0, expected"):
        evaluate.run(build(colour_model_dir, path, label_offset="1"))


def test_labels_of_another_model_are_refused(colour_model_dir, tmp_path):
    path = write_data(tmp_path / "a", labels=(1, 7, 8), colours=(0, 1, 2))
    with pytest.raises(
        errors.DataError,
        match=r"label is 7 in .*/a, record 1, expected 1..3 for the 3 classes of .* "
        r"\(2 such records in all\)",
    ):
        evaluate.run(build(colour_model_dir, path))
    path = write_data(tmp_path / "b", labels=(0, 3, 1), colours=(0, 1, 2))
    with pytest.raises(errors.DataError, match=r"--data_path has labels 0 and 3, exp"):
        evaluate.run(build(colour_model_dir, path))


def test_a_model_without_a_number_of_classes_is_refused(
    colour_model_dir, tmp_path, monkeypatch
):
    path = write_data(tmp_path / "test-0")
    open_model = evaluate.Predictor

    def open_without(model_dir):
        predictor = open_model(model_dir)
        predictor.num_classes = None
        return predictor

    monkeypatch.setattr(evaluate, "Predictor", open_without)
    with pytest.raises(errors.DataError, match="does not say how many classes it has"):
        evaluate.run(build(colour_model_dir, path))


def test_data_and_model_on_gs_give_the_same(colour_model_dir, bucket, tmp_path):
    (tmp_path / "data").mkdir()
    path = write_data(tmp_path / "data" / "test-0")
    _, expected = run_json(tmp_path, colour_model_dir, path)
    bucket.write_dir(colour_model_dir, "job/model")
    bucket.write_dir(tmp_path / "data", "data")
    _, found = run_json(
        tmp_path,
        f"{bucket.url}/job/model",
        f"{bucket.url}/data/test-*",
        cache_dir=f"{tmp_path}/cache",
    )
    assert found["classes"] == expected["classes"]
    assert found["loss"] == expected["loss"]


def test_classes_without_names_are_their_labels(tmp_path, capsys):
    model_dir = saved_models.write(tmp_path / "model", labels=None)
    evaluate.run(build(model_dir, write_data(tmp_path / "test-0")))
    assert "\n1           2      1.000" in capsys.readouterr().out


def test_progress_is_logged(colour_model_dir, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    evaluate.run(build(colour_model_dir, write_data(tmp_path / "test-0")))
    assert "evaluate | 6 images | " in caplog.text
