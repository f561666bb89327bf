"""Every path operation: matching, directories, and writes that are whole or not there.

A path is local, below a mounted bucket (/gcs/NAME) or gs://NAME. Functions take all
three kinds; callers join parts with os.path.join and do not look which kind it is.
"""

from trainer.storage.archives import ArchiveError, unpacked
from trainer.storage.copies import local_dir, local_file, put_file
from trainer.storage.files import (
    find_size,
    is_dir,
    list_names,
    make_writable_dir,
    read_bytes,
    read_text,
    remove_files,
    write_bytes,
    write_text,
    writing,
)
from trainer.storage.gcs import download
from trainer.storage.locks import try_lock
from trainer.storage.matching import find_files, match_files, naming
from trainer.storage.paths import (
    StoredFile,
    absolute,
    is_gs,
    is_within,
    takes_whole_files,
)
from trainer.storage.publishing import (
    publish_files,
    remove_stale_staging,
    staging_dir,
)
from trainer.storage.trees import TreeFile, list_dirs, walk

__all__ = [
    "ArchiveError",
    "StoredFile",
    "TreeFile",
    "absolute",
    "download",
    "find_files",
    "find_size",
    "is_dir",
    "is_gs",
    "is_within",
    "list_dirs",
    "list_names",
    "local_dir",
    "local_file",
    "make_writable_dir",
    "match_files",
    "naming",
    "publish_files",
    "put_file",
    "read_bytes",
    "read_text",
    "remove_files",
    "remove_stale_staging",
    "staging_dir",
    "takes_whole_files",
    "try_lock",
    "unpacked",
    "walk",
    "write_bytes",
    "write_text",
    "writing",
]
