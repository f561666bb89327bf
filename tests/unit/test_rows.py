import pytest

from trainer import errors
from trainer.data import rows

LABELS = ["cat", "dog"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"")
    return tmp_path


def read(text, *, labels=LABELS, skip=False):
    with open("list.csv", "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    bad_rows = rows.BadRows(skip=skip)
    found = rows.read_csv(
        "list.csv", flag="train_csv", split="train", labels=labels, bad_rows=bad_rows
    )
    return list(found), bad_rows.messages


def read_labels(data):
    with open("labels.txt", "wb") as file:
        file.write(data)
    return rows.read_labels("labels.txt")


def test_line_becomes_a_row():
    found, _ = read("a.jpg,dog\n")
    assert found == [rows.Row("a.jpg", "a.jpg", "train", "dog", "list.csv line 1")]


def test_byte_order_mark_blank_lines_and_spaces_are_fine():
    found, _ = read(b'\xef\xbb\xbfa.jpg, dog \r\n\r\n"a.jpg",cat\r\n')
    assert [(row.name, row.label, row.origin[-1]) for row in found] == [
        ("a.jpg", "dog", "1"),
        ("a.jpg", "cat", "3"),
    ]


def test_quoted_path_may_hold_a_comma(folder):
    (folder / "a,b.jpg").write_bytes(b"")
    found, _ = read('"a,b.jpg",dog\n')
    assert found[0].path == "a,b.jpg"


def test_path_may_be_relative_to_the_csv(folder):
    (folder / "lists").mkdir()
    (folder / "lists" / "b.jpg").write_bytes(b"")
    (folder / "lists" / "x.csv").write_text("b.jpg,dog\na.jpg,dog\n")
    found = rows.read_csv(
        "lists/*.csv",
        flag="train_csv",
        split="train",
        labels=LABELS,
        bad_rows=rows.BadRows(skip=False),
    )
    assert [row.path for row in found] == ["lists/b.jpg", "a.jpg"]


def test_decomposed_accents_match_composed_ones():
    found, _ = read("a.jpg,cafe\u0301\n", labels=["caf\u00e9", "dog"])
    assert found[0].label == "caf\u00e9"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg\n", "line 1: expected 2 fields, image-path,label, found 1"),
        ("a.jpg,cat\na.jpg,cat,dog\n", "line 2: expected 2 fields.*found 3"),
        ("path,label\n", r"line 1: .*\(cat, dog\), found 'label' \(remove the line if"),
        ("a.jpg,cat\na.jpg,cow\n", r"line 2: .*\(cat, dog\), found 'cow'\. Mend it"),
        ("b.jpg,cat\n", "line 1: .*no file 'b.jpg'; looked in the current"),
    ],
    ids=["one-field", "three-fields", "header", "label", "missing"],
)
def test_bad_row_stops_with_file_and_line(text, message):
    with pytest.raises(errors.DataError, match=rf"list.csv {message}.*--skip_bad"):
        read(text)


def test_image_in_a_bucket_is_left_to_who_reads_it():
    found, _ = read("gs://b/a.jpg,cat\n")
    assert found[0].path == "gs://b/a.jpg"


def test_skipped_rows_are_kept_as_messages():
    found, messages = read("a.jpg\nb.jpg,cat\na.jpg,dog\n", skip=True)
    assert len(found) == 1
    assert [message.split(":")[0] for message in messages] == [
        "list.csv line 1",
        "list.csv line 2",
    ]


def test_many_labels_are_shortened():
    with pytest.raises(errors.DataError, match=r"\(0, 1, 2, 3, 4 and 5 more\)"):
        read("a.jpg,cow\n", labels=[str(number) for number in range(10)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"a.jpg,cat\na.jpg,dog\n', "line 2: expected CSV .*check the quotes"),
        (b"a.jpg,caf\xe9\n", "expected text in UTF-8, found byte 0xe9"),
    ],
    ids=["open-quote", "latin-1"],
)
def test_file_that_is_no_csv_is_named(text, message):
    with pytest.raises(errors.DataError, match=f"list.csv.*{message}"):
        read(text, skip=True)


def test_csv_that_matches_nothing_names_the_flag():
    with pytest.raises(errors.StorageError, match="--train_csv=no"):
        list(
            rows.read_csv(
                "no.csv",
                flag="train_csv",
                split="train",
                labels=LABELS,
                bad_rows=rows.BadRows(skip=False),
            )
        )


def test_labels_are_stripped_in_file_order():
    assert read_labels(b"\xef\xbb\xbfdog \r\n\xd0\xba\xd0\xbe\xd1\x82\t\n\n") == [
        "dog",
        "кот",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"cat\ndog\ncat\n", "line 3 repeats 'cat' of line 1"),
        (b"cat\n\ndog\n", "line 2 is empty"),
        (b"cat\n", "at least 2 labels, found only 'cat'"),
        (b"", "at least 2 labels, found none"),
        (b"caf\xe9\ncat\n", "UTF-8, found byte 0xe9"),
    ],
    ids=["twice", "gap", "one", "none", "latin-1"],
)
def test_unfit_labels_file_is_named(data, message):
    with pytest.raises(errors.DataError, match=f"labels.txt.*{message}"):
        read_labels(data)


def test_missing_labels_file_names_the_flag():
    with pytest.raises(errors.StorageError, match="--labels_file"):
        rows.read_labels("nowhere.txt")


def test_labels_and_lists_may_be_on_gs(bucket, tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"")
    labels = rows.read_labels(bucket.write("labels.txt", "cat\ndog\n"))
    reader = rows.read_csv(
        bucket.write("list.csv", f"{photo},dog\n"),
        flag="train_csv",
        split="train",
        labels=labels,
        bad_rows=rows.BadRows(skip=False),
    )
    found = list(reader)
    assert [(row.path, row.label) for row in found] == [(str(photo), "dog")]
    assert found[0].origin == f"{bucket.url}/list.csv line 1"
