import json

import pytest
import tensorflow as tf

from trainer import errors
from trainer.data import normalize, rows, shards, tfrecord

LABELS_TEXT = "a\nb\n"


def write(directory, records, max_bytes=10**6):
    """Writes a part with the records, and the shards that are cut from it."""
    part = directory.parent / "part.records"
    frames = [tfrecord.frame(record) for record in records]
    part.write_bytes(b"".join(frames))
    planned = shards.plan_shards(
        "train", [(str(part), [len(frame) for frame in frames])], max_bytes=max_bytes
    )
    for shard in planned:
        shards.assemble(shard, str(directory))
    return {shard.name: shard.num_records for shard in planned}


def write_manifest(directory, *names):
    (directory / "manifest.json").write_text(json.dumps({"files": names}))


def test_example_has_the_features_of_the_contract():
    row = rows.Row("x/фото.jpg", "фото.jpg", "train", "кот", "list.csv line 1")
    data = shards.build_example(row, normalize.Picture(b"jpeg", 3, 4), 2)
    features = tf.train.Example.FromString(data).features.feature
    integers = {key: list(f.int64_list.value) for key, f in features.items()}
    strings = {key: list(f.bytes_list.value) for key, f in features.items()}
    assert {key: value for key, value in integers.items() if value} == {
        "image/height": [3],
        "image/width": [4],
        "image/channels": [3],
        "image/class/label": [2],
    }
    assert {key: value for key, value in strings.items() if value} == {
        "image/colorspace": [b"RGB"],
        "image/class/synset": ["кот".encode()],
        "image/format": [b"JPEG"],
        "image/filename": ["фото.jpg".encode()],
        "image/encoded": [b"jpeg"],
    }


def test_shards_stay_under_the_limit_and_keep_the_order(tmp_path):
    records = [bytes([number]) * 84 for number in range(5)]
    names = write(tmp_path, records, max_bytes=200)
    assert names == {
        "train-00000-of-00003.tfrecord": 2,
        "train-00001-of-00003.tfrecord": 2,
        "train-00002-of-00003.tfrecord": 1,
    }
    paths = [tmp_path / name for name in names]
    assert [path.stat().st_size for path in paths] == [200, 200, 100]
    assert sorted(tmp_path.iterdir()) == paths
    dataset = tf.data.TFRecordDataset([str(path) for path in paths])
    assert list(dataset.as_numpy_iterator()) == records


def test_record_above_the_limit_gets_a_shard_of_its_own(tmp_path):
    names = write(tmp_path, [b"a", b"b" * 500, b"c"], max_bytes=100)
    assert list(names.values()) == [1, 1, 1]


def test_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(
        errors.StorageError, match=r"gone can't be written .*space left"
    ):
        write(tmp_path / "gone", [b"a"])


def test_manifest_of_another_program_is_refused(tmp_path):
    for text in ("[]", "no json", '{"name": "my web app"}'):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(errors.ConfigError, match=r"manifest.json is not from an"):
            shards.list_own_files(str(tmp_path))


def test_manifest_can_claim_only_names_that_convert_writes(tmp_path):
    good = ["labels.txt", "train-00000-of-00001.tfrecord"]
    write_manifest(tmp_path, "../x", "/etc/passwd", "train-1.tfrecord", *good)
    assert shards.list_own_files(str(tmp_path)) == good


@pytest.mark.parametrize(
    "name",
    ["train-00000-of-00002.tfrecord", "validation-x.tfrecord", "train-00000-of-00002"],
    ids=["same-form", "other-form", "original-script"],
)
def test_foreign_shards_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    write_manifest(tmp_path, "train-00000-of-00001.tfrecord")
    with pytest.raises(errors.ConfigError, match=f"holds {name}, which its manifest"):
        shards.check_foreign_files(str(tmp_path), LABELS_TEXT)


def test_many_foreign_shards_are_counted(tmp_path):
    for number in range(7):
        (tmp_path / f"train-{number}.tfrecord").write_bytes(b"")
    with pytest.raises(errors.ConfigError, match=r"train-4.tfrecord and 2 more, which"):
        shards.check_foreign_files(str(tmp_path), LABELS_TEXT)


def test_files_of_other_kinds_are_left_in_peace(tmp_path):
    (tmp_path / "train-notes.md").write_bytes(b"")
    (tmp_path / "labels.txt").write_text(LABELS_TEXT)
    shards.check_foreign_files(str(tmp_path), LABELS_TEXT)


def test_foreign_labels_that_differ_are_refused(tmp_path):
    (tmp_path / "labels.txt").write_text("x\ny\n")
    with pytest.raises(errors.ConfigError, match=r"labels.txt with other labels"):
        shards.check_foreign_files(str(tmp_path), LABELS_TEXT)
    write_manifest(tmp_path, "labels.txt")
    shards.check_foreign_files(str(tmp_path), LABELS_TEXT)


def test_a_run_killed_while_publishing_can_be_repeated(tmp_path):
    output, staging = tmp_path / "out", tmp_path / "staging"
    for folder, name in [
        (output, "train-00000-of-00001"),
        (staging, "train-00000-of-00002"),
    ]:
        folder.mkdir()
        (folder / f"{name}.tfrecord").write_bytes(b"")
    write_manifest(output, "train-00000-of-00001.tfrecord")
    manifest = {"files": ["train-00000-of-00002.tfrecord"], "unfit": object()}
    with pytest.raises(TypeError, match="not JSON serializable"):
        shards.publish(str(staging), str(output), manifest)
    assert not json.loads((output / "manifest.json").read_text())["complete"]
    shards.check_foreign_files(str(output), LABELS_TEXT)
