"""Whatever a CSV list or a labels file holds, rows or a sentence come of it."""

import hypothesis
import pytest

from tests import mutations
from trainer import errors
from trainer.data import rows

LIST = b'a.jpg,red\n"b, c.jpg",blue\r\n\n d.jpg , "gr\xc3\xbcn"\n/nowhere.jpg,red\n'
LABELS = "red\nblue\n gr\u00fcn\n".encode()
PIECES = [b'"', b'""', b",", b"\n", b"\r", b"x" * 140_000, b"gs://a/b", b"gs://", b"~"]


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lists")
    for name in ("a.jpg", "b, c.jpg", "d.jpg"):
        (directory / name).write_bytes(b"picture")
    return directory


@hypothesis.given(mutations.damaged([LIST], PIECES))
@mutations.in_time
def test_lists(directory, content):
    path = directory / "list.csv"
    path.write_bytes(content)
    bad_rows = rows.BadRows(skip=True)
    try:
        found = list(
            rows.read_csv(
                str(path),
                flag="train_csv",
                split="train",
                labels=["red", "blue", "gr\u00fcn"],
                bad_rows=bad_rows,
            )
        )
    except errors.DataError as error:
        assert str(path) in str(error)
    else:
        assert len(found) + len(bad_rows.messages) <= content.count(b"\n") + (
            content.count(b"\r") + 1
        )


@hypothesis.given(mutations.damaged([LABELS]))
@mutations.in_time
def test_labels(directory, content):
    path = directory / "labels.txt"
    path.write_bytes(content)
    try:
        labels = rows.read_labels(str(path))
    except errors.DataError as error:
        assert str(path) in str(error)
    else:
        assert len(set(labels)) == len(labels) >= rows.MIN_CLASSES
