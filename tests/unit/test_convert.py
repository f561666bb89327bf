import itertools
import json
import logging
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainer import config, errors
from trainer.data import convert, parts, progress, report, row_lists

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64),
    "image/class/synset": tf.io.FixedLenFeature([], tf.string),
    "image/height": tf.io.FixedLenFeature([], tf.int64),
    "image/width": tf.io.FixedLenFeature([], tf.int64),
    "image/filename": tf.io.FixedLenFeature([], tf.string),
}


def draw(path, seed=0, size=(12, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(
        0, 256, (size[1], size[0], 3), np.uint8
    )
    Image.fromarray(pixels).save(path)


@pytest.fixture
def images(tmp_path):
    """train/ with 6 and validation/ with 4 images of cat and dog."""
    root = tmp_path / "images"
    for split, count in [("train", 3), ("validation", 2)]:
        for label in ("cat", "dog"):
            for number in range(count):
                draw(root / split / label / f"{label}{number}.jpg", number)
    return root


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


def run(images, output, **flags):
    convert.run(
        config.ConvertConfig(images_dir=str(images), output_dir=str(output), **flags)
    )


def run_csv(tmp_path, output, train, validation="a.jpg,cat\n", **flags):
    """Writes two CSV files, beside which a.jpg and b.jpg are, and converts them."""
    for seed, name in enumerate(["a.jpg", "b.jpg"]):
        draw(tmp_path / name, seed)
    (tmp_path / "t.csv").write_text(train)
    (tmp_path / "v.csv").write_text(validation)
    (tmp_path / "l.txt").write_text("cat\n犬\n")
    convert.run(
        config.ConvertConfig(
            train_csv=str(tmp_path / "t.csv"),
            validation_csv=str(tmp_path / "v.csv"),
            labels_file=str(tmp_path / "l.txt"),
            output_dir=str(output),
            **flags,
        )
    )


def read(output, split):
    paths = sorted(str(path) for path in output.glob(f"{split}-*.tfrecord"))
    dataset = tf.data.TFRecordDataset(paths)
    return [
        {
            key: value.numpy()
            for key, value in tf.io.parse_single_example(r, FEATURES).items()
        }
        for r in dataset
    ]


def snapshot(output):
    return {path.name: path.read_bytes() for path in output.iterdir()}


def read_manifest(output):
    return json.loads((output / "manifest.json").read_text())


def test_records_decode_to_the_images_of_their_class(images, output):
    run(images, output)
    records = read(output, "train")
    assert len(records) == 6
    for record in records:
        name = record["image/filename"].decode()
        label = record["image/class/synset"].decode()
        assert record["image/class/label"] == {"cat": 1, "dog": 2}[label]
        source = images / "train" / label / name
        assert record["image/encoded"] == source.read_bytes()
        shape = (record["image/height"], record["image/width"], 3)
        assert tf.io.decode_jpeg(record["image/encoded"]).shape == shape == (8, 12, 3)


def test_large_pictures_are_made_smaller(images, output):
    run(images, output, max_shorter_side=4)
    for record in read(output, "train"):
        shape = (record["image/height"], record["image/width"], 3)
        assert tf.io.decode_jpeg(record["image/encoded"]).shape == shape == (4, 6, 3)


def test_output_is_what_the_manifest_says(images, output):
    run(images, output)
    manifest = read_manifest(output)
    assert sorted(snapshot(output)) == sorted([*manifest["files"], "manifest.json"])
    assert (output / "labels.txt").read_text() == "cat\ndog\n"
    assert manifest == {
        "complete": True,
        "files": [
            "train-00000-of-00001.tfrecord",
            "validation-00000-of-00001.tfrecord",
            "labels.txt",
        ],
        "labels": ["cat", "dog"],
        "splits": {
            "train": {
                "images": 6,
                "classes": {"cat": 3, "dog": 3},
                "shards": {"train-00000-of-00001.tfrecord": 6},
            },
            "validation": {
                "images": 4,
                "classes": {"cat": 2, "dog": 2},
                "shards": {"validation-00000-of-00001.tfrecord": 4},
            },
        },
        "skipped": [],
        "ignored_files": {},
    }


def test_classes_are_mixed(images, output):
    for number in range(3, 20):
        draw(images / "train" / "cat" / f"cat{number}.jpg", number)
        draw(images / "train" / "dog" / f"dog{number}.jpg", number)
    run(images, output)
    labels = [record["image/class/label"] for record in read(output, "train")]
    assert sum(a != b for a, b in itertools.pairwise(labels)) > 8


def test_same_input_gives_the_same_bytes(images, output, tmp_path):
    run(images, output)
    first = snapshot(output)
    run(images, output)
    assert snapshot(output) == first
    images.rename(tmp_path / "moved")
    run(tmp_path / "moved", tmp_path / "out2")
    assert snapshot(tmp_path / "out2") == first


@pytest.mark.parametrize("part_bytes", [100, 1000, 10_000])
@pytest.mark.parametrize("num_workers", [1, 3])
def test_any_number_of_workers_and_parts_gives_the_same_bytes(
    images, output, tmp_path, monkeypatch, num_workers, part_bytes
):
    run(images, output)
    monkeypatch.setattr(parts, "MIN_PART_BYTES", part_bytes)
    monkeypatch.setattr(row_lists, "MIN_ROWS_PER_LIST", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(num_workers)))
    run(images, tmp_path / "out2")
    assert snapshot(tmp_path / "out2") == snapshot(output)


def test_error_in_a_worker_ends_the_run(images, output, monkeypatch):
    monkeypatch.setattr(parts, "MIN_PART_BYTES", 100)
    (images / "train" / "cat" / "cat0.jpg").write_bytes(b"")
    with pytest.raises(errors.DataError, match=r"cat0.jpg: expected a picture"):
        run(images, output)


def test_shards_obey_shard_mb_and_a_rerun_leaves_no_stale_ones(images, output):
    for number in range(4):
        draw(images / "train" / "cat" / f"big{number}.png", number, size=(500, 400))
    run(images, output, shard_mb=1)
    sizes = [path.stat().st_size for path in output.glob("train-*")]
    assert len(sizes) > 1
    assert max(sizes) <= 1_000_000
    (output / "notes.txt").write_text("mine")
    run(images, output)
    assert sorted(path.name for path in output.iterdir()) == [
        "labels.txt",
        "manifest.json",
        "notes.txt",
        "train-00000-of-00001.tfrecord",
        "validation-00000-of-00001.tfrecord",
    ]


def test_foreign_shards_are_refused_and_kept(images, output):
    output.mkdir()
    (output / "train-00000-of-00009.tfrecord").write_bytes(b"theirs")
    with pytest.raises(
        errors.ConfigError, match=r"train-00000-of-00009.tfrecord, which"
    ):
        run(images, output)
    assert snapshot(output) == {"train-00000-of-00009.tfrecord": b"theirs"}


def test_failure_leaves_the_earlier_output_as_it_was(images, output):
    run(images, output)
    before = snapshot(output)
    (images / "validation" / "dog" / "dog1.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(errors.DataError, match=r"validation/dog/dog1.jpg: expected"):
        run(images, output)
    assert snapshot(output) == before


def test_leftovers_of_a_killed_run_are_removed(images, output):
    (output / ".staging-x").mkdir(parents=True)
    run(images, output)
    assert not (output / ".staging-x").exists()


def test_csv_rows_become_records_with_labels_in_any_script(tmp_path, output):
    run_csv(tmp_path, output, "a.jpg,cat\nb.jpg,犬\n")
    found = {
        record["image/filename"]: (
            record["image/class/label"],
            record["image/class/synset"],
        )
        for record in read(output, "train")
    }
    assert found == {b"a.jpg": (1, b"cat"), b"b.jpg": (2, "犬".encode())}
    assert (output / "labels.txt").read_text("utf-8") == "cat\n犬\n"
    assert len(read(output, "validation")) == 1


def test_unreadable_image_is_named_with_file_and_line(tmp_path, output):
    (tmp_path / "bad.jpg").write_text("no image")
    with pytest.raises(
        errors.DataError,
        match=r"t.csv line 2: expected a picture in .*bad.jpg, found bytes of another "
        r"kind; save it as JPEG or PNG\. Mend it, or leave .* --skip_bad",
    ):
        run_csv(tmp_path, output, "a.jpg,cat\nbad.jpg,cat\n")
    assert list(output.iterdir()) == []


def test_skip_bad_counts_and_lists_bad_rows(tmp_path, output, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "bad.jpg").write_text("no image")
    run_csv(tmp_path, output, "a.jpg,cat\nbad.jpg,cat\na.jpg,cow\n", skip_bad=True)
    skipped = read_manifest(output)["skipped"]
    assert [message.split(": ")[0][-12:] for message in skipped] == [
        "t.csv line 3",
        "t.csv line 2",
    ]
    assert "2 bad rows skipped" in caplog.text
    assert all(message in caplog.text for message in skipped)
    assert len(read(output, "train")) == 1


def test_split_of_bad_rows_only_is_an_error_that_counts_them(tmp_path, output):
    (tmp_path / "bad.jpg").write_text("no image")
    with pytest.raises(
        errors.DataError, match=r"^train: .*\(1 bad rows skipped, 0 other"
    ):
        run_csv(tmp_path, output, "bad.jpg,cat\n", skip_bad=True)


def test_empty_csv_is_an_error(tmp_path, output):
    with pytest.raises(errors.DataError, match=r"^validation: expected at least one"):
        run_csv(tmp_path, output, "a.jpg,cat\n", validation="")


def test_split_that_got_no_image_is_an_error(tmp_path, output):
    draw(tmp_path / "images" / "cat" / "1.jpg")
    draw(tmp_path / "images" / "dog" / "1.jpg")
    with pytest.raises(errors.DataError, match=r"expected at least one .* none of 2"):
        run(tmp_path / "images", output, split="train:0.5,validation:0.3,test:0.2")


def test_tree_without_split_folders_is_split(tmp_path, output):
    for number in range(40):
        draw(tmp_path / "images" / ("cat", "dog")[number % 2] / f"{number}.jpg", number)
    run(tmp_path / "images", output, split="train:0.5,validation:0.25,test:0.25")
    counts = [len(read(output, split)) for split in ("train", "validation", "test")]
    assert sum(counts) == 40
    assert counts[0] > max(counts[1:])


@pytest.mark.parametrize("split", ["train:1.0", "train:0.5,validation:0.4,dev:0.1"])
def test_split_with_wrong_names_is_refused(images, output, split):
    with pytest.raises(errors.ConfigError, match="--split must have train and valid"):
        run(images, output, split=split)


def test_output_among_the_class_folders_is_refused(images):
    with pytest.raises(errors.ConfigError, match=r"--output_dir must be outside"):
        run(images, images / "out")
    assert not (images / "out").exists()


def test_summary_shows_counts_and_bars(images, output, caplog):
    caplog.set_level(logging.INFO)
    (images / "train" / "cat" / "cat0.jpg").unlink()
    (images / "train" / "dog" / "Thumbs.db").write_bytes(b"")
    run(images, output)
    assert "convert | train | 5 images | shards 1" in caplog.text
    lines = [line.split() for line in caplog.messages]
    assert ["convert", "|", "cat", "2", "2", "#" * 20] in lines
    assert ["convert", "|", "dog", "3", "2", "#" * 30] in lines
    assert "1 files ignored, no images or in no class folder | 1 .db" in caplog.text


def test_class_without_images_in_train_is_warned_of(tmp_path, output, caplog):
    run_csv(tmp_path, output, "a.jpg,cat\n")
    assert "no image in train for class 犬" in caplog.text


def test_long_table_is_cut():
    labels = [f"class{number}" for number in range(60)]
    written = {"train": report.Written({}, dict.fromkeys(labels, 1))}
    lines = list(report.format_classes(labels, written))
    assert len(lines) == 52
    assert lines[-1] == "and 10 more classes, see manifest.json"


def test_progress_is_logged_by_time(images, output, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    run(images, output)
    assert "of 6 images" not in caplog.text
    monkeypatch.setattr(progress, "SECS_PER_PROGRESS_LINE", 0.0)
    run(images, output)
    assert "convert | train | 6 of 6 images | " in caplog.text


def test_script_takes_the_flags_of_the_original(tmp_path):
    draw(tmp_path / "a.jpg")
    (tmp_path / "list.csv").write_text("a.jpg,cat\n")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    flags = [
        "--train_csv=list.csv",
        "--validation_csv=list.csv",
        "--labels_file=labels.txt",
        "--output_dir=out",
        "--project_id=any",
    ]
    script = [sys.executable, str(REPOSITORY / "scripts" / "jpeg_to_tf_record.py")]
    done = subprocess.run(
        script + flags, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(read(tmp_path / "out", "train")) == 1
    failed = subprocess.run(
        [*script, *flags[:3]],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 1
    assert "--output_dir" in failed.stderr


def test_digits_are_written_in_two_splits_of_ten_classes(tmp_path):
    pytest.importorskip("sklearn")
    script = REPOSITORY / "scripts" / "make_digits.py"
    done = subprocess.run(
        [sys.executable, str(script), f"--output_dir={tmp_path}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"1797 pictures of 10 classes in {tmp_path}\n"
    counts = {
        split: len(list(tmp_path.glob(f"{split}/*/*.png")))
        for split in ("train", "validation")
    }
    assert counts == {"train": 1442, "validation": 355}
    assert len(list(tmp_path.glob("validation/*"))) == 10
    with Image.open(next(tmp_path.glob("train/zero/*.png"))) as image:
        assert (image.size, image.mode) == ((48, 48), "RGB")
