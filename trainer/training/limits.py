"""What a job of several processes can't do, said before they meet. No TensorFlow."""

from trainer import errors
from trainer.config import TrainConfig
from trainer.training.cluster import Cluster

# They draw, or pair, for the whole batch, and a process has a part of it.
MIXING = ("mixup_alpha", "cutmix_alpha", "random_erasing")


def check(config: TrainConfig, place: Cluster) -> None:
    """Ends a job of several processes that asks for what takes one.

    Args:
        config: The job.
        place: Its processes.

    Raises:
        ConfigError: If a flag needs one process.
    """
    if place.is_alone:
        return
    count = len(place.addresses)
    if config.max_minutes:
        raise errors.ConfigError(
            f"--max_minutes={config.max_minutes:g} plans the steps by the speed of one "
            f"process, and this job has {count}; give --max_steps in its place, or "
            "train on one machine."
        )
    given = [
        f"--{name}={getattr(config, name):g}"
        for name in MIXING
        if getattr(config, name)
    ]
    if given:
        raise errors.ConfigError(
            f"{' and '.join(given)} {'changes' if len(given) == 1 else 'change'} a "
            f"batch as a whole, of which each of the {count} processes of this job has "
            "a part; set it to 0, or train on one machine, with all of its GPUs."
        )
