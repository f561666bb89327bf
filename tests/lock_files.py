"""What the lock files in requirements/ pin, and what the package index has of it."""

import functools
import json
import pathlib
import re
import subprocess
import sys
import urllib.request
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

REQUIREMENTS = pathlib.Path(__file__).parent.parent / "requirements"
# The C library of Debian 12, which the image is built on.
GLIBC_MINOR = 36
INDEX_URL = "https://pypi.org/simple"
JSON = "application/vnd.pypi.simple.v1+json"
TIMEOUT_SECS = 30


class Pin(NamedTuple):
    """One version, and the hashes of its files."""

    version: str
    hashes: frozenset[str]


def pins(name, *, python_version="3.11", machine="x86_64"):
    """The pins of a lock file that hold for a Python on Linux, by package.

    Raises:
        ValueError: If a line is no pin with hashes.
    """
    surroundings = {
        "python_version": python_version,
        "python_full_version": f"{python_version}.0",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
    }
    found = {}
    for requirement, hashes in _entries((REQUIREMENTS / f"{name}.txt").read_text()):
        marker = requirement.marker
        if marker is None or marker.evaluate(surroundings):
            (version,) = (one.version for one in requirement.specifier)
            found[canonicalize_name(requirement.name)] = Pin(version, hashes)
    return found


def _entries(text):
    lines = [line for line in text.splitlines() if not line.strip().startswith("#")]
    for entry in re.split(r"\n(?=\S)", "\n".join(lines)):
        requirement, *hashes = re.split(r"\s*\\\n\s*--hash=sha256:", entry.strip())
        if not hashes:
            raise ValueError(f"no hash in {entry!r}")
        yield Requirement(requirement), frozenset(hashes)


@functools.cache
def index_url():
    """The index that pip is told to use on this machine."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or INDEX_URL


def wheel_bytes(name, pin, *, python_version="3.11", machine="x86_64"):
    """The size of the wheel that a Python on Debian 12 would take.

    Returns:
        None if none of the pinned files is a wheel for it.
    """
    files = [one for one in _files(name) if one["hashes"]["sha256"] in pin.hashes]
    wheels = {
        tag: one.get("size", 0)
        for one in files
        if one["filename"].endswith(".whl")
        for tag in parse_wheel_filename(one["filename"])[3]
    }
    tags = _tags(tuple(map(int, python_version.split("."))), machine)
    return next((wheels[tag] for tag in tags if tag in wheels), None)


def _tags(python_version, machine):
    """What fits, best first. Sources: PEP 425, PEP 600."""
    platforms = [f"manylinux_2_{n}_{machine}" for n in range(GLIBC_MINOR, 4, -1)]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    yield from cpython_tags(python_version, platforms=platforms)
    interpreter = f"cp{python_version[0]}{python_version[1]}"
    yield from compatible_tags(python_version, interpreter, platforms)


@functools.cache
def _files(name):
    """The index's files of a package. Source: PEP 691."""
    request = urllib.request.Request(f"{index_url()}/{name}/", headers={"Accept": JSON})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECS) as response:
        return json.load(response)["files"]
