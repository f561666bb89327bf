"""From labels files and CSV lists to rows; looks at paths, never inside an image.

A row is one image to convert. What is wrong with a row names its file and line.
"""

import csv
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from trainer import errors, storage

MIN_CLASSES = 2
MAX_LABELS_SHOWN = 5


class Row(NamedTuple):
    """One image to convert.

    `path` is where the file was found, `name` how the user wrote it (or the path below
    --images_dir), `origin` where a person would go to mend it. `number` counts from 0
    in the order of the lists; `num_bytes` is the file's size, once somebody has looked.
    """

    path: str
    name: str
    split: str
    label: str
    origin: str
    number: int = 0
    num_bytes: int = 0


class BadRows:
    """What to do about a row that can't be used: stop, or count it and go on."""

    def __init__(self, *, skip: bool) -> None:
        self.messages: list[str] = []
        self._skip = skip

    def add(self, message: str) -> None:
        """Notes a bad row.

        Raises:
            DataError: If bad rows are not to be skipped.
        """
        if not self._skip:
            raise errors.DataError(
                f"{message} Mend it, or leave such rows out with --skip_bad."
            )
        self.messages.append(message)


def clean_label(text: str) -> str:
    """Strips a label and composes its accents, which macOS folder names decompose."""
    return unicodedata.normalize("NFC", text.strip())


def read_labels(path: str) -> list[str]:
    """Reads a labels file; the first line is class 1.

    Raises:
        StorageError: If there is no such file.
        DataError: If it is not UTF-8, or has an empty line, a label twice or fewer
            than 2 labels.
    """
    path = storage.match_files(path, "labels_file")[0]
    try:
        with (
            storage.local_file(path) as local_path,
            open(local_path, encoding="utf-8-sig") as file,
        ):
            labels = [clean_label(line) for line in file]
    except UnicodeDecodeError as error:
        raise errors.DataError(_describe_encoding(path, error)) from error
    while labels and not labels[-1]:
        labels.pop()
    first_lines: dict[str, int] = {}
    for line, label in enumerate(labels, start=1):
        if not label:
            raise errors.DataError(
                f"{path} line {line} is empty, expected one label a line; remove it "
                "(each line is a class number)."
            )
        if label in first_lines:
            raise errors.DataError(
                f"{path} line {line} repeats {label!r} of line {first_lines[label]}, "
                "expected each label once; remove one."
            )
        first_lines[label] = line
    check_class_count(labels, path)
    return labels


def check_class_count(labels: Sequence[str], source: str) -> None:
    """Checks that there is something to tell apart.

    Raises:
        DataError: If there are fewer than 2 labels.
    """
    if len(labels) < MIN_CLASSES:
        found = f"only {labels[0]!r}" if labels else "none"
        raise errors.DataError(
            f"{source}: expected at least {MIN_CLASSES} labels, found {found}; "
            "a classifier needs two classes to tell apart."
        )


def read_csv(
    pattern: str, *, flag: str, split: str, labels: Sequence[str], bad_rows: BadRows
) -> Iterator[Row]:
    """Reads every CSV that a path or glob names: lines of image-path,label.

    Args:
        pattern: Path or glob.
        flag: Name of the flag that holds it, for messages.
        split: Split that the rows go to.
        labels: Known labels.
        bad_rows: Takes rows with a wrong number of fields, an unknown label or no file.

    Yields:
        The rows that are fit, one at a time, so that any number fits into memory.

    Raises:
        StorageError: If no file matches.
        DataError: If a file is no CSV in UTF-8, or `bad_rows` stops at a row.
    """
    known = dict.fromkeys(labels)
    for path in storage.match_files(pattern, flag):
        for line, fields in _parse_csv(path):
            origin = f"{path} line {line}"
            problem = _find_problem(fields, line, known)
            if problem:
                bad_rows.add(f"{origin}: {problem}")
                continue
            name, label = fields[0], clean_label(fields[1])
            found = _find_image(name, os.path.dirname(path))
            if found is None:
                bad_rows.add(f"{origin}: {_describe_missing(name, path)}")
                continue
            yield Row(found, name, split, label, origin)


def _parse_csv(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yields (line number, fields); empty lines are passed over."""
    with (
        storage.local_file(path) as local_path,
        open(local_path, encoding="utf-8-sig", newline="") as file,
    ):
        # Strict: a quote that is never closed must not swallow the rest of the file.
        reader = csv.reader(file, skipinitialspace=True, strict=True)
        try:
            for fields in reader:
                if fields:
                    yield reader.line_num, fields
        except UnicodeDecodeError as error:
            raise errors.DataError(_describe_encoding(path, error)) from error
        except csv.Error as error:
            raise errors.DataError(
                f"{path} line {reader.line_num}: expected CSV with image-path,label, "
                f"found {error}; check the quotes."
            ) from error


def _find_problem(
    fields: list[str], line: int, known: Mapping[str, object]
) -> str | None:
    if len(fields) != 2:
        return (
            f"expected 2 fields, image-path,label, found {len(fields)}; "
            'write a path with commas in "quotes".'
        )
    label = clean_label(fields[1])
    if label in known:
        return None
    header = " (remove the line if it is a header)" if line == 1 else ""
    return describe_unknown_label(label, list(known)) + header + "."


def describe_unknown_label(label: str, labels: Sequence[str]) -> str:
    """Says that a label is unknown, and which are known."""
    shown = ", ".join(labels[:MAX_LABELS_SHOWN])
    more = len(labels) - MAX_LABELS_SHOWN
    rest = f" and {more} more" if more > 0 else ""
    return f"expected a label of --labels_file ({shown}{rest}), found {label!r}"


def _find_image(name: str, csv_dir: str) -> str | None:
    """Where the image is; one in a bucket is looked for by who reads it."""
    if storage.is_gs(name):
        return name
    if storage.is_gs(csv_dir):
        return os.path.join(csv_dir, name)
    for path in (name, os.path.join(csv_dir, name)):
        if os.path.isfile(path):
            return path
    return None


def _describe_missing(name: str, csv_path: str) -> str:
    folder = os.path.dirname(os.path.abspath(csv_path))
    return (
        f"expected an image, found no file {name!r}; looked in the current directory "
        f"{os.getcwd()} and in {folder}."
    )


def _describe_encoding(path: str, error: UnicodeDecodeError) -> str:
    return (
        f"{path}: expected text in UTF-8, found byte "
        f"0x{error.object[error.start]:02x}; save the file as UTF-8."
    )
