import sys

import pytest

from trainer import errors
from trainer.jobs import tune


@pytest.mark.parametrize("package", ["optuna", "matplotlib"])
def test_a_package_that_is_missing_is_said_with_how_to_install_it(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(errors.ConfigError, match=r"run pip install '.*\[tune\]'"):
        tune.check_installed()
