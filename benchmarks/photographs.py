"""The photographs that every process of a benchmark of answers sends."""

import pathlib


def read(images_dir: pathlib.Path, count: int) -> list[bytes]:
    """The first JPEG files of a folder and of those in it, in the order of their names.

    Args:
        images_dir: Holds files that end in .jpg.
        count: How many; they repeat where there are fewer.

    Raises:
        SystemExit: If there are none.
    """
    paths = sorted(images_dir.rglob("*.jpg"))[:count]
    if not paths:
        raise SystemExit(f"--images_dir={images_dir} has no .jpg files")
    return [paths[number % len(paths)].read_bytes() for number in range(count)]
