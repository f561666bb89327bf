import sys

import pytest

from trainer import errors
from trainer.jobs import tune


def test_a_missing_extra_is_said_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(errors.ConfigError, match=r"run pip install '.*\[tune\]'"):
        tune.check_installed()
