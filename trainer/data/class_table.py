"""A table of images by class and split, with a bar a class."""

from collections.abc import Iterator, Mapping, Sequence

MAX_CLASSES_SHOWN = 50
BAR_WIDTH = 30
MIN_COLUMN_WIDTH = 10


def format_class_table(
    names: Sequence[str], splits: Mapping[str, Sequence[int]], *, rest: str
) -> Iterator[str]:
    """Yields the lines: class, images in each split, and a bar of the first split's.

    Args:
        names: One a class.
        splits: Name of each split to its images of each class; one or more.
        rest: Where all classes are if there are too many to show.
    """
    shown = names[:MAX_CLASSES_SHOWN]
    width = max(len("class"), *map(len, shown), 0)
    columns = [max(MIN_COLUMN_WIDTH, len(split)) for split in splits]
    bars = next(iter(splits.values()))
    most = max([1, *bars])
    heads = [
        f"{split:>{column}}" for split, column in zip(splits, columns, strict=True)
    ]
    yield "  ".join([f"{'class':{width}}", *heads])
    for position, name in enumerate(shown):
        counts = [
            f"{images[position]:>{column},}"
            for images, column in zip(splits.values(), columns, strict=True)
        ]
        # A class that is there at all has a mark.
        length = max(round(BAR_WIDTH * bars[position] / most), bars[position] > 0)
        yield "  ".join([f"{name:{width}}", *counts, "#" * length]).rstrip()
    if len(names) > len(shown):
        yield f"and {len(names) - len(shown):,} more classes, {rest}"
