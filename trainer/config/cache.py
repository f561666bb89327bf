"""The knobs of the folder for copies of gs:// files, which several words have."""

import os
import tempfile
from collections.abc import Iterator
from typing import Any

from trainer.config.knobs import knob

GIB = 2**30


def cache_dir_knob() -> Any:
    """Declares `cache_dir`."""
    return knob(
        "",
        "Local folder for copies of gs:// TFRecord files; a later job uses them "
        "again. Default: one in the system's temporary folder.",
    )


def cache_gb_knob() -> Any:
    """Declares `cache_gb`."""
    return knob(
        10.0,
        "GiB that the folder of cache_dir may take.",
        above=0.0,
    )


class CopiesFiles:
    """What the two knobs mean to a config that has them."""

    cache_dir: str
    cache_gb: float

    @property
    def resolved_cache_dir(self) -> str:
        """Local folder for copies of gs:// files, one for each user."""
        name = f"image-classification-cache-{os.getuid()}"
        return self.cache_dir or os.path.join(tempfile.gettempdir(), name)

    @property
    def num_cache_bytes(self) -> int:
        """Size of that folder."""
        return int(self.cache_gb * GIB)

    def problems_of_cache(self) -> Iterator[str]:
        """Yields a sentence if the folder can't work."""
        if "://" in self.cache_dir:
            yield f"--cache_dir must be a local folder, got {self.cache_dir}."
