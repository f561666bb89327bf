"""Checks across the knobs of `train`: what can't work, what hardly works as meant."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainer.config.lists import parse_numbers, parse_optimizer_arguments
from trainer.config.model_types import HUB
from trainer.config.optimizer_arguments import OPTIMIZER_ARGUMENTS

if TYPE_CHECKING:
    from trainer.config.train import TrainConfig


def find_problems(config: "TrainConfig") -> Iterator[str]:
    """Yields a sentence for each combination of values that can't work."""
    yield from _problems_of_optimizer(config)
    if config.learning_rate_decay_type == "stepwise":
        yield from _problems_of_stepwise(config)
    yield from _problems_of_time(config)
    yield from _problems_of_dropout(config)
    yield from _problems_of_hub(config)
    yield from _problems_of_profile(config)
    yield from _problems_of_micro_batches(config)


def find_warnings(config: "TrainConfig") -> Iterator[str]:
    """Yields a sentence for each combination that works, but hardly as meant."""
    if config.warmup_steps >= config.max_steps:
        yield (
            f"--warmup_steps={config.warmup_steps} is not below "
            f"--max_steps={config.max_steps}: the whole job is warm-up."
        )
    is_frozen = config.fine_tune in ("head", "gradual")
    if is_frozen and not config.has_pretrained_weights:
        yield (
            f"--fine_tune={config.fine_tune} without --pretrained_checkpoint_path "
            "trains the classifier on features of random weights."
        )


def _problems_of_time(config: "TrainConfig") -> Iterator[str]:
    if config.max_minutes and config.learning_rate_decay_type != "cosine":
        yield (
            f"--learning_rate_decay_type={config.learning_rate_decay_type} names its "
            "steps, which --max_minutes can't plan; use cosine or --max_steps."
        )
    if config.max_minutes and config.decay_steps:
        yield (
            f"--decay_steps={config.decay_steps} and --max_minutes="
            f"{config.max_minutes:g} both say when the rate has decayed; give one."
        )
    has_end = config.max_steps or config.max_minutes or config.recipe == "auto"
    if not has_end and config.given & {"max_minutes", "recipe"}:
        yield (
            "--max_steps is required with neither minutes nor a recipe; give it, "
            "--max_minutes=10 or --recipe=auto."
        )


def _problems_of_dropout(config: "TrainConfig") -> Iterator[str]:
    if config.model_type.startswith("efficientnet"):
        return
    for name in ("dropout_rate", "survival_prob"):
        if name == "dropout_rate" and config.model_type == HUB:
            continue
        if getattr(config, name) is not None:
            yield (
                f"--{name}={getattr(config, name)} needs an EfficientNet; "
                f"--model_type={config.model_type} leaves nothing out. Drop the flag."
            )


def _problems_of_hub(config: "TrainConfig") -> Iterator[str]:
    if config.model_type != HUB:
        for name in ("hub_handle", "freeze_backbone"):
            if getattr(config, name):
                yield (
                    f"--{name}={getattr(config, name)} needs --model_type={HUB}, got "
                    f"--model_type={config.model_type}; give that, or drop the flag."
                )
        return
    if not config.hub_handle:
        yield (
            f"--model_type={HUB} needs --hub_handle: the folder, the .tar.gz or the "
            "https:// address of a SavedModel."
        )
    if config.pretrained_checkpoint_path:
        yield (
            f"--pretrained_checkpoint_path={config.pretrained_checkpoint_path} can't "
            f"be given with --model_type={HUB}, whose SavedModel has its weights; drop "
            "one of them."
        )
    if config.precision not in ("auto", "float32"):
        yield (
            f"--precision={config.precision} can't be had with --model_type={HUB}: a "
            "SavedModel computes in the types that it was saved with. Drop the flag."
        )


def _problems_of_optimizer(config: "TrainConfig") -> Iterator[str]:
    known = OPTIMIZER_ARGUMENTS[config.optimizer_type]
    try:
        given = parse_optimizer_arguments(config.optimizer_arguments or "")
    except ValueError as error:
        yield f"--optimizer_arguments: {error}."
        return
    for name, value in given.items():
        if name not in known:
            yield (
                f"--optimizer_arguments: {config.optimizer_type} takes "
                f"{', '.join(known)}, got {name!r}."
            )
        elif isinstance(known[name], bool) != isinstance(value, bool):
            kind = "True or False" if isinstance(known[name], bool) else "a number"
            yield f"--optimizer_arguments: {name} must be {kind}, got {value}."


def _problems_of_profile(config: "TrainConfig") -> Iterator[str]:
    try:
        steps = parse_numbers(config.profile_steps or "1,1", int)
    except ValueError as error:
        yield f"--profile_steps: {error}."
        return
    if len(steps) != 2 or not 1 <= steps[0] <= steps[1]:
        yield (
            "--profile_steps must be the first and the last step, such as 100,110, "
            f"got {config.profile_steps}."
        )


def _problems_of_micro_batches(config: "TrainConfig") -> Iterator[str]:
    found = config.micro_batches
    is_count = found.isascii() and found.isdigit() and int(found) > 0
    if found != "auto" and not is_count:
        yield (
            f"--micro_batches must be auto, or an integer of 1 or more, got {found!r}."
        )


def _problems_of_stepwise(config: "TrainConfig") -> Iterator[str]:
    try:
        steps = parse_numbers(config.stepwise_learning_rate_steps, int)
        levels = parse_numbers(config.stepwise_learning_rate_levels, float)
    except ValueError as error:
        yield f"--stepwise_learning_rate_steps and _levels: {error}."
        return
    if len(steps) != len(levels):
        yield (
            "--stepwise_learning_rate_levels must have as many entries as "
            f"--stepwise_learning_rate_steps, got {len(levels)} and {len(steps)}."
        )
    if steps != sorted(set(steps)) or steps[0] < config.warmup_steps:
        yield (
            "--stepwise_learning_rate_steps must rise and start at or after "
            f"--warmup_steps={config.warmup_steps}, got "
            f"{config.stepwise_learning_rate_steps}."
        )
    if any(level < 0 for level in levels):
        yield (
            "--stepwise_learning_rate_levels must be 0 or more, got "
            f"{config.stepwise_learning_rate_levels}."
        )
