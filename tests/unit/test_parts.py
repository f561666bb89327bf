import os

import pytest
from PIL import Image

from trainer import errors
from trainer.data import parts, progress, row_lists, rows


@pytest.fixture(autouse=True)
def fresh_progress():
    progress.CURRENT.reset("convert")
    yield
    progress.CURRENT.reset("convert")


def write_part(tmp_path, names, *, skip_bad=False):
    found = [
        rows.Row(str(tmp_path / name), name, "train", "a", name, number)
        for number, name in enumerate(names)
    ]
    parts.WritePart(str(tmp_path), {"a": 1}, skip_bad, max_shorter_side=0)(
        ("train", 0), ["\n".join(map(row_lists.pack, found))]
    )
    return parts.read_outcome(str(tmp_path), ("train", 0))


def draw(tmp_path, *names):
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name)


@pytest.mark.parametrize(
    ("num_bytes", "expected"),
    [(0, 1), (3_500_000, 3), (10**9, 64), (3_200_000_000, 100), (10**13, 4096)],
)
def test_parts_grow_with_the_data(num_bytes, expected):
    assert parts.count_parts(num_bytes) == expected


def test_rows_of_a_list_are_found_by_part(tmp_path):
    found = [
        rows.Row(f"{i}", f"{i}", split, "a", "", i)
        for i in range(50)
        for split in ("train", "test")
    ]
    path = str(tmp_path / "list")
    row_lists.write_list(path, sorted(found, key=parts.order))
    split_bytes = {"train": 5_000_000, "test": 0}
    spans = list(parts.find_parts(path, split_bytes))
    assert [key for key, _ in spans] == [
        ("test", 0),
        *(("train", part) for part in range(5)),
    ]
    for key, span in spans:
        for row in row_lists.unpack_lines(row_lists.read_span(*span)):
            assert parts.find_part(row, split_bytes) == key
    assert sum(span.num_bytes for _, span in spans) == os.path.getsize(path)


def test_outcome_counts_what_the_file_holds(tmp_path):
    draw(tmp_path, "1.png", "2.png")
    outcome = write_part(tmp_path, ["1.png", "2.png"])
    path = parts.part_path(str(tmp_path), ("train", 0))
    assert sum(outcome.sizes) == os.path.getsize(path)
    assert (len(outcome.sizes), outcome.classes) == (2, {"a": 2})
    assert not progress.CURRENT.stop.is_set()


def test_first_bad_image_ends_the_part_and_stops_the_others(tmp_path):
    outcome = write_part(tmp_path, ["gone1.png", "gone2.png"])
    assert len(outcome.messages) == 1
    assert progress.CURRENT.stop.is_set()


def test_bad_images_are_skipped_if_asked_for(tmp_path):
    draw(tmp_path, "1.png")
    outcome = write_part(tmp_path, ["gone1.png", "1.png", "gone2.png"], skip_bad=True)
    assert (len(outcome.messages), len(outcome.sizes)) == (2, 1)
    assert not progress.CURRENT.stop.is_set()


def test_part_that_was_stopped_loads_nothing_more(tmp_path):
    draw(tmp_path, "1.png")
    progress.CURRENT.stop.set()
    assert not write_part(tmp_path, ["1.png"]).sizes


def test_outcome_that_vanished_is_named(tmp_path):
    with pytest.raises(errors.StorageError, match=r"outcome.json is gone, expected"):
        parts.read_outcome(str(tmp_path), ("train", 3))
