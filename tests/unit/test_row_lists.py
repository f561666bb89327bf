import os

import pytest

from trainer import errors
from trainer.data import row_lists, rows


def make_rows(count):
    return [
        rows.Row(f"{i}.jpg", f"{i}.jpg", ("train", "test")[i % 2], "a", f"line {i}")
        for i in range(count)
    ]


def test_rows_come_back_numbered_in_order(tmp_path):
    found = make_rows(600)
    lists = row_lists.write(iter(found), str(tmp_path))
    again = [row for path in lists.paths for row in row_lists.read(path)]
    assert again == [row._replace(number=n) for n, row in enumerate(found)]
    assert lists.counts == {"train": 300, "test": 300}
    assert len(lists.paths) == 3


def test_lists_grow_with_their_number(tmp_path):
    lists = row_lists.write(iter(make_rows(60_000)), str(tmp_path))
    sizes = [sum(1 for _ in row_lists.read(path)) for path in lists.paths]
    assert sizes[0] == row_lists.MIN_ROWS_PER_LIST
    assert max(sizes) > 1000
    assert len(sizes) < 120


def test_names_that_are_no_utf8_survive(tmp_path):
    name = os.fsdecode(b"caf\xe9 \xd1\x84\n\x85.jpg")
    row = rows.Row(name, name, "train", "a", name)
    lists = row_lists.write([row], str(tmp_path))
    assert list(row_lists.read(lists.paths[0])) == [row]


def test_span_holds_the_rows_between_two_bytes(tmp_path):
    path = str(tmp_path / "list")
    found = make_rows(3)
    row_lists.write_list(path, found)
    start, size = (len(row_lists.pack(row)) + 1 for row in found[:2])
    assert row_lists.read_span(path, start, size) == row_lists.pack(found[1]) + "\n"


def test_list_that_vanished_is_named(tmp_path):
    with pytest.raises(errors.StorageError, match=r"rows-1.json is gone, expected"):
        list(row_lists.read(str(tmp_path / "rows-1.json")))
