"""The image that ours starts from, or a stand-in for it where no registry is reached.

The stand-in is Debian 12 with its own Python 3.11, laid out like the official image. It
says nothing about the official image's size or patch level.
"""

import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from tests.docker_engine import PACKAGES

OFFICIAL = "python:3.11-slim-bookworm"
STAND_IN = "image-classification-trainer-test-base"
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
SOURCES = (
    pathlib.Path("/etc/apt/sources.list.d/debian.sources"),
    pathlib.Path("/etc/apt/sources.list"),
)


def base_image(engine, work_dir):
    """The name of an image to build on."""
    for name in (OFFICIAL, STAND_IN):
        if engine.run("image", "inspect", name).returncode == 0:
            return name
    if engine.run("pull", OFFICIAL).returncode == 0:
        return OFFICIAL
    archive = pathlib.Path(work_dir, "base.tar")
    _make_root(archive)
    changes = ('CMD ["python3"]', "ENV LANG=C.UTF-8", f"ENV PATH={PATH}")
    options = [f"--change={change}" for change in changes]
    engine.run_ok("import", *options, archive, STAND_IN)
    archive.unlink()
    return STAND_IN


def _make_root(archive):
    """Writes the root file system of Debian and its Python."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip(f"no registry is reached, nor is there mmdebstrap: {PACKAGES}")
    with _work_dir() as directory:
        done = subprocess.run(
            [
                *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar"),
                "--include=ca-certificates,netbase,tzdata,python3.11,python3.11-venv",
                '--aptopt=Apt::Install-Recommends "false"',
                # No fsync: what breaks off is made anew.
                "--dpkgopt=force-unsafe-io",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
                '--customize-hook=chroot "$1" /usr/bin/python3.11 -m venv /usr/local',
                '--customize-hook=cd "$1/etc" && rm -f resolv.conf hostname hosts',
                *("bookworm", archive, _sources()),
            ],
            env={"PATH": f"{PATH}", "TMPDIR": directory},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        pytest.skip(f"no base image: {done.stderr[-1000:]}")


@contextlib.contextmanager
def _work_dir():
    """A folder in memory, where there is one: half a minute instead of two."""
    memory = "/dev/shm"
    parent = memory if pathlib.Path(memory).is_dir() else None
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        # apt lets another user than root download.
        pathlib.Path(directory).chmod(0o755)
        yield directory


def _sources():
    for path in SOURCES:
        if path.is_file():
            if re.search(r"://[^/ ]*@", path.read_text()):
                pytest.skip(f"{path} has a password, which would go into the image")
            return path
    return pytest.skip("no registry is reached, nor are there Debian's sources")
