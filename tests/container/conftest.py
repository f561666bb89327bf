import os
import shutil

import pytest

from tests import base_image, docker_engine, docker_image

USER = 10001


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    # Paths of sockets are short.
    work_dir = tmp_path_factory.mktemp("engine")
    with docker_engine.running_engine(work_dir) as engine:
        yield engine


@pytest.fixture(scope="session")
def image(engine, tmp_path_factory):
    """The image of CONTAINER_TARGET, cpu where that is not set."""
    work_dir = tmp_path_factory.mktemp("build")
    target = os.environ.get("CONTAINER_TARGET", "cpu")
    base = base_image.base_image(engine, work_dir)
    return docker_image.build(engine, base, work_dir, target=target)


@pytest.fixture
def folder(data_dir, tmp_path):
    """A folder for /data that has data/ and belongs to the image's user."""
    directory = tmp_path / "folder"
    shutil.copytree(data_dir, directory / "data")
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.chown(path, USER, USER)
    return directory
