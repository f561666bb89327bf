import pathlib
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import lock_files

SETUP = pathlib.Path(__file__).parents[2] / "setup.py"
TARGETS = ("cpu", "gpu", "tpu")
# What runs the steps, by target and machine.
FRAMEWORKS = {
    ("cpu", "x86_64"): {"tensorflow-cpu"},
    ("cpu", "aarch64"): {"tensorflow"},
    ("gpu", "x86_64"): {"tensorflow"},
    ("tpu", "x86_64"): {"tensorflow-tpu"},
}


@pytest.mark.parametrize(("target", "machine"), FRAMEWORKS)
def test_a_target_has_one_tensorflow(target, machine):
    pins = lock_files.pins(target, machine=machine)
    found = set(pins) & {"tensorflow", "tensorflow-cpu", "tensorflow-tpu"}
    assert found == FRAMEWORKS[target, machine]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_has_what_setup_asks_for(target):
    install = SETUP.read_text().partition("install_requires=[")[2].partition("]")[0]
    asked = [Requirement(one) for one in re.findall(r'"([\w.-]+[=><~].*)"', install)]
    assert len(asked) > 10
    pins = lock_files.pins(target)
    for one in asked:
        if one.name != "tensorflow":
            assert one.specifier.contains(pins[canonicalize_name(one.name)].version)


def test_targets_differ_in_what_the_device_needs_only():
    versions = {
        target: {name: pin.version for name, pin in lock_files.pins(target).items()}
        for target in TARGETS
    }
    shared = set.intersection(*map(set, versions.values()))
    assert len(shared) > 90
    for name in shared:
        assert len({versions[target][name] for target in TARGETS}) == 1, name


@pytest.mark.parametrize("target", TARGETS)
def test_what_no_job_imports_is_left_out(target):
    lines = (lock_files.REQUIREMENTS / "left-out.in").read_text().splitlines()
    left_out = {line for line in lines if line and not line.startswith("#")}
    assert left_out
    assert not left_out & set(lock_files.pins(target))


def test_a_line_without_a_hash_is_refused(monkeypatch, tmp_path):
    (tmp_path / "cpu.txt").write_text("numpy==2.4.6\n")
    monkeypatch.setattr(lock_files, "REQUIREMENTS", tmp_path)
    with pytest.raises(ValueError, match="no hash"):
        lock_files.pins("cpu")
