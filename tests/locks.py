"""What the lock files in requirements/ pin."""

import pathlib
import re
from typing import NamedTuple

from packaging.requirements import Requirement

REQUIREMENTS = pathlib.Path(__file__).parent.parent / "requirements"
TARGETS = ("cpu", "gpu", "tpu")


class Pin(NamedTuple):
    """One version, and the hashes of its files."""

    version: str
    hashes: frozenset[str]


def pins(name, *, python_version, machine="x86_64"):
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
            found[requirement.name] = Pin(version, hashes)
    return found


def _entries(text):
    lines = [line for line in text.splitlines() if not line.strip().startswith("#")]
    for entry in re.split(r"\n(?=\S)", "\n".join(lines)):
        requirement, *hashes = re.split(r"\s*\\\n\s*--hash=sha256:", entry.strip())
        if not hashes:
            raise ValueError(f"no hash in {entry!r}")
        yield Requirement(requirement), frozenset(hashes)
