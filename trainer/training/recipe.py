"""Settings for fine-tuning that are good before anybody has tuned them.

They are chosen by measurement (docs/adr/0021-fine-tuning.md), and take the place of
defaults only: what the command says stays.
"""

import dataclasses
import logging
import math
from typing import Any

from trainer.config import TrainConfig

# With one of them, the learning rate is the user's affair.
LEARNING_RATE_FLAGS = frozenset(
    {
        "initial_learning_rate",
        "learning_rate_decay_type",
        "decay_steps",
        "warmup_learning_rate",
        "warmup_steps",
        "optimizer_type",
        "optimizer_arguments",
        "stepwise_learning_rate_steps",
        "stepwise_learning_rate_levels",
    }
)
# Of Adam, at this many images a step; goes with the root of the batch.
LEARNING_RATE, BATCH = 0.001, 32
WARMUP_SHARE = 0.1
# Where the number of steps is not known before they begin.
WARMUP_STEPS = 50


def complete(config: TrainConfig) -> TrainConfig:
    """Resolves `--fine_tune=auto`, and logs what it sets as flags to paste.

    Args:
        config: The job, as its command gave it.

    Returns:
        The config that is carried out.
    """
    if config.fine_tune != "auto":
        return config
    if not config.pretrained_checkpoint_path or LEARNING_RATE_FLAGS & config.given:
        return dataclasses.replace(config, fine_tune="full")
    chosen = _choose(config)
    logging.info(
        "recipe | for pretrained weights: %s",
        " ".join(f"--{name}={value}" for name, value in chosen.items()),
    )
    return dataclasses.replace(config, **chosen)


def _choose(config: TrainConfig) -> dict[str, Any]:
    """The flags that the command leaves open."""
    rate = LEARNING_RATE * math.sqrt(config.train_batch_size / BATCH)
    recipe = {
        "fine_tune": "gradual",
        "optimizer_type": "adam",
        "initial_learning_rate": float(f"{rate:.2g}"),
        "warmup_learning_rate": 0.0,
        "warmup_steps": WARMUP_STEPS
        if config.max_minutes
        else round(WARMUP_SHARE * config.max_steps),
        "freeze_batch_norm": "true",
        "weight_decay": 0.0,
        "moving_average_decay": 0.99,
        "min_crop_area": 0.35,
    }
    if config.model_type.startswith("efficientnet"):
        recipe["survival_prob"] = 1.0
    given = config.given - {"fine_tune"}
    return {name: value for name, value in recipe.items() if name not in given}
