"""What is in the image, as a CycloneDX document: Python and Debian packages.

    docker run --rm --network=none --volume="$PWD/scripts:/scripts:ro" \
      --entrypoint=python image-classification-trainer /scripts/sbom.py > sbom.json

Runs inside the image with nothing but Python, so it lists what is there and not what
was asked for. Source of the form: cyclonedx.org/docs/1.6/json.
"""

import importlib.metadata
import json
import pathlib
import re
import sys
import urllib.parse
from collections.abc import Iterator
from typing import Any

from trainer import __version__

DPKG_STATUS = pathlib.Path("/var/lib/dpkg/status")
OS_RELEASE = pathlib.Path("/etc/os-release")


def main() -> int:
    """Prints the document."""
    components = [*_python_packages(), *_debian_packages()]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": "image",
                "name": "image-classification-trainer",
                "version": __version__,
            }
        },
        "components": sorted(components, key=lambda one: one["purl"]),
    }
    json.dump(document, sys.stdout, indent=1)
    print()
    return 0


def _python_packages() -> Iterator[dict[str, Any]]:
    for found in importlib.metadata.distributions():
        # As PEP 503 writes names.
        name = re.sub(r"[-_.]+", "-", found.name).lower()
        component = _component("pypi", name, found.version)
        # The one field that is an SPDX expression by its definition, PEP 639.
        if "License-Expression" in found.metadata:
            expression = found.metadata["License-Expression"]
            component["licenses"] = [{"expression": expression}]
        yield component


def _debian_packages() -> Iterator[dict[str, Any]]:
    release = _fields(OS_RELEASE.read_text(encoding="utf-8"), separator="=")
    distribution = f"{release['ID']}-{release['VERSION_ID']}".replace('"', "")
    for entry in DPKG_STATUS.read_text(encoding="utf-8").split("\n\n"):
        fields = _fields(entry, separator=": ")
        if fields.get("Status") == "install ok installed":
            component = _component("deb/debian", fields["Package"], fields["Version"])
            component["purl"] += f"?arch={fields['Architecture']}&distro={distribution}"
            component["bom-ref"] = component["purl"]
            yield component


def _component(kind: str, name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:{kind}/{urllib.parse.quote(name)}@{urllib.parse.quote(version)}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }


def _fields(text: str, *, separator: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if separator in line]
    return dict(line.split(separator, 1) for line in lines if line[0] != " ")


if __name__ == "__main__":
    sys.exit(main())
