import os
import shutil

import pytest

from trainer import errors
from trainer.data import examine, folders, rows

SHARES = {"train": 0.8, "validation": 0.2}


def make(root, *paths):
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.encode())


def read(root, *, labels=(), shares=SHARES, skip=False):
    bad_rows = rows.BadRows(skip=skip)
    tree = folders.read_tree(str(root), labels=labels, shares=shares, bad_rows=bad_rows)
    found = [examine.examine(row, shares) for row in tree.rows]
    return tree._replace(rows=found), bad_rows.messages


def in_split(tree, split):
    return [row.name for row in tree.rows if row.split == split]


@pytest.mark.parametrize("validation", ["validation", "val"])
def test_split_folders_are_the_splits(tmp_path, validation):
    make(tmp_path, "train/b/1.jpg", "train/a/x/2.PNG", f"{validation}/a/3.gif")
    make(tmp_path, "test/b/4.jpg", "LICENSE")
    tree, _ = read(tmp_path)
    assert tree.labels == ["a", "b"]
    assert tree.splits == ["train", "validation", "test"]
    assert in_split(tree, "train") == ["a/x/2.PNG", "b/1.jpg"]
    assert in_split(tree, "validation") == ["a/3.gif"]
    assert in_split(tree, "test") == ["b/4.jpg"]


def test_files_that_are_no_images_are_counted_and_hidden_ones_not(tmp_path):
    make(tmp_path, "a/1.jpg", "b/2.jpg", "a/Thumbs.db", "b/notes.txt", "b/README")
    make(tmp_path, "a/.DS_Store", ".git/x.jpg", "__MACOSX/a/1.jpg", "loose.jpg")
    tree, _ = read(tmp_path)
    assert len(tree.rows) == 2
    assert tree.ignored == {".db": 1, ".txt": 1, "without suffix": 1, ".jpg": 1}


def test_split_is_by_content_and_near_the_shares(tmp_path):
    make(tmp_path, *(f"{'ab'[i % 2]}/{i}.jpg" for i in range(300)))
    tree, _ = read(tmp_path)
    assert 210 <= len(in_split(tree, "train")) <= 270
    assert len(tree.rows) == 300


def test_copies_of_a_picture_land_in_the_same_split(tmp_path):
    make(tmp_path, *(f"{'ab'[i % 2]}/{i}.jpg" for i in range(40)))
    for path in tmp_path.glob("*/*"):
        path.write_bytes(b"same")
    tree, _ = read(tmp_path, shares={"train": 0.5, "validation": 0.5})
    assert len({row.split for row in tree.rows}) == 1


def test_shares_move_images_between_splits(tmp_path):
    make(tmp_path, *(f"{'ab'[i % 2]}/{i}.jpg" for i in range(100)))
    tree, _ = read(tmp_path, shares={"train": 0.2, "validation": 0.2, "test": 0.6})
    assert len(in_split(tree, "test")) > 40 > len(in_split(tree, "train")) > 5


def test_file_that_vanished_is_left_to_the_loader(tmp_path):
    make(tmp_path, "a/1.jpg", "b/2.jpg")
    os.symlink("nowhere", tmp_path / "a" / "3.jpg")
    tree, _ = read(tmp_path)
    assert "a/3.jpg" in in_split(tree, "train")


def test_linked_class_folder_is_followed(tmp_path):
    make(tmp_path, "data/a/1.jpg", "elsewhere/2.jpg")
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "b")
    tree, _ = read(tmp_path / "data")
    assert sorted(row.name for row in tree.rows) == ["a/1.jpg", "b/2.jpg"]


def test_labels_file_gives_the_order(tmp_path):
    make(tmp_path, "a/1.jpg", "b/2.jpg")
    tree, _ = read(tmp_path, labels=["b", "c", "a"])
    assert tree.labels == ["b", "c", "a"]


def test_folder_that_is_no_label_is_a_bad_row(tmp_path):
    make(tmp_path, "a/1.jpg", "b/2.jpg", "cow/3.jpg")
    with pytest.raises(errors.DataError, match=r"cow/3.jpg: .*\(a, b\), found 'cow'"):
        read(tmp_path, labels=["a", "b"])
    tree, messages = read(tmp_path, labels=["a", "b"], skip=True)
    assert (len(tree.rows), len(messages)) == (2, 1)


def test_class_that_train_lacks_is_refused(tmp_path):
    make(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "validation/c/1.jpg")
    with pytest.raises(
        errors.DataError, match="validation/ has class c, expected only"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["train/a/1.jpg", "test/a/1.jpg"], "has test, train/ only"),
        (["train/a/1.jpg", "val/a/1.jpg", "validation/a/1.jpg"], "both validation/"),
        (["train/a/1.jpg", "val/a/1.jpg", "more/a/1.jpg"], "has more/ beside train/"),
    ],
    ids=["no-validation", "both", "third-folder"],
)
def test_unclear_split_folders_are_refused(tmp_path, paths, message):
    make(tmp_path, *paths)
    with pytest.raises(errors.ConfigError, match=message):
        read(tmp_path)


def test_train_may_be_a_class(tmp_path):
    make(tmp_path, "train/1.jpg", "bus/2.jpg")
    assert read(tmp_path)[0].labels == ["bus", "train"]


def test_one_class_is_too_few(tmp_path):
    make(tmp_path, "a/1.jpg")
    with pytest.raises(errors.DataError, match="at least 2 labels, found only 'a'"):
        read(tmp_path)


def test_path_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(
        errors.ConfigError, match=r"--images_dir=.*nowhere is no folder"
    ):
        read(tmp_path / "nowhere")


def test_folder_that_vanished_is_named(tmp_path):
    make(tmp_path, "tree/a/1.jpg", "tree/b/1.jpg")
    root = tmp_path / "tree"
    tree = folders.read_tree(
        str(root), labels=[], shares=SHARES, bad_rows=rows.BadRows(skip=True)
    )
    shutil.rmtree(root)
    with pytest.raises(errors.StorageError, match=f"--images_dir={root}: {root} can't"):
        list(tree.rows)


@pytest.fixture(params=["local", "gs"])
def write_tree(request, tmp_path):
    """Writes the same files to a folder or to a bucket, and gives its path."""

    def write(*names):
        if request.param == "local":
            make(tmp_path, *names)
            return str(tmp_path)
        bucket = request.getfixturevalue("bucket")
        for name in names:
            bucket.write(f"tree/{name}", name)
        return f"{bucket.url}/tree"

    return write


@pytest.mark.parametrize("top", ["", "train/"])
def test_a_bucket_is_read_as_a_folder_is(write_tree, top):
    names = ["b/1.jpg", "a/x/2.PNG", "a/notes.txt", ".git/x.jpg", "loose.jpg"]
    root = write_tree(
        *(f"{top}{name}" for name in names), *(["val/a/3.gif"] if top else [])
    )
    tree, _ = read(root)
    assert tree.labels == ["a", "b"]
    assert tree.ignored == {".txt": 1, ".jpg": 1}
    in_train = [row for row in tree.rows if row.name != "a/3.gif"]
    assert [(row.name, row.label) for row in in_train] == [
        ("a/x/2.PNG", "a"),
        ("b/1.jpg", "b"),
    ]
    assert [row.num_bytes for row in in_train] == [
        len(f"{top}{n}") for n in names[1::-1]
    ]


def test_a_bucket_without_the_folder_is_told(bucket):
    bucket.write("photos/a/1.jpg", "")
    path = f"{bucket.url}/pictures"
    with pytest.raises(errors.ConfigError, match=f"--images_dir={path} is no folder"):
        read(path)
    bucket.fail(403)
    with pytest.raises(errors.StorageError) as caught:
        read(f"{bucket.url}/photos")
    assert f"--images_dir={bucket.url}/photos: {bucket.url}/photos/ can't" in str(
        caught.value
    )
    assert "grant storage.objects.list" in str(caught.value)
