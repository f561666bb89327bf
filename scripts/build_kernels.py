"""Compiles trainer/data/kernels for the TensorFlow of the Python that runs this.

    python scripts/build_kernels.py

Needs a C++ compiler: the one that the variable CXX names, or else g++; tested with 12.
Without the library all works as well, but a training's input takes twice the time. It
is left out where there is no g++ and CXX names no other, or CXX is empty.
"""

import argparse
import concurrent.futures
import importlib.metadata
import importlib.util
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

SOURCE_DIR = pathlib.Path(__file__).parent.parent / "trainer" / "data" / "kernels"
# The second line is what tf.sysconfig.get_compile_flags() says of TensorFlow's wheels.
# It is not asked, since TensorFlow for TPUs waits for one while it is imported.
FLAGS = (
    *("-O3", "-ffp-contract=fast", "-fPIC", "-Wall", "-Wextra"),
    *("-std=c++17", "-D_GLIBCXX_USE_CXX11_ABI=1", "-DEIGEN_MAX_ALIGN_BYTES=64"),
)
LIBRARIES = ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")
PACKAGES = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu")


def main(argv: Sequence[str]) -> int:
    """Writes the library, and says where."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--include_dir", help="TensorFlow's headers; those in its package by default"
    )
    parser.add_argument(
        "--output_dir", default=SOURCE_DIR, help="where trainer looks by default"
    )
    flags = parser.parse_args(argv)
    output_dir = pathlib.Path(flags.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    named = os.environ.get("CXX")
    # May have flags behind it, as make's CXX.
    compiler = shlex.split("g++" if named is None else named)
    if not compiler:
        return _leave_out("CXX is empty")
    if shutil.which(compiler[0]) is None:
        reason = f"{compiler[0]} is not there: install it, or name another as CXX"
        return _leave_out(reason) if named is None else _fail(reason)
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        return _fail(f"{sys.executable} has no TensorFlow to compile for")
    package = pathlib.Path(spec.submodule_search_locations[0])
    include = pathlib.Path(flags.include_dir or package / "include")
    output = output_dir / f"kernels-{_find_version()}.so"
    try:
        _compile(compiler, package, include, output)
    except subprocess.CalledProcessError as error:
        return _fail(f"{compiler[0]} ended with {error.returncode}, as it says above")
    print(output)
    return 0


def _leave_out(reason: str) -> int:
    print(f"The kernels for input are left out ({reason}): it takes twice the time.")
    return 0


def _fail(reason: str) -> int:
    print(
        f"The kernels for input are not built: {reason}. An empty CXX leaves them out; "
        "input takes twice the time then.",
        file=sys.stderr,
    )
    return 1


def _find_version() -> str:
    """As tf.__version__ says it."""
    for package in PACKAGES:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise LookupError(f"TensorFlow is there, but none of {PACKAGES} brought it")


def _compile(
    compiler: Sequence[str],
    package: pathlib.Path,
    include: pathlib.Path,
    output: pathlib.Path,
) -> None:
    """Each source in a process of its own, which takes most of the time."""
    headers = [include, include / "external" / "libjpeg_turbo"]
    sources = sorted(SOURCE_DIR.glob("*.cc"))
    with (
        tempfile.TemporaryDirectory() as directory,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        objects = [pathlib.Path(directory, f"{source.stem}.o") for source in sources]
        commands = [
            [*compiler, "-c", *FLAGS, *_as_system(headers), source, "-o", target]
            for source, target in zip(sources, objects, strict=True)
        ]
        list(pool.map(_run, commands))
        libraries = [f"-l:{name}" for name in LIBRARIES]
        # In one move, so that no process loads half of it.
        linked = pathlib.Path(directory, output.name)
        folder = f"-L{package}"
        _run([*compiler, "-shared", *objects, folder, *libraries, "-o", linked])
        staged = output.with_suffix(f".{os.getpid()}")
        shutil.copyfile(linked, staged)
        staged.replace(output)


def _as_system(headers: Sequence[pathlib.Path]) -> list[str]:
    """Warnings of theirs are not ours."""
    return [f"-isystem{header}" for header in headers]


def _run(command: Sequence[str | pathlib.Path]) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
