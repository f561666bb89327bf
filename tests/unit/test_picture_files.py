import pytest

from tests import pictures
from trainer import errors
from trainer.data import normalize
from trainer.serving import picture_files


def write_tree(folder):
    names = ["b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "sub/c.jpeg", "@eaDir/d.jpg"]
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures.encode(pictures.draw()))
    return folder


def find(*patterns):
    return picture_files.find_pictures([str(one) for one in patterns], "images")


def test_a_folder_stands_for_the_pictures_in_it_at_any_depth(tmp_path):
    write_tree(tmp_path)
    names = ["a.PNG", "b.jpg", "sub/c.jpeg"]
    assert find(tmp_path) == [str(tmp_path / name) for name in names]


def test_files_and_globs_keep_the_order_of_the_command_and_come_once(tmp_path):
    write_tree(tmp_path)
    found = find(tmp_path / "sub", tmp_path / "b.jpg", tmp_path / "*.jpg", "absent.jpg")
    expected = [tmp_path / "sub/c.jpeg", tmp_path / "b.jpg", "absent.jpg"]
    assert found == [str(path) for path in expected]


def test_a_name_with_brackets_is_a_file_where_there_is_one(tmp_path):
    (tmp_path / "photo[1].jpg").write_bytes(b"")
    (tmp_path / "photo1.jpg").write_bytes(b"")
    assert find(tmp_path / "photo[1].jpg") == [str(tmp_path / "photo[1].jpg")]
    assert find(tmp_path / "photo[1-9].jpg") == [str(tmp_path / "photo1.jpg")]


def test_a_folder_in_a_bucket_is_listed_alike(tmp_path, bucket):
    bucket.write_dir(write_tree(tmp_path), "photos")
    names = ["a.PNG", "b.jpg", "sub/c.jpeg"]
    assert find(f"{bucket.url}/photos/") == [
        f"{bucket.url}/photos/{name}" for name in names
    ]
    assert find(f"{bucket.url}/photos/*.jpg") == [
        f"{bucket.url}/photos/{name}" for name in (".hidden.jpg", "b.jpg")
    ]


def test_a_glob_and_a_folder_without_a_picture_are_named(tmp_path):
    with pytest.raises(errors.StorageError, match=r"--images=.*/\*.jpg matches no fil"):
        find(tmp_path / "*.jpg")
    with pytest.raises(errors.StorageError, match="is a folder without a picture"):
        find(tmp_path)


def test_files_are_read_in_order_and_a_bad_one_says_why(tmp_path):
    paths = [str(tmp_path / f"{number}.png") for number in range(7)]
    for number, path in enumerate(paths[:6]):
        with open(path, "wb") as file:
            file.write(pictures.encode(pictures.draw(seed=number), "png"))
    (tmp_path / "3.png").write_bytes(b"no picture")
    batches = list(picture_files.load_batches(paths, 3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    files = [file for batch in batches for file in batch]
    assert [file.path for file in files] == paths
    for file in files[:3]:
        assert file.encoded == normalize.load_picture(file.path).encoded
    assert files[3].reason == (
        "expected a picture, found bytes of another kind; save it as JPEG or PNG"
    )
    assert files[6].reason == "expected a picture, found no file; check the path"


def test_a_bucket_that_refuses_is_the_files_reason(bucket):
    bucket.write("a.jpg", b"x")
    bucket.fail(403, path="a.jpg", count=9)
    file = picture_files.load(f"{bucket.url}/a.jpg")
    assert file.reason.startswith("can't be read: access is denied (403)")
