"""Trees on this machine and in a bucket, which have to look the same."""

import os
import types

import pytest

from trainer import errors, storage
from trainer.storage import gcs

# "a-b" sorts after "a", and "a-b/" before "a/", as a bucket lists them.
NAMES = [
    "a/2.jpg",
    "a/10.jpg",
    "a/more/1.jpg",
    "a/more/deep/er/1.jpg",
    "a-b/1.jpg",
    "a.b/1.jpg",
    "Z/ä ö.jpg",
    "hidden/1.jpg",
    "loose.txt",
    "b.txt",
]
FOUND = [
    "b.txt",
    "loose.txt",
    "Z/ä ö.jpg",
    "a/10.jpg",
    "a/2.jpg",
    "a/more/1.jpg",
    "a/more/deep/er/1.jpg",
    "a-b/1.jpg",
    "a.b/1.jpg",
]


def is_wanted(name):
    return name != "hidden"


@pytest.fixture
def local_root(tmp_path):
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return str(tmp_path)


@pytest.fixture
def gs_root(bucket):
    for name in NAMES:
        bucket.write(f"tree/{name}", name)
    # As some tools mark a folder; and not below it, but beside.
    bucket.write("tree/", "")
    bucket.write("tree/a/", "")
    bucket.write("tree-2/x/1.jpg", "")
    return f"{bucket.url}/tree"


@pytest.fixture(params=["local_root", "gs_root"])
def root(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("end", ["", "/"])
def test_files_come_in_the_same_order(root, end):
    found = list(storage.walk(root + end, is_wanted))
    assert [file.name for file in found] == FOUND
    assert [file.path for file in found] == [f"{root}/{name}" for name in FOUND]
    assert storage.read_text(found[2].path) == "Z/ä ö.jpg"


@pytest.mark.parametrize("end", ["", "/"])
def test_folders_are_listed_by_name(root, end):
    assert storage.list_dirs(root + end) == ["Z", "a", "a-b", "a.b", "hidden"]
    assert storage.list_dirs(f"{root}/a-b{end}") == []
    assert storage.is_dir(root + end)
    assert storage.is_dir(f"{root}/a/more")
    assert not storage.is_dir(f"{root}/a/mo")
    assert not storage.is_dir(f"{root}/b.txt")


def test_a_bucket_tells_sizes_with_names(gs_root):
    sizes = {file.name: file.num_bytes for file in storage.walk(gs_root, is_wanted)}
    assert sizes["a/more/1.jpg"] == len("a/more/1.jpg")


def test_sizes_are_found(root):
    assert storage.find_size(f"{root}/b.txt") == len("b.txt")
    assert storage.find_size(f"{root}/nothing") is None


def test_a_whole_bucket_is_a_tree(bucket):
    bucket.write("a/1.jpg", "")
    (file,) = storage.walk(bucket.url, is_wanted)
    assert file.name == "a/1.jpg"
    assert storage.list_dirs(bucket.url) == ["a"]


def test_a_folder_without_a_name_is_no_end(bucket):
    bucket.write("tree/a//1.jpg", "")
    (file,) = storage.walk(f"{bucket.url}/tree", is_wanted)
    assert (file.name, file.path) == ("a//1.jpg", f"{bucket.url}/tree/a//1.jpg")


def test_pages_are_read_in_their_turn(gs_root, monkeypatch):
    client, calls = gcs._client(), []

    def call(*args, **options):
        calls.append(options["prefix"])
        return client.call(*args, **options, maxResults=1)

    monkeypatch.setattr(gcs, "_client", lambda: types.SimpleNamespace(call=call))
    files = storage.walk(gs_root, is_wanted)
    assert next(files).name == "b.txt"
    num_before = len(calls)
    assert [file.name for file in files] == FOUND[1:]
    assert len(calls) > num_before + len(FOUND) - 2


def test_a_folder_that_can_not_be_listed_is_named(tmp_path):
    with pytest.raises(errors.StorageError, match=r"nowhere can't be listed \(No"):
        list(storage.walk(str(tmp_path / "nowhere"), is_wanted))
    with pytest.raises(errors.StorageError, match=r"nowhere can't be listed \(No"):
        storage.list_dirs(str(tmp_path / "nowhere"))


def test_a_bucket_that_is_not_there_is_named(bucket):
    missing = f"{bucket.url}-2/tree"
    with pytest.raises(errors.StorageError, match="there is no bucket"):
        list(storage.walk(missing, is_wanted))
    with pytest.raises(errors.StorageError, match="there is no bucket"):
        storage.list_dirs(missing)


def test_links_to_folders_are_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpg").write_text("")
    (tmp_path / "tree").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "tree" / "a")
    assert storage.list_dirs(str(tmp_path / "tree")) == ["a"]
    (file,) = storage.walk(str(tmp_path / "tree"), is_wanted)
    assert file.name == "a/1.jpg"
