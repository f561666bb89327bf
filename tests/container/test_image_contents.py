"""What is in the image, and what is not."""

import gzip
import json
import re
import subprocess
import tarfile

import pytest

from tests import docker_image, lock_files
from tests.docker_image import LOCKED, ROOT
from trainer import __version__

pytestmark = pytest.mark.container

USER = 10001
HELP_SECS = 0.5
CHUNK_BYTES = 1 << 22
# For each package what no job needs: pip, compilers, headers, tests of the packages.
SURPLUS = """
import pathlib, shutil, sys
for name in ("gcc", "cc", "g++", "clang", "make", "git"):
    if path := shutil.which(name):
        print(path)
packages = pathlib.Path(next(path for path in sys.path if "site-packages" in path))
for pattern in ("pip", "tensorflow/include", "clang", "**/tests/test_*.py"):
    for path in packages.glob(pattern):
        print(path)
for path in pathlib.Path("/app").rglob("*"):
    if "test" in path.name:
        print(path)
"""
SECS_OF_HELP = """
import subprocess, sys, time
for _ in range(5):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "trainer.task", "--help"], stdout=-3)
    print(time.perf_counter() - start)
"""
INSTALLED = """
import importlib.metadata
for one in importlib.metadata.distributions():
    print(one.name.lower().replace("_", "-").replace(".", "-"), one.version)
"""
KERNELS = """
from trainer.data.kernels import library
print(library.load().trainer_decode_jpeg_windows.__name__)
"""
UNCOMPILED = """
import importlib.util, pathlib
for path in pathlib.Path("/app").rglob("*.py"):
    if not pathlib.Path(importlib.util.cache_from_source(str(path))).exists():
        print(path)
"""


def run_python(image, code):
    return image.run_ok("-c", code, entrypoint="python").splitlines()


def test_the_kernels_of_the_input_are_compiled_and_load(image):
    assert "trainer_decode_jpeg_windows" in run_python(image, KERNELS)


def test_it_says_what_it_is_and_runs_the_trainer_as_process_1(image):
    config = image.inspect()["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["python", "-m", "trainer.task"]
    assert config["StopSignal"] == "SIGTERM"
    assert "Healthcheck" not in config
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"]
    assert labels["org.opencontainers.image.version"] == __version__
    revision = labels["org.opencontainers.image.revision"]
    assert re.fullmatch("[0-9a-f]{40}", revision)


def test_help_comes_within_half_a_second(image):
    assert min(map(float, run_python(image, SECS_OF_HELP))) < HELP_SECS


def test_the_trainer_is_compiled(image):
    assert run_python(image, UNCOMPILED) == []


def test_it_has_the_packages_of_the_lock_and_no_others(image):
    target = image.name.rpartition(":")[2]
    pins = lock_files.pins(target)
    assert sorted(run_python(image, INSTALLED)) == sorted(
        f"{name} {pin.version}" for name, pin in pins.items()
    )


def test_the_list_of_parts_names_them_all(image):
    options = (*LOCKED, f"--volume={ROOT}/scripts:/scripts:ro")
    text = image.run_ok("/scripts/sbom.py", options=options, entrypoint="python")
    document = json.loads(text)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    purls = {one["purl"] for one in document["components"]}
    assert len(purls) == len(document["components"])
    assert all(one["version"] for one in document["components"])
    target = image.name.rpartition(":")[2]
    pins = lock_files.pins(target)
    assert {f"pkg:pypi/{name}@{pin.version}" for name, pin in pins.items()} <= purls
    assert any(one.startswith("pkg:deb/debian/libc6@") for one in purls)


def test_it_has_no_compiler_no_pip_and_no_tests(image):
    assert run_python(image, SURPLUS) == []


def test_no_layer_has_anything_of_the_build_secrets(image):
    assert leaks(image) == []
    history = image.engine.run_ok("history", "--no-trunc", image.name)
    assert image.canary not in history
    assert not re.search(r"://[^/ ]*@", history + json.dumps(image.inspect()))


def leaks(image):
    """The layers that have the text which is in each secret."""
    canary = image.canary.encode()
    return [name for name, text in saved_chunks(image) if canary in text]


def saved_chunks(image):
    """The files of `docker save` in pieces that overlap by the length of the canary."""
    with (
        subprocess.Popen(
            image.engine.command("save", image.name),
            stdout=subprocess.PIPE,
            env=image.engine.environment,
        ) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in filter(tarfile.TarInfo.isfile, archive):
            for chunk in chunks(archive.extractfile(member), len(image.canary)):
                yield member.name, chunk
    assert process.returncode == 0


def chunks(file, overlap):
    """A layer is a tar file, from newer engines a compressed one."""
    head = file.read(2)
    if head == b"\x1f\x8b":
        file, head = gzip.GzipFile(fileobj=Rewound(head, file)), b""
    end = head
    while text := file.read(CHUNK_BYTES):
        yield end + text
        end = text[-overlap:]


class Rewound:
    """A file whose first bytes were read already."""

    def __init__(self, head, file):
        self.head = head
        self.file = file

    def read(self, size=-1):
        head, self.head = self.head, b""
        return head or self.file.read(size)


def test_the_search_finds_what_a_later_layer_removes(image, tmp_path):
    name = f"{image.name}-leaking"
    (tmp_path / "secret").write_text(image.canary)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {image.name}\nUSER 0\nCOPY secret /\nRUN rm /secret\n"
    )
    image.engine.run_ok("build", "--network=none", f"--tag={name}", tmp_path)
    leaking = docker_image.Image(image.engine, name, image.canary)
    try:
        found = [
            one for one, text in saved_chunks(leaking) if image.canary.encode() in text
        ]
    finally:
        image.engine.run_ok("image", "rm", name)
    assert len(found) == 1
