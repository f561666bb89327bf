"""From a tree of class folders to rows, with or without split folders above them."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from trainer import errors, storage
from trainer.data import rows

# The one root of a tree without split folders, and the split of its images.
WHOLE = ""
SPLITS = ("train", "validation", "test")
SPLIT_OF_FOLDER = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
# Formats that can't be read are listed too: such a file is then a bad row, with its
# name, and not a file that is silently no image.
IMAGE_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "webp", "tif", "tiff"),
        *("heic", "heif", "avif"),
    )
)
# What macOS archives and Synology add beside the user's folders.
SYSTEM_FOLDERS = frozenset(["__MACOSX", "@eaDir"])


class Tree(NamedTuple):
    """What an --images_dir holds.

    `rows` can be read once, and looks into the folders as it is read. Until then
    `ignored` is empty, which counts files that are no images, or are in no class
    folder, by suffix. Rows have no split yet if the tree has no split folders.
    """

    labels: list[str]
    rows: Iterator[rows.Row]
    splits: Sequence[str]
    ignored: Counter[str]


def read_tree(
    images_dir: str,
    *,
    labels: Sequence[str],
    shares: Mapping[str, float],
    bad_rows: rows.BadRows,
) -> Tree:
    """Lists the images of a tree of class folders.

    Args:
        images_dir: Folder with class folders, or with train/, validation/ (or val/) and
            possibly test/ folders of class folders.
        labels: Labels in class order; empty: the sorted names of the class folders.
        shares: Split name to share, for a tree without split folders.
        bad_rows: Takes the images of folders that are no label, as rows are read.

    Raises:
        ConfigError: If it is no folder, or its split folders are unclear.
        DataError: If a split has a class that train lacks, or there are fewer than 2
            classes; as rows are read: if `bad_rows` stops at one.
        StorageError: If a folder can't be listed, also as rows are read.
    """
    with storage.naming("images_dir", images_dir):
        _check_is_dir(images_dir)
        split_dirs = _find_split_dirs(images_dir)
        roots = split_dirs or {WHOLE: images_dir}
        classes = {split: _list_classes(root) for split, root in roots.items()}
    if split_dirs:
        _check_same_classes(classes, images_dir)
    labels = list(labels) or sorted(set(classes.get("train", classes.get(WHOLE, []))))
    rows.check_class_count(labels, f"--images_dir={images_dir}")
    ignored: Counter[str] = Counter()
    images = _name_flag(images_dir, _list_known(roots, labels, bad_rows, ignored))
    return Tree(labels, images, list(split_dirs or shares), ignored)


def _check_is_dir(images_dir: str) -> None:
    if not storage.is_dir(images_dir):
        raise errors.ConfigError(
            f"--images_dir={images_dir} is no folder, expected one that holds class "
            "folders; check the path."
        )


def _name_flag(images_dir: str, images: Iterator[rows.Row]) -> Iterator[rows.Row]:
    with storage.naming("images_dir", images_dir):
        yield from images


def _list_known(
    roots: Mapping[str, str],
    labels: Sequence[str],
    bad_rows: rows.BadRows,
    ignored: Counter[str],
) -> Iterator[rows.Row]:
    """Yields the images whose folder is a label."""
    known = frozenset(labels)
    for split, root in roots.items():
        for row in _list_images(root, split, ignored):
            if row.label in known:
                yield row
                continue
            problem = rows.describe_unknown_label(row.label, labels)
            bad_rows.add(f"{row.origin}: {problem} as name of its folder.")


def _find_split_dirs(images_dir: str) -> dict[str, str]:
    """Split name to folder; empty if the tree is not split."""
    names = _list_folders(images_dir)
    found = [name for name in names if name in SPLIT_OF_FOLDER]
    splits = [SPLIT_OF_FOLDER[name] for name in found]
    if len(splits) != len(set(splits)):
        raise errors.ConfigError(
            f"--images_dir={images_dir} has both validation/ and val/, expected one; "
            "rename one of them."
        )
    if {"train", "validation"} <= set(splits):
        others = [name for name in names if name not in found]
        if others:
            raise errors.ConfigError(
                f"--images_dir={images_dir} has {', '.join(others)}/ beside train/ and "
                "validation/, expected train/, validation/ and test/ only; move it."
            )
        return {
            split: os.path.join(images_dir, found[splits.index(split)])
            for split in SPLITS
            if split in splits
        }
    if found and len(found) == len(names):
        raise errors.ConfigError(
            f"--images_dir={images_dir} has {', '.join(found)}/ only, expected train/ "
            "and validation/ (or val/), or class folders; add the missing one."
        )
    return {}


def _check_same_classes(classes: Mapping[str, Sequence[str]], images_dir: str) -> None:
    for split, labels in classes.items():
        unknown = sorted(set(labels) - set(classes["train"]))
        if unknown:
            raise errors.DataError(
                f"--images_dir={images_dir}: {split}/ has class {', '.join(unknown)}, "
                "expected only classes that train/ has; add it there or remove it."
            )


def _list_folders(path: str) -> list[str]:
    return list(filter(is_visible, storage.list_dirs(path)))


def _list_classes(path: str) -> list[str]:
    return [rows.clean_label(name) for name in _list_folders(path)]


def is_visible(name: str) -> bool:
    """False for files and folders that no user made, by their name."""
    return not name.startswith(".") and name not in SYSTEM_FOLDERS


def _list_images(root: str, split: str, ignored: Counter[str]) -> Iterator[rows.Row]:
    """Yields the images of all class folders in `root`, at any depth, in order."""
    for path, name, num_bytes in storage.walk(root, is_visible):
        folder, is_below, _ = name.partition("/")
        suffix = os.path.splitext(name)[1].lower()
        if not is_below or suffix not in IMAGE_SUFFIXES:
            ignored[suffix or "without suffix"] += 1
            continue
        label = rows.clean_label(folder)
        yield rows.Row(path, name, split, label, path, num_bytes=num_bytes)
