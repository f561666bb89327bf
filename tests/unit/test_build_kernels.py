"""How the kernels of the input come about, and what is said where they do not."""

import logging
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import tensorflow as tf

from trainer.data.kernels import library

SCRIPT = pathlib.Path(__file__).parent.parent.parent / "scripts" / "build_kernels.py"


def test_a_library_that_does_not_load_is_said_and_left_out(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    caplog.set_level(logging.INFO)
    load = library.load.__wrapped__
    assert load() is None
    assert "no kernels for input: pictures are decoded by TensorFlow's" in caplog.text
    (tmp_path / f"kernels-{tf.__version__}.so").write_bytes(b"no library")
    assert load() is None
    assert "kernels for input do not load" in caplog.text
    assert caplog.text.count("build them: python scripts/build_kernels.py") == 2


def run_script(*flags, **variables):
    return subprocess.run(
        [sys.executable, SCRIPT, *flags],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({"CXX": "no-such"}, 1, "not built: no-such is not there: install it, or name"),
        ({"CXX": "false"}, 1, "not built: false ended with 1, as it says above. An em"),
        ({"CXX": ""}, 0, "left out (CXX is empty)"),
        # Nobody asked for it, and all works without.
        ({"PATH": ""}, 0, "left out (g++ is not there: install it, or name another"),
    ],
)
def test_without_a_compiler_the_script_says_what_to_do(
    tmp_path, monkeypatch, variables, code, said
):
    monkeypatch.delenv("CXX", raising=False)
    done = run_script(f"--output_dir={tmp_path}", **variables)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
def test_the_script_builds_what_is_loaded(tmp_path):
    done = run_script(f"--output_dir={tmp_path}", CXX="g++ -Werror")
    assert done.returncode == 0, done.stderr
    (built,) = tmp_path.iterdir()
    assert built.name == f"kernels-{tf.__version__}.so"
    assert not done.stderr
    load = f"import tensorflow as tf; tf.load_op_library({str(built)!r})"
    subprocess.run([sys.executable, "-c", load], check=True, capture_output=True)
