"""Training flags as a container; paths in it are those outside."""

import os
from collections.abc import Iterator, Mapping, Sequence

from trainer import config

_PATH_FLAGS = (
    "training_data_path",
    "validation_data_path",
    "pretrained_checkpoint_path",
    "hub_handle",
    "job_dir",
    "cache_dir",
)


def build_command(
    image: str,
    arguments: Sequence[str],
    *,
    name: str,
    folders: Sequence[str],
    variables: Mapping[str, str],
) -> list[str]:
    """The command line that runs an image to its end.

    Args:
        image: The Docker image.
        arguments: What it is to do.
        name: Of the container; there can't be two of a name.
        folders: Local folders that it needs beside the current one.
        variables: Added to its environment.
    """
    shared = sorted({os.getcwd(), *folders})
    return [
        *("docker", "run", "--rm", f"--name={name}"),
        f"--user={os.getuid()}:{os.getgid()}",
        f"--workdir={os.getcwd()}",
        *(f"--volume={folder}:{folder}" for folder in shared),
        *(f"--env={key}={value}" for key, value in variables.items()),
        image,
        *arguments,
    ]


def find_folders(train: config.TrainConfig) -> Iterator[str]:
    """Folders that hold what flags name by a local path."""
    for flag in _PATH_FLAGS:
        path = getattr(train, flag)
        if path not in ("", config.IMAGENET) and "://" not in path:
            is_root = flag in ("job_dir", "cache_dir")
            yield os.path.abspath(path if is_root else os.path.dirname(path))
