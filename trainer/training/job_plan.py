"""What a job finds out by steps of its own: its learning rate, and how many to take."""

import dataclasses
import math

from trainer.config import TrainConfig
from trainer.training import job_steps, rate_range, snapshot, time_budget
from trainer.training.job_parts import JobParts
from trainer.training.open_rate import OpenRate


def find_rate(parts: JobParts) -> JobParts:
    """Fixes the learning rate that a recipe left open; see rate_range.

    Args:
        parts: The job before its first step, or restored.

    Returns:
        The same with the rate in its config.
    """
    open_rate = parts.trainer.open_rate
    if open_rate is None:
        return parts
    if open_rate.found is None:
        open_rate.fix(_test_rates(parts, open_rate))
        # A job that is killed goes on with it, whatever it would find another time.
        parts.state.save()
    rate = float(f"{open_rate.found:.2g}")
    return parts._replace(
        config=dataclasses.replace(parts.config, initial_learning_rate=rate)
    )


def _test_rates(parts: JobParts, open_rate: OpenRate) -> float:
    """Tries rates, and leaves everything else as it was."""
    config, variables = parts.config, parts.trainer.variables
    steps_runner = job_steps.build_runner(config, parts, [], math.inf)

    def take_step(rate: float) -> float:
        open_rate.try_out(rate)
        return steps_runner.take_step().loss

    before = snapshot.take(variables)
    try:
        return rate_range.find_rate(
            config.initial_learning_rate,
            take_step,
            max_steps=config.max_steps,
            secs=60.0 * config.max_minutes or math.inf,
        )
    finally:
        open_rate.try_out(0.0)
        snapshot.put_back(variables, before)


def plan_steps(parts: JobParts) -> TrainConfig:
    """Fixes how many steps fit into --max_minutes; see time_budget.

    Args:
        parts: The job; takes its first steps if they are still to be measured.

    Returns:
        Its config with the steps in it.
    """
    config = parts.config
    if not config.max_minutes:
        return config
    trainer, budget = parts.trainer, parts.state.budget
    num_examples = len(parts.data.validation.index)
    eval_images = min(config.num_eval_images, num_examples) or num_examples
    steps_runner = job_steps.build_runner(config, parts, [], math.inf)

    def train() -> int:
        to_step = min(trainer.num_steps_done + time_budget.MIN_STEPS, config.max_steps)
        return job_steps.train(config, parts, steps_runner, to_step)

    if trainer.planned_steps is None:
        found = budget.plan(
            train,
            eval_steps=eval_images / config.train_batch_size,
            warmup_steps=config.warmup_steps,
            max_steps=config.max_steps,
        )
        trainer.plan_steps(found)
        parts.state.save()
    assert trainer.planned_steps is not None
    planned = dataclasses.replace(
        config,
        max_steps=trainer.planned_steps,
        train_steps_per_eval=config.train_steps_per_eval
        or math.ceil(trainer.planned_steps / time_budget.NUM_EVALUATIONS),
    )
    parts.resolved["decay_steps"] = planned.max_steps
    parts.resolved["train_steps_per_eval"] = planned.train_steps_per_eval
    return planned
