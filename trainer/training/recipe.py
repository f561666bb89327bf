"""Settings that are good before anybody has tuned them.

Two things ask for them: pretrained weights without a word on the learning rate, which
have a recipe for fine-tuning, and `--recipe=auto`, which looks at the data, the device
and the time as well. They are chosen by measurement (docs/adr/0021-fine-tuning.md), and
take the place of defaults only: what the command says stays. Only the learning rate of
`--recipe=auto` is looked at again, once, before step 0 (rate_range.py).
"""

import dataclasses
import logging
import math
from typing import Any, NamedTuple

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
# From scratch, of momentum, for each image of a batch, up to a largest rate.
RATE_OF_AN_IMAGE, LARGEST_RATE = 0.1 / 64, 0.8
WARMUP_SHARE = 0.1
# Where the number of steps is not known before they begin.
WARMUP_STEPS = 50
CPU_BATCH, GPU_BATCH = 32, 128
# A step on fewer than this share of the images is random enough.
LARGEST_BATCH_SHARE = 1 / 8
EPOCHS_PRETRAINED, EPOCHS_FROM_SCRATCH = 10, 60
MIN_STEPS, MAX_STEPS = 200, 50_000


class Facts(NamedTuple):
    """What a recipe looks at, besides the command.

    Attributes:
        num_images: Training images.
        has_gpu: Whether a GPU computes.
        num_replicas: How many share a batch.
    """

    num_images: int
    has_gpu: bool
    num_replicas: int = 1


class _Choice(NamedTuple):
    """The value of a flag, and why."""

    flag: str
    value: Any
    reason: str


def complete(config: TrainConfig, facts: Facts) -> TrainConfig:
    """Resolves `--recipe` and `--fine_tune`, and logs what it sets as flags to paste.

    Args:
        config: The job, as its command gave it.
        facts: Of the data and the device.

    Returns:
        The config that is carried out.
    """
    given = config.given
    chosen: list[_Choice] = []
    completed = config
    rules = [_choose_for_data] if config.recipe == "auto" else []
    for rule in [*rules, _choose_for_training]:
        found = [one for one in rule(completed, facts, given) if one.flag not in given]
        chosen += found
        values = {one.flag: one.value for one in found}
        completed = dataclasses.replace(completed, **values)
    _log(chosen)
    if completed.fine_tune == "auto":
        return dataclasses.replace(completed, fine_tune="full")
    return completed


def finds_rate(config: TrainConfig) -> bool:
    """Whether a range test looks for the learning rate, around that of the recipe.

    Args:
        config: The job, as its command gave it.
    """
    has_rule = config.fine_tune == "auto" or not config.pretrained_checkpoint_path
    is_open = has_rule and not LEARNING_RATE_FLAGS & config.given
    return config.recipe == "auto" and is_open


def _choose_for_data(
    config: TrainConfig, facts: Facts, given: frozenset[str]
) -> list[_Choice]:
    """Batch and steps."""
    batch = _choose_batch(facts)
    if "train_batch_size" in given:
        batch = config.train_batch_size
    where = "a GPU" if facts.has_gpu else "a CPU"
    chosen = [
        _Choice("train_batch_size", batch, f"{facts.num_images} images on {where}")
    ]
    if not config.max_minutes:
        is_pretrained = config.has_pretrained_weights
        epochs = EPOCHS_PRETRAINED if is_pretrained else EPOCHS_FROM_SCRATCH
        num_steps = math.ceil(epochs * facts.num_images / batch)
        bounded = min(max(num_steps, MIN_STEPS), MAX_STEPS)
        reason = f"{bounded * batch / facts.num_images:.0f} epochs"
        chosen.append(_Choice("max_steps", bounded, reason))
    return chosen


def _choose_batch(facts: Facts) -> int:
    """A power of 2 that suits the device, smaller for little data, equal for all.

    So each replica has as many images, and one at least.
    """
    usual = GPU_BATCH if facts.has_gpu else CPU_BATCH
    largest = max(1.0, facts.num_images * LARGEST_BATCH_SHARE)
    suitable = int(min(usual, 2 ** math.floor(math.log2(largest))))
    return facts.num_replicas * max(1, round(suitable / facts.num_replicas))


def _choose_for_training(
    config: TrainConfig, _: Facts, given: frozenset[str]
) -> list[_Choice]:
    """Optimizer, learning rate and what is frozen."""
    if LEARNING_RATE_FLAGS & given:
        return []
    if config.has_pretrained_weights and config.fine_tune == "auto":
        return _fine_tune(config)
    if config.recipe == "auto" and not config.has_pretrained_weights:
        return _train_from_scratch(config)
    return []


def _fine_tune(config: TrainConfig) -> list[_Choice]:
    rate = LEARNING_RATE * math.sqrt(config.train_batch_size / BATCH)
    weights = "for pretrained weights"
    brief = "a short job learns faster"
    chosen = [
        _Choice("fine_tune", "gradual", "the classifier starts at random"),
        _Choice("freeze_batch_norm", "true", weights),
        _Choice("optimizer_type", "adam", weights),
        _Choice("initial_learning_rate", float(f"{rate:.2g}"), "goes with the batch"),
        _Choice("warmup_learning_rate", 0.0, weights),
        _Choice("warmup_steps", _count_warmup(config), weights),
        _Choice("weight_decay", 0.0, weights),
        _Choice("moving_average_decay", 0.99, "steadier evaluations"),
        _Choice("min_crop_area", 0.35, brief),
    ]
    if config.model_type.startswith("efficientnet"):
        chosen.append(_Choice("survival_prob", 1.0, brief))
    return chosen


def _train_from_scratch(config: TrainConfig) -> list[_Choice]:
    rate = min(RATE_OF_AN_IMAGE * config.train_batch_size, LARGEST_RATE)
    return [
        _Choice("initial_learning_rate", float(f"{rate:.2g}"), "goes with the batch"),
        _Choice("warmup_steps", _count_warmup(config), "from random weights"),
    ]


def _count_warmup(config: TrainConfig) -> int:
    if config.max_minutes:
        return WARMUP_STEPS
    return round(WARMUP_SHARE * config.max_steps)


def _log(chosen: list[_Choice]) -> None:
    if not chosen:
        return
    for one in chosen:
        logging.info("recipe | --%s=%s | %s", one.flag, one.value, one.reason)
    logging.info(
        "recipe | the same by hand: %s",
        " ".join(f"--{one.flag}={one.value}" for one in chosen),
    )
