"""Files are written to a staging directory, then put in place whole, one by one.

No directory is ever renamed: neither Cloud Storage nor a mounted bucket can do that
whole. What readers look for comes last.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator

from trainer.storage import copies
from trainer.storage.files import list_names
from trainer.storage.paths import is_gs, takes_whole_files

STAGING = ".staging-"


@contextlib.contextmanager
def staging_dir(parent: str, *, owner: str = "") -> Iterator[str]:
    """A new empty local directory that is gone afterwards.

    It is in `parent` where files can be renamed from there into place, else in the
    system's temporary directory.

    Args:
        parent: A folder.
        owner: Who writes it, if not all that is in `parent` is one's own.
    """
    if not is_gs(parent):
        os.makedirs(parent, exist_ok=True)
    place = None if takes_whole_files(parent) else parent
    path = tempfile.mkdtemp(prefix=_prefix(owner), dir=place)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def publish_files(source_dir: str, target_dir: str, *, marker: str) -> None:
    """Puts files in place one by one, the one that readers look for last.

    Files replace their namesakes whole; other files in the target are left alone.

    Args:
        source_dir: A `staging_dir` of the target or of a folder above it.
        target_dir: Where they go.
        marker: Name of the file without which a reader takes the set as absent.
    """
    if not is_gs(target_dir):
        os.makedirs(target_dir, exist_ok=True)
    names = sorted(os.listdir(source_dir), key=lambda name: (name == marker, name))
    for name in names:
        source, target = (
            os.path.join(place, name) for place in (source_dir, target_dir)
        )
        if os.path.isdir(source):
            publish_files(source, target, marker=marker)
        elif takes_whole_files(target):
            copies.put_file(source, target)
        else:
            os.replace(source, target)


def remove_stale_staging(parent: str, *, owner: str = "") -> None:
    """Removes what a killed run left of `staging_dir` of the same arguments."""
    if takes_whole_files(parent):
        return
    for name in list_names(parent):
        if name.startswith(_prefix(owner)):
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)


def _prefix(owner: str) -> str:
    return f"{STAGING}{owner}-" if owner else STAGING
