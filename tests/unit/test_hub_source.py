"""Where the SavedModel of a job may be."""

import io
import pathlib
import tarfile
import tempfile

import pytest

from tests import feature_vectors, hub_server
from trainer import errors
from trainer.models import hub


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    handle, _ = feature_vectors.write(tmp_path_factory.mktemp("hub") / "vector")
    return pathlib.Path(handle)


@pytest.fixture(scope="module")
def archive(folder, tmp_path_factory):
    """As TensorFlow Hub packs it: files without a folder around them."""
    path = tmp_path_factory.mktemp("archive") / "vector.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.add(folder, arcname=".")
    return path


@pytest.fixture
def server(archive):
    with hub_server.serving(archive.read_bytes()) as found:
        yield found


def read_variant(handle):
    with hub.opened(str(handle)) as found:
        return found.variant


def test_an_archive_is_unpacked(folder, archive, tmp_path):
    assert read_variant(archive) == read_variant(folder)
    with tarfile.open(tmp_path / "in_folder.tar", "w") as file:
        file.add(folder, arcname="vector")
    assert read_variant(tmp_path / "in_folder.tar") == read_variant(folder)


def test_an_archive_may_be_on_gs(folder, archive, bucket):
    bucket.write_dir(archive.parent, "archives")
    found = read_variant(f"{bucket.url}/archives/vector.tar.gz")
    assert found == read_variant(folder)


def test_an_address_is_asked_for_the_archive(folder, server):
    found = read_variant(f"{server.address}/google/vector/1")
    assert found == read_variant(folder)
    assert server.paths == [
        "/google/vector/1?tf-hub-format=compressed",
        "/store/vector.tar.gz",
    ]


def test_an_address_of_an_archive_is_taken_as_it_is(folder, server):
    assert read_variant(f"{server.address}/store/vector.tar.gz") == read_variant(folder)
    assert server.paths == ["/store/vector.tar.gz"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nothing", r"/nothing can't be downloaded \(Not Found\); check the address"),
        ("/store/vector.tar.gz", r"is no archive that can be unpacked \(.+\); give"),
    ],
)
def test_an_address_without_a_model_is_named(server, path, message):
    server.content = server.content[:1000]
    with pytest.raises(errors.ConfigError, match=message):
        read_variant(server.address + path)


def test_no_server_is_one_sentence():
    with pytest.raises(errors.ConfigError, match=r"downloaded \(.*refused\); check"):
        read_variant("http://127.0.0.1:9/vector")


def test_a_scheme_that_reads_elsewhere_is_refused(folder):
    with pytest.raises(errors.ConfigError, match="starts with file://, expected https"):
        read_variant(f"file://{folder}")


@pytest.mark.parametrize("name", ["../outside", "{}/outside"])
def test_nothing_of_an_archive_gets_outside(tmp_path, monkeypatch, name):
    path = tmp_path / "hostile.tar"
    with tarfile.open(path, "w") as file:
        file.addfile(tarfile.TarInfo(name.format(tmp_path)), io.BytesIO())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with pytest.raises(errors.ConfigError, match=f"--hub_handle={path} "):
        read_variant(path)
    assert not list(tmp_path.rglob("outside"))


def test_a_path_without_a_model_is_named(tmp_path):
    with pytest.raises(errors.ConfigError, match=f"={tmp_path} has no saved_model.pb"):
        read_variant(tmp_path)
    with pytest.raises(errors.ConfigError, match=r"none.tar.gz is no archive"):
        read_variant(tmp_path / "none.tar.gz")
