"""The steps of a job on its training data."""

import functools
from collections.abc import Sequence

from trainer.config import TrainConfig
from trainer.data import augmentation, pipeline
from trainer.training import distribution, failures, runner
from trainer.training.job_parts import JobParts


def build_runner(
    config: TrainConfig,
    parts: JobParts,
    observers: Sequence[runner.Observer],
    report_secs: float,
) -> runner.Runner:
    """Builds what takes the steps of a job.

    Args:
        config: The job, as it is carried out.
        parts: What it is made of.
        observers: See Runner.
        report_secs: See Runner.
    """
    decoder = augmentation.build_decoder(
        config.augmentation,
        image_size=config.resolved_image_size,
        min_area=config.min_crop_area,
    )
    return runner.Runner(
        parts.trainer,
        pipeline.TrainingInput(
            parts.data.training,
            parts.data.order,
            image_size=config.resolved_image_size,
            batch_size=config.train_batch_size,
            seed=config.seed,
            decoder=decoder,
            cache=parts.decoded_cache,
            rows=distribution.process_rows(parts.strategy, config.train_batch_size),
            is_shared=not parts.team.is_alone,
        ),
        micro_batches=parts.micro_batches,
        agreement=parts.agreement,
        profiler=parts.profiler,
        record=parts.state.curve.add,
        observers=observers,
        report_secs=report_secs,
    )


def train(
    config: TrainConfig, parts: JobParts, steps_runner: runner.Runner, to_step: int
) -> int:
    """Trains up to a step, or until the time of the job is over.

    Args:
        config: The job, as it is carried out.
        parts: What it is made of.
        steps_runner: Takes the steps.
        to_step: Step to stop at.

    Returns:
        The step that was reached.
    """
    batch_flag = f"--micro_batches={parts.micro_batches.count}"
    with failures.explained(parts.data.training, batch_flag, "raise it"):
        steps_runner.train(
            to_step,
            save=functools.partial(parts.state.save, waits=False),
            save_secs=config.checkpoint_secs,
            is_late=parts.state.budget.is_late,
        )
    if parts.decoded_cache:
        num_good = parts.data.num_training - len(parts.data.training.bad)
        parts.decoded_cache.report(num_good)
    return parts.trainer.num_steps_done
