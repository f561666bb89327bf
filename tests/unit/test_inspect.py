"""Every finding of inspect, on data that has it."""

import concurrent.futures
import io
import json
import logging
import os
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import pictures
from trainer import config, errors
from trainer.data import (
    inspect,
    inspect_plan,
    inspect_reading,
    record_progress,
    record_reader,
)


def draw(seed, side=96):
    return pictures.draw(side, side, seed=seed)


def records_of(labels, *, first_seed=0):
    """A record a label, each with a picture of its own."""
    return [
        pictures.example(pictures.encode(draw(first_seed + number)), label)
        for number, label in enumerate(labels)
    ]


def save(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def flip_byte(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@pytest.fixture
def look(tmp_path):
    """Writes each split's records, runs inspect, returns exit code and findings."""

    def run(num_classes=None, *patterns, **splits):
        for split, records in splits.items():
            pictures.write_records(tmp_path / f"{split}-0.tfrecord", records)
        patterns = patterns or [f"{tmp_path}/{split}-*" for split in splits]
        path = tmp_path / "out" / "findings.json"
        code = inspect.run(
            config.InspectConfig(tuple(patterns), num_classes, str(path))
        )
        findings = json.loads(path.read_text())
        assert findings["would_run"] == (code == 0)
        return code, findings

    return run


def test_clean_data_has_nothing_to_say_against_it(look, tmp_path, capsys):
    code, found = look(
        train=records_of([1, 2, 3, 3]), validation=records_of([1, 2, 3], first_seed=9)
    )
    assert (code, found["failures"], found["warnings"]) == (0, [], [])
    train = found["splits"]["train"]
    size = (tmp_path / "train-0.tfrecord").stat().st_size
    assert (train["files"], train["records"], train["bytes"]) == (1, 4, size)
    assert train["records_by_label"] == {"1": 1, "2": 1, "3": 2}
    assert train["missing_labels"] == []
    assert (train["formats"], train["colour_modes"]) == ({"JPEG": 4}, {"RGB": 4})
    assert train["width"] == {"min": 96, "median": 96, "max": 96}
    assert found["labels"] == {
        "base": 1,
        "num_classes": 3,
        "num_classes_from": "the labels",
        "names": [],
    }
    assert found["duplicates"]["exact"] == found["duplicates"]["near"] == []
    assert capsys.readouterr().out.endswith("\nA train job on this data would run.\n")


def test_names_beside_the_data_name_the_bars_and_count_the_classes(
    look, tmp_path, capsys
):
    (tmp_path / "labels.txt").write_text("cat\ndog\nred fox\n")
    _, found = look(train=records_of([1, 2, 2]))
    assert found["labels"]["num_classes_from"] == "labels.txt"
    assert found["labels"]["names"] == ["cat", "dog", "red fox"]
    assert found["splits"]["train"]["missing_labels"] == [[3, 3]]
    assert "train has no image for 1 of 3 classes: 3 red fox;" in found["warnings"][0]
    out = capsys.readouterr().out
    assert "1 cat               1  ###############\n" in out
    assert "2 dog               2  ##############################\n" in out


def test_names_of_another_number_of_classes_are_not_used(look, tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    _, found = look(3, train=records_of([1, 2, 3]))
    assert found["labels"]["names"] == []
    assert found["labels"]["num_classes_from"] == "--num_classes"


def test_labels_from_0_are_a_warning(look):
    code, found = look(3, train=records_of([0, 1, 2]))
    assert (code, found["labels"]["base"]) == (0, 0)
    assert "Labels count from 0" in found["warnings"][0]


def test_labels_0_and_n_end_a_job(look, tmp_path):
    code, found = look(
        3, train=records_of([1, 2, 3]), validation=records_of([0], first_seed=9)
    )
    assert (code, found["labels"]["base"]) == (1, "mixed")
    assert found["failures"] == [
        f"image/class/label is 0 in {tmp_path}/validation-0.tfrecord, record 0 and 3 "
        f"in {tmp_path}/train-0.tfrecord, record 2; with 3 classes (--num_classes) "
        "expected 1..3, or 0..2. Correct the labels or --num_classes."
    ]


def test_one_split_from_1_and_one_from_0_are_taken_for_mixed(look):
    code, found = look(
        train=records_of([1, 2, 3]), validation=records_of([0, 1, 2], first_seed=9)
    )
    assert (code, found["labels"]["base"]) == (1, "mixed")
    assert found["labels"]["num_classes"] == 3


def test_labels_out_of_range_end_a_job_and_are_all_listed(look, tmp_path):
    code, found = look(2, train=records_of([1, 7, 2, -1]))
    path = f"{tmp_path}/train-0.tfrecord"
    assert code == 1
    assert found["failures"] == [
        f"image/class/label is 7 in {path}, record 1; expected 1..2 for 2 classes "
        "(--num_classes). Correct --num_classes or the labels (1 more such labels)."
    ]
    assert found["splits"]["train"]["labels_out_of_range"] == [
        {"path": path, "record": 1, "label": 7},
        {"path": path, "record": 3, "label": -1},
    ]


def test_one_class_ends_a_job(look):
    code, found = look(train=records_of([1, 1]))
    assert code == 1
    assert "The labels are of 1 class, expected two or more" in found["failures"][0]


def test_classes_that_a_split_lacks_are_named(look):
    code, found = look(
        9, train=records_of(range(1, 10)), validation=records_of([2, 9], first_seed=20)
    )
    assert code == 0
    assert found["splits"]["validation"]["missing_labels"] == [[1, 1], [3, 8]]
    assert found["warnings"] == [
        "validation has no image for 7 of 9 classes: 1, 3 to 8; add some, or leave the "
        "classes out of --num_classes."
    ]


def test_a_damaged_record_is_named_by_file_offset_and_number(look, tmp_path):
    records = records_of([1, 2, 3])
    path = tmp_path / "train-0.tfrecord"
    pictures.write_records(path, records)
    second = len(records[0]) + 16
    flip_byte(path, second + 12 + 40)
    code, found = look(None, f"{tmp_path}/train-*")
    (bad,) = found["splits"]["train"]["bad_records"]
    assert code == 0
    assert (bad["path"], bad["record"], bad["kind"]) == (str(path), 1, "damaged")
    assert bad["offset"] == second + 12
    assert "its checksum does not fit" in bad["reason"]
    assert "train has 1 bad record, which a job skips" in found["warnings"][0]
    assert found["splits"]["train"]["records_by_label"] == {"1": 1, "3": 1}


def test_a_record_that_is_no_example_is_named(look):
    code, found = look(train=[*records_of([1, 2]), b"\xff\xff no example"])
    (bad,) = found["splits"]["train"]["bad_records"]
    assert (code, bad["record"], bad["kind"]) == (0, 2, "broken")
    assert "is no tf.train.Example" in bad["reason"]


@pytest.mark.parametrize("feature", ["image/encoded", "image/class/label"])
def test_a_missing_feature_ends_a_job(look, feature):
    example = tf.train.Example.FromString(records_of([1])[0])
    del example.features.feature[feature]
    record = example.SerializeToString()
    code, found = look(train=[*records_of([1, 2]), record, record])
    assert code == 1
    assert f") lacks {feature}, expected" in found["failures"][0]
    assert "(1 more such records)." in found["failures"][0]


def test_an_undecodable_picture_is_named(look):
    whole = pictures.encode(draw(0, side=300))
    code, found = look(
        train=[
            *records_of([1, 2], first_seed=5),
            pictures.example(whole[: len(whole) // 2], 1),
            pictures.example(b"\xfe no picture \x80", 1),
        ]
    )
    assert code == 0
    assert [
        (bad["record"], bad["kind"]) for bad in found["splits"]["train"]["bad_records"]
    ] == [(2, "undecodable"), (3, "undecodable")]
    assert found["splits"]["train"]["bad_records"][0]["reason"] == (
        "holds a picture that does not decode (jpeg::Uncompress failed. Invalid JPEG "
        "data or crop window)"
    )
    assert found["splits"]["train"]["records_by_label"] == {"1": 3, "2": 1}


def test_a_decompression_bomb_is_not_decoded(look):
    bomb = save(Image.new("1", (20_000, 10_000)))
    code, found = look(train=[*records_of([1, 2]), pictures.example(bomb, 2)])
    (bad,) = found["splits"]["train"]["bad_records"]
    assert (code, bad["kind"]) == (0, "oversized")
    assert bad["reason"] == "holds a picture of more than 178,956,970 pixels"


def test_more_bad_records_than_a_job_skips_end_it(look):
    records = records_of([1, 2])
    code, found = look(train=[*records, *[b"\xff"] * 10])
    assert code == 0
    code, found = look(train=[*records, *[b"\xff"] * 11])
    assert code == 1
    assert found["failures"] == [
        "train has 11 bad records, more than the 10 that a job skips by default; write "
        "the files again, or leave those records out."
    ]


def test_a_split_without_a_good_record_ends_a_job(look):
    code, found = look(train=records_of([1, 2]), validation=[b"\xff"])
    assert code == 1
    assert found["failures"][0].startswith("validation has no record that can be used")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, expected TFRecord records"),
        (pictures.encode(draw(0)), "is a JPEG picture, expected a TFRecord file"),
        (b"path,label\n" * 9, "is no TFRecord file"),
    ],
    ids=["empty", "jpeg", "csv"],
)
def test_a_file_that_cannot_be_read_ends_a_job(look, tmp_path, content, message):
    (tmp_path / "train-1.tfrecord").write_bytes(content)
    code, found = look(train=records_of([1, 2]))
    (bad,) = found["splits"]["train"]["bad_files"]
    assert code == 1
    assert bad["path"] == f"{tmp_path}/train-1.tfrecord"
    assert message in bad["reason"]
    assert found["failures"] == [bad["reason"]]
    assert found["splits"]["train"]["records"] == 2


def test_a_truncated_file_ends_a_job(look, tmp_path):
    records = records_of([1, 2])
    path = tmp_path / "train-1.tfrecord"
    pictures.write_records(path, records)
    path.write_bytes(path.read_bytes()[:-9])
    code, found = look(train=records_of([1, 2], first_seed=5))
    assert code == 1
    assert "is truncated: record 1 goes beyond its end" in found["failures"][0]


def test_a_damaged_length_costs_the_rest_of_its_file(look, tmp_path):
    records = records_of([1, 2, 1])
    path = tmp_path / "train-1.tfrecord"
    pictures.write_records(path, records)
    flip_byte(path, len(records[0]) + 16)
    code, found = look(train=records_of([1, 2], first_seed=5))
    assert code == 0
    damaged = f"damaged at byte {len(records[0]) + 16}: the length of record 1"
    assert damaged in found["warnings"][0]
    assert found["splits"]["train"]["lost"][0]["path"] == str(path)
    assert found["splits"]["train"]["records"] == 3


def test_no_readable_file_at_all_is_reported(look, tmp_path, capsys):
    (tmp_path / "train-0.tfrecord").write_bytes(b"")
    code, found = look(None, f"{tmp_path}/train-*")
    assert code == 1
    assert found["splits"]["train"]["records"] == 0
    assert "A train job on this data would fail:\n" in capsys.readouterr().out


def test_a_pattern_without_files_is_an_error(look, tmp_path):
    with pytest.raises(errors.StorageError, match="matches no file"):
        look(None, f"{tmp_path}/nothing-*")


def test_exact_duplicates_are_found_within_and_across_splits(look):
    same = pictures.encode(draw(50))
    code, found = look(
        train=[*records_of([1, 2]), *[pictures.example(same, 1)] * 2],
        validation=[*records_of([1, 2], first_seed=9), pictures.example(same, 1)],
    )
    (group,) = found["duplicates"]["exact"]
    assert code == 0
    assert [(one["split"], one["record"], one["label"]) for one in group] == [
        ("train", 2, 1),
        ("train", 3, 1),
        ("validation", 2, 1),
    ]
    assert found["duplicates"]["near"] == found["conflicting_labels"] == []
    assert found["warnings"] == [
        "1 picture is in both train and validation: what a model scores on them is no "
        "forecast; keep each in one split."
    ]


def test_re_encoded_pictures_are_near_duplicates(look):
    pixels = draw(50, side=200)
    image = Image.fromarray(pixels)
    copies = [
        save(image, "JPEG", quality=90),
        save(image, "JPEG", quality=40),
        save(image.resize((90, 90)), "PNG"),
    ]
    _, found = look(
        train=[
            *records_of([1, 2]),
            *[pictures.example(copy, 1) for copy in copies[:2]],
        ],
        validation=[pictures.example(copies[2], 1)],
    )
    (group,) = found["duplicates"]["near"]
    assert [(one["split"], one["record"]) for one in group] == [
        ("train", 2),
        ("train", 3),
        ("validation", 0),
    ]
    assert found["duplicates"]["exact"] == []
    assert "1 near duplicate is in both train and" in "".join(found["warnings"])


def test_one_picture_with_two_labels_is_a_conflict(look, capsys):
    pixels = draw(50, side=200)
    same = pictures.encode(pixels)
    again = save(Image.fromarray(pixels), "JPEG", quality=50)
    _, found = look(
        train=[*records_of([1, 2]), pictures.example(same, 1)],
        validation=[pictures.example(same, 2), pictures.example(again, 2)],
    )
    kinds = [conflict["kind"] for conflict in found["conflicting_labels"]]
    assert kinds == ["exact", "near"]
    labels = [one["label"] for one in found["conflicting_labels"][0]["records"]]
    assert labels == [1, 2]
    assert "1 picture with more than one label;" in "".join(found["warnings"])
    assert "one picture, different labels: 2\n" in capsys.readouterr().out


def test_plain_pictures_are_no_near_duplicates(look):
    plain = [
        pictures.example(save(Image.new("RGB", (64, 64), colour)), 1 + number % 2)
        for number, colour in enumerate(["white", "#fefefe", "#fdfdfd"])
    ]
    _, found = look(train=plain)
    assert found["duplicates"]["near"] == []


def test_pictures_turned_by_exif_are_named(look, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = save(Image.fromarray(draw(7)), "JPEG", exif=exif)
    code, found = look(train=[*records_of([1, 2]), pictures.example(turned, 1)])
    assert code == 0
    assert found["splits"]["train"]["turned_by_exif"] == [
        {"path": f"{tmp_path}/train-0.tfrecord", "record": 2, "orientation": 6}
    ]
    assert "train has 1 picture turned by EXIF" in found["warnings"][0]


def test_formats_and_colour_modes_are_counted(look):
    image = Image.fromarray(draw(1))
    deep = np.arange(96 * 96, dtype=np.uint16).reshape(96, 96) * 7
    _, found = look(
        train=[
            pictures.example(encoded, 1 + number % 2)
            for number, encoded in enumerate(
                [
                    save(Image.fromarray(draw(2)).convert("L"), "JPEG"),
                    save(Image.fromarray(draw(3)).convert("CMYK"), "JPEG"),
                    save(Image.fromarray(draw(4)), "BMP"),
                    save(image.convert("RGBA")),
                    save(image.quantize(16), "GIF"),
                    save(Image.fromarray(deep)),
                    tf.io.encode_png(draw(5).astype(np.uint16) * 257).numpy(),
                ]
            )
        ]
    )
    train = found["splits"]["train"]
    assert train["bad_records"] == []
    assert train["formats"] == {"JPEG": 2, "BMP": 1, "PNG": 3, "GIF": 1}
    assert train["colour_modes"] == {
        "grey": 1,
        "CMYK": 1,
        "RGB": 1,
        "RGB with alpha": 1,
        "palette": 1,
        "grey 16 bits": 1,
        "RGB 16 bits": 1,
    }


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["d/train-*", "d/validation-0000?-of-00002"], ["train", "validation"]),
        (["train.tfrecord", "d/val_2*"], ["train", "val_"]),
        (["a/train-*", "b/train-*", "c/test*"], ["a/train-*", "b/train-*", "test"]),
        (["d/*.tfrecord"], ["d/*.tfrecord"]),
    ],
)
def test_a_split_is_named_by_the_start_of_its_files(patterns, names):
    assert inspect._name_splits(patterns) == names


def test_worker_processes_find_the_same(look, tmp_path, monkeypatch):
    records = records_of([1, 2, 3] * 50)
    records[70] = b"\xff"
    # Of several files, chunks of which the last is smaller.
    pictures.write_records(tmp_path / "train-1.tfrecord", records[:10])
    _, here = look(train=records, validation=records_of([1, 2, 3], first_seed=200))
    monkeypatch.setattr(inspect_reading, "MIN_RECORDS_FOR_WORKERS", 1)
    _, in_pool = look(train=records, validation=records_of([1, 2, 3], first_seed=200))
    assert in_pool == here
    assert here["splits"]["train"]["records"] == 160


def test_a_chunk_that_was_read_holds_no_file_open(tmp_path):
    path = pictures.write_records(tmp_path / "train-0.tfrecord", records_of([1, 2]))
    try:
        chunk = record_reader.read_chunk("gs://b/train-0", str(path), 0, 2)
        open_files = [os.path.realpath(link) for link in os.scandir("/proc/self/fd")]
    finally:
        record_reader.close_files()
    assert chunk.records["label"].tolist() == [1, 2]
    assert str(path) not in open_files


def test_a_reader_that_died_is_named_with_what_it_read():
    future = concurrent.futures.Future()
    future.set_exception(BrokenProcessPool())
    with pytest.raises(errors.DataError, match="train-0 died near records 64 to 127"):
        inspect_reading._take(
            inspect_plan.Task(0, "train-0", "train-0", 64, 128), future
        )


def test_progress_is_logged_by_time(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    with record_progress.showing("inspect", 20) as advance:
        advance(5, 20)
        assert not caplog.messages
        monkeypatch.setattr(record_progress, "SECS_PER_LINE", 0.0)
        advance(5, 20)
    assert caplog.messages[0].startswith("inspect | record 10/20 | ")
