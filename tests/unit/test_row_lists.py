import os

import pytest

from trainer import errors
from trainer.data import progress, row_lists, rows


@pytest.fixture(autouse=True)
def going_on():
    progress.CURRENT.reset("convert")
    yield
    progress.CURRENT.reset("convert")


def make_rows(count):
    return [
        rows.Row(f"{i}.jpg", f"{i}.jpg", ("train", "test")[i % 2], "a", f"line {i}")
        for i in range(count)
    ]


def test_rows_come_back_numbered_in_order(tmp_path):
    found = make_rows(600)
    counts = row_lists.write(iter(found), str(tmp_path))
    paths = row_lists.find(str(tmp_path))
    again = [row for path in paths for row in row_lists.read(path)]
    assert again == [row._replace(number=n) for n, row in enumerate(found)]
    assert counts == {"train": 300, "test": 300}
    assert len(paths) == 3


def test_lists_grow_with_their_number(tmp_path):
    row_lists.write(iter(make_rows(60_000)), str(tmp_path))
    paths = row_lists.find(str(tmp_path))
    sizes = [sum(1 for _ in row_lists.read(path)) for path in paths]
    assert sizes[0] == row_lists.MIN_ROWS_PER_LIST
    assert max(sizes) > 1000
    assert len(sizes) < 120


def test_a_stopped_run_lists_no_further(tmp_path):
    def stop_after_some():
        for number, row in enumerate(make_rows(60_000)):
            if number == 2 * row_lists.MIN_ROWS_PER_LIST:
                progress.CURRENT.stop.set()
            yield row

    counts = row_lists.write(stop_after_some(), str(tmp_path))
    assert counts.total() == 2 * row_lists.MIN_ROWS_PER_LIST
    assert len(row_lists.find(str(tmp_path))) == 2


def test_names_that_are_no_utf8_survive(tmp_path):
    name = os.fsdecode(b"caf\xe9 \xd1\x84\n\x85.jpg")
    row = rows.Row(name, name, "train", "a", name)
    row_lists.write([row], str(tmp_path))
    (path,) = row_lists.find(str(tmp_path))
    assert list(row_lists.read(path)) == [row]


def test_span_holds_the_rows_between_two_bytes(tmp_path):
    path = str(tmp_path / "list")
    found = make_rows(3)
    row_lists.write_list(path, found)
    start, size = (len(row_lists.pack(row)) + 1 for row in found[:2])
    assert row_lists.read_span(path, start, size) == row_lists.pack(found[1]) + "\n"


def test_list_that_vanished_is_named(tmp_path):
    with pytest.raises(errors.StorageError, match=r"rows-1.json is gone, expected"):
        list(row_lists.read(str(tmp_path / "rows-1.json")))
