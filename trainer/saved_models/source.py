"""Where a SavedModel is -> a folder: as it is, unpacked, or downloaded.

TensorFlow Hub's protocol is one GET: of an address with `tf-hub-format=compressed`
comes an archive of the SavedModel. Its library is not used, since it imports a second
Keras (docs/adr/0020-saved-model-backbones.md).
"""

import contextlib
import http.client
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

from trainer import storage
from trainer.saved_models.unusable import UnusableError

ARCHIVES = (".tar.gz", ".tgz", ".tar")
SCHEMES = ("http", "https")
# Source: tensorflow.org/hub/hosting, "Compressed hosting".
FORMAT = "tf-hub-format=compressed"
# Without an answer, or between two parts of one.
TIMEOUT_SECS = 30
PART_BYTES = 2**20


def is_packed(handle: str) -> bool:
    """Whether it is an archive, or an address, in the place of a folder."""
    is_address = "://" in handle and not storage.is_gs(handle)
    return is_address or handle.endswith(ARCHIVES)


@contextlib.contextmanager
def local_copy(handle: str) -> Iterator[str]:
    """A folder, local or on gs://, that should hold a SavedModel.

    Args:
        handle: A folder or an archive of it, each local or on gs://, or an address.

    Raises:
        StorageError: If the archive can't be read.
        UnusableError: If it can't be unpacked, or the address gives nothing.
    """
    if "://" in handle and not storage.is_gs(handle):
        with _downloaded(handle) as archive, _unpacked(archive) as folder:
            yield folder
    elif handle.endswith(ARCHIVES):
        with storage.local_file(handle) as archive, _unpacked(archive) as folder:
            yield folder
    else:
        yield handle


@contextlib.contextmanager
def _unpacked(archive: str) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(storage.unpacked(archive))
        except storage.ArchiveError as error:
            raise UnusableError(
                f"is no archive that can be unpacked ({error}); give a .tar.gz, or the "
                "folder that it is made of"
            ) from error
        yield folder


@contextlib.contextmanager
def _downloaded(address: str) -> Iterator[str]:
    """A local file with what the address answers."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in SCHEMES:
        raise UnusableError(
            f"starts with {parts.scheme}://, expected https://, gs:// or a local path; "
            "correct it"
        )
    if not parts.path.endswith(ARCHIVES):
        query = "&".join(filter(None, [parts.query, FORMAT]))
        address = parts._replace(query=query).geturl()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.tar.gz")
        try:
            _download(address, path)
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise UnusableError(
                f"can't be downloaded ({reason}); check the address and the network, "
                "or download the model and give its folder"
            ) from error
        yield path


def _download(address: str, path: str) -> None:
    # Redirects, such as tfhub.dev's to Kaggle, are followed.
    with (
        urllib.request.urlopen(address, timeout=TIMEOUT_SECS) as answer,
        open(path, "xb") as file,
    ):
        while part := answer.read(PART_BYTES):
            file.write(part)
