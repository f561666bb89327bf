"""Virtual environments of the peers, which could not share one with this project."""

import argparse
import pathlib
import subprocess
import sys

import turns

LOCKS = pathlib.Path(__file__).resolve().parent / "peers"


def add_flag(parser: argparse.ArgumentParser) -> None:
    """Adds --peers_dir, the folder for `find`."""
    parser.add_argument(
        "--peers_dir",
        type=pathlib.Path,
        default=turns.ROOT / "build" / "peers",
        help="where the peers' virtual environments are made",
    )


def find(peer: str, folder: pathlib.Path) -> str:
    """The Python of a peer, whose environment is made at its first use.

    Args:
        peer: The name of a lock in benchmarks/peers: "torch" or "models".
        folder: Where the environments are; each takes gigabytes.
    """
    python = folder / peer / "bin" / "python"
    ready = folder / peer / "ready"
    if not ready.exists():
        print(f"making {folder / peer}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder / peer], check=True)
        install = ("-m", "pip", "install", "--quiet", "--require-hashes", "-r")
        subprocess.run([python, *install, LOCKS / f"{peer}.txt"], check=True)
        ready.touch()
    return str(python)
