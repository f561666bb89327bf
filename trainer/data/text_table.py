"""Lines of a table for people, from its cells."""

from collections.abc import Sequence


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Pads cells so that columns stand under each other.

    Args:
        rows: Cells, as many in each row.

    Returns:
        A line a row: the first column to the left, the others, numbers, to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [
                f"{row[0]:{widths[0]}}",
                *(
                    f"{cell:>{width}}"
                    for cell, width in zip(row[1:], widths[1:], strict=True)
                ),
            ]
        ).rstrip()
        for row in rows
    ]
