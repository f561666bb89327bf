import json
import threading

import pytest

from tests import pictures
from trainer import config, errors
from trainer.data import progress
from trainer.serving import batch_parts


def build_job(model_dir, *paths, data_format="IMAGES", **flags):
    return config.BatchPredictConfig(
        model_dir=str(model_dir),
        data_format=data_format,
        input_paths=tuple(map(str, paths)),
        output_path="out",
        **flags,
    )


@pytest.fixture
def photos(tmp_path):
    """Five pictures: red, green, blue, red, and one that is none."""
    paths = [tmp_path / f"{number}.jpg" for number in range(5)]
    for number, path in enumerate(paths[:4]):
        pixels = pictures.draw_class(number % 3, 3, seed=number)
        path.write_bytes(pictures.encode(pixels))
    paths[4].write_bytes(b"no picture")
    return [str(path) for path in paths]


def predict(model_dir, part, tmp_path, batch_size=2):
    progress.CURRENT.reset("batch-predict")
    dirs = [tmp_path / "work", tmp_path / "results"]
    stage = batch_parts.PredictPart(
        str(model_dir), "IMAGES", batch_size, str(dirs[0]), str(dirs[1]), 7
    )
    stage(part)
    return [{path.name: path.read_text() for path in one.iterdir()} for one in dirs]


def test_pictures_are_shared_out_in_runs(photos, monkeypatch, tmp_path):
    monkeypatch.setattr(batch_parts, "PICTURES_PER_PART", 2)
    assert batch_parts.plan(build_job("model", tmp_path)) == [
        (0, photos[:2]),
        (1, photos[2:4]),
        (2, photos[4:]),
    ]


def test_other_files_are_a_part_each_and_come_once(photos, tmp_path):
    job = build_job("model", tmp_path / "*.jpg", photos[0], data_format="JSON")
    assert batch_parts.plan(job) == [
        (number, [path]) for number, path in enumerate(photos)
    ]


def test_a_folder_of_requests_is_no_input(tmp_path):
    with pytest.raises(errors.StorageError, match=r"--input_paths=.* is a directory"):
        batch_parts.plan(build_job("model", tmp_path, data_format="JSON"))


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_a_part_has_results_in_order_and_errors_apart(
    colour_model_dir, photos, tmp_path, batch_size
):
    part = batch_parts.Part(3, photos)
    work, results = predict(colour_model_dir, part, tmp_path, batch_size)
    assert list(results) == ["prediction.results-00003-of-00007"]
    found = list(map(json.loads, results.popitem()[1].splitlines()))
    assert [one["classes"] for one in found] == [0, 1, 2, 0]
    assert [one["key"] for one in found] == photos[:4]
    assert json.loads(work["counts-00003"]) == [4, 1]
    assert json.loads(work["errors-00003"]) == {
        "key": photos[4],
        "instance": photos[4],
        "error": "expected a picture, found bytes of another kind; save it as JPEG or "
        "PNG",
    }


def test_a_part_leaves_nothing_once_another_failed(colour_model_dir, photos, tmp_path):
    progress.CURRENT.reset("batch-predict")
    stage = batch_parts.PredictPart(
        colour_model_dir, "IMAGES", 1, str(tmp_path / "w"), str(tmp_path / "r"), 1
    )
    progress.CURRENT.stop.set()
    try:
        stage(batch_parts.Part(0, photos))
    finally:
        progress.CURRENT.reset("batch-predict")
    assert not [*(tmp_path / "w").iterdir(), *(tmp_path / "r").iterdir()]


def test_threads_share_one_model(colour_model_dir):
    batch_parts.forget_models()
    found = []
    threads = [
        threading.Thread(
            target=lambda: found.append(batch_parts.load_model(colour_model_dir))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1
    batch_parts.forget_models()
    assert batch_parts.load_model(colour_model_dir) is not found[0]
