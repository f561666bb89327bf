import errno
import os

import pytest

from trainer import errors, storage
from trainer.storage import paths


@pytest.fixture
def files(tmp_path):
    for name in ("a-1.tfrecord", "a-2.tfrecord", "b-1.tfrecord"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a-3.tfrecord").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a-*.tfrecord", ["a-1.tfrecord", "a-2.tfrecord"]),
        ("?-1.tfrecord", ["a-1.tfrecord", "b-1.tfrecord"]),
        ("a-[1-9].tfrecord", ["a-1.tfrecord", "a-2.tfrecord"]),
        ("b-1.tfrecord", ["b-1.tfrecord"]),
    ],
)
def test_patterns_match_files_in_order(files, pattern, names):
    found = storage.match_files(str(files / pattern), "training_data_path")
    assert found == [str(files / name) for name in names]


def test_a_path_with_brackets_in_its_name_is_found(tmp_path):
    path = tmp_path / "data [1].tfrecord"
    path.write_bytes(b"")
    assert storage.match_files(str(path), "training_data_path") == [str(path)]


def test_no_match_names_flag_and_what_is_there(files):
    with pytest.raises(errors.StorageError) as caught:
        storage.match_files(str(files / "c-*"), "training_data_path")
    text = str(caught.value)
    assert f"--training_data_path={files}/c-* matches no file" in text
    assert "holds a-1.tfrecord, a-2.tfrecord, a-3.tfrecord" in text


def test_no_match_says_how_much_of_the_path_exists(tmp_path):
    with pytest.raises(errors.StorageError, match=f"only {tmp_path} of it exists"):
        storage.match_files(str(tmp_path / "x" / "y" / "*"), "training_data_path")


def test_a_directory_gets_a_pattern_that_works(tmp_path):
    with pytest.raises(errors.StorageError) as caught:
        storage.match_files(str(tmp_path), "validation_data_path")
    assert f"--validation_data_path='{tmp_path}/*.tfrecord'" in str(caught.value)


def test_text_is_replaced_whole(tmp_path):
    path = str(tmp_path / "new" / "metrics.json")
    storage.write_text(path, "one")
    storage.write_text(path, "zwei ä")
    assert storage.read_text(path) == "zwei ä"
    assert os.listdir(tmp_path / "new") == ["metrics.json"]
    assert storage.read_text(str(tmp_path / "none")) is None


def test_the_marker_is_published_last(tmp_path, monkeypatch):
    staging = tmp_path / "staging"
    (staging / "assets").mkdir(parents=True)
    for name in ("assets/z.txt", "saved_model.pb", "zebra.txt"):
        (staging / name).write_text(name)
    moved, replace = [], os.replace
    monkeypatch.setattr(
        os, "replace", lambda source, to: (moved.append(to), replace(source, to))
    )
    target = tmp_path / "model"
    (target / "assets").mkdir(parents=True)
    (target / "keep.txt").write_text("mine")
    storage.publish_files(str(staging), str(target), marker="saved_model.pb")
    assert moved[-1] == str(target / "saved_model.pb")
    assert sorted(os.listdir(target)) == [
        "assets",
        "keep.txt",
        "saved_model.pb",
        "zebra.txt",
    ]


def test_staging_leaves_nothing_after_an_error(tmp_path):
    def fail():
        with storage.staging_dir(str(tmp_path)) as staging:
            open(os.path.join(staging, "half"), "w").close()
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert os.listdir(tmp_path) == []


def test_a_dir_that_can_be_made_is_made(tmp_path):
    storage.make_writable_dir(str(tmp_path / "a" / "b"), "job-dir")
    assert os.listdir(tmp_path / "a" / "b") == []


def test_a_dir_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StorageError, match=r"--job-dir=.*file can't be written"):
        storage.make_writable_dir(str(tmp_path / "file"), "job-dir")


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """A mounted bucket: what renames there fails the test."""
    monkeypatch.setattr(paths, "MOUNTED_BUCKETS", f"{tmp_path}/")
    monkeypatch.setattr(os, "replace", None)
    return tmp_path / "bucket"


def test_a_mounted_bucket_gets_whole_files_under_their_names(mounted):
    storage.make_writable_dir(str(mounted), "job-dir")
    storage.write_text(str(mounted / "metrics.json"), "{}")
    with storage.staging_dir(str(mounted)) as staging:
        assert not staging.startswith(str(mounted))
        for name in ("saved_model.pb", "a.txt"):
            with open(os.path.join(staging, name), "w") as file:
                file.write(name)
        storage.publish_files(staging, str(mounted / "model"), marker="saved_model.pb")
    storage.remove_stale_staging(str(mounted))
    written = [path for path in mounted.rglob("*") if path.is_file()]
    assert {path.name: path.read_text() for path in written} == {
        "metrics.json": "{}",
        "saved_model.pb": "saved_model.pb",
        "a.txt": "a.txt",
    }


def test_a_local_dir_is_read_where_it_is(tmp_path):
    with storage.local_dir(str(tmp_path), ["x"]) as found:
        assert found == str(tmp_path)


def test_a_file_below_a_file_is_absent(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert storage.read_bytes(str(tmp_path / "file" / "index.npz")) is None


def test_a_file_that_can_not_be_read_is_named(tmp_path):
    with pytest.raises(errors.StorageError, match=f"{tmp_path} can't be read .Is a di"):
        storage.read_bytes(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "directory", "expected"),
    [
        ("/a/b", "/a/b/", True),
        ("/a/b/c", "/a/b", True),
        ("/a/bc", "/a/b", False),
        ("/a", "/a/b", False),
        ("/a/b", "/", True),
        ("/a/x/../b/c", "/a/b", True),
        ("gs://b/photos/out", "gs://b/photos", True),
        ("gs://b/photos/", "gs://b/photos", True),
        ("gs://b/photos-2", "gs://b/photos", False),
        ("gs://b/out", "gs://b", True),
        ("gs://b", "gs://b/photos", False),
        ("gs://c/photos", "gs://b/photos", False),
        ("/gcs/b/photos/out", "gs://b/photos", True),
        ("gs://b/photos/out", "/gcs/b/photos", True),
        ("out", "gs://b/photos", False),
        ("gs://b/photos", "out", False),
    ],
)
def test_what_is_within_a_directory(path, directory, expected):
    assert storage.is_within(path, directory) is expected


def test_links_do_not_hide_that_a_path_is_within(tmp_path):
    (tmp_path / "photos").mkdir()
    os.symlink(tmp_path / "photos", tmp_path / "link")
    assert storage.is_within(str(tmp_path / "link" / "x"), str(tmp_path / "photos"))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "trials.json"
    storage.write_text(str(path), "old")

    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(errors.StorageError, match="No space left on device"):
        storage.write_text(str(path), "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["trials.json"]


def test_text_in_another_encoding_is_said(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("Blüte".encode("latin-1"))
    with pytest.raises(errors.DataError) as caught:
        storage.read_text(str(path))
    assert str(caught.value) == (
        f"{path} is no text in UTF-8 (byte 0xfc at 2); save it as UTF-8, or move it "
        "away."
    )
