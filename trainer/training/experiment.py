"""The composition root of training: a config -> the best SavedModel in its job-dir."""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Iterator

from trainer import environment
from trainer.config import TrainConfig
from trainer.serving import export, parity
from trainer.training import (
    best_model,
    cluster,
    distribution,
    evaluation,
    head_fit,
    hypertuning,
    job_parts,
    job_plan,
    job_steps,
    loop,
    progress,
    runner,
    summaries,
    team,
)
from trainer.training.interruption import Interrupted, Interruption
from trainer.training.job_parts import JobParts


def run(config: TrainConfig) -> int:
    """Trains, or goes on training, until `max_steps`.

    Args:
        config: The job.

    Returns:
        0, or 128 + the signal's number if the process was asked to end; a checkpoint
        is then in place.

    Raises:
        JobError: If the job can't be done as it is.
    """
    place = cluster.own_cluster()
    with Interruption() as interruption, team.explained(place):
        try:
            _run(config, place, interruption)
        except Interrupted as error:
            logging.warning("Ended by %s; the same command resumes.", error)
            return error.exit_code
    return 0


def _run(
    given: TrainConfig, place: cluster.Cluster, interruption: Interruption
) -> None:
    strategy = distribution.build_strategy(
        cluster=place,
        num_gpus=given.num_gpus,
        batch_sizes=[given.train_batch_size, given.resolved_eval_batch_size],
    )
    # A cluster's service takes them.
    interruption.listen()
    parts = job_parts.build_parts(
        given, strategy, team.Team(place, strategy), interruption
    )
    if not parts.state.restore():
        _start(parts, interruption)
    parts.state.start()
    interruption.defer()
    with contextlib.closing(parts.profiler):
        try:
            parts = job_plan.find_rate(parts)
            config = job_plan.plan_steps(parts)
            metrics = _train_with_progress(config, parts)
        except Interrupted:
            parts.state.save_if_changed()
            parts.team.gather("saved")
            raise
    if parts.team.is_chief:
        _log_end(config, parts, metrics)
    # Nobody leaves before the chief has written all.
    parts.team.gather("done")


def _train_with_progress(config: TrainConfig, parts: JobParts) -> loop.Metrics:
    with (
        _shown_progress(config, parts) as shown,
        _open_events(parts) as events,
    ):
        return _train_and_evaluate(config, parts, shown, events)


@contextlib.contextmanager
def _open_events(parts: JobParts) -> Iterator[summaries.Summaries | None]:
    """The chief's alone."""
    if not parts.team.is_chief:
        yield None
        return
    with summaries.open_summaries(parts.layout.log_dir) as events:
        yield events


def _start(parts: JobParts, interruption: Interruption) -> None:
    """Brings the model to where step 0 begins; other processes take the chief's."""
    config, model = parts.config, parts.trainer.model
    if parts.team.is_chief:
        parts.start.load(model)
        if config.fine_tune == "gradual":
            head_fit.fit_head(model, config, parts.data.training, interruption)
    parts.trainer.start_from_model()


@contextlib.contextmanager
def _shown_progress(
    config: TrainConfig, parts: JobParts
) -> Iterator[progress.Progress]:
    start_step = parts.trainer.num_steps_done
    if environment.is_terminal() and start_step < config.max_steps:
        with progress.bar(start_step, config.max_steps) as bar:
            yield bar
    else:
        yield progress.Lines(config.max_steps)


def _train_and_evaluate(
    config: TrainConfig,
    parts: JobParts,
    shown: progress.Progress,
    events: summaries.Summaries | None,
) -> loop.Metrics:
    trainer = parts.trainer
    scores = evaluation.Evaluation(
        config,
        parts.evaluator,
        parts.data.validation,
        scored=None
        if parts.evaluator.model is trainer.model
        else trainer.scored_variables,
        agreement=parts.agreement,
        rows=distribution.process_rows(parts.strategy, config.resolved_eval_batch_size),
    )
    observers: list[runner.Observer] = [shown.show]
    if events:
        observers.append(functools.partial(_write_window, events))
    steps_runner = job_steps.build_runner(config, parts, observers, shown.report_secs)

    return loop.train_and_evaluate(
        train=functools.partial(job_steps.train, config, parts, steps_runner),
        evaluate=scores.evaluate,
        eval_steps=_plan_evaluations(config, parts),
        actions=_build_actions(config, parts, events, scores),
        is_done=lambda: _ended_early(config, parts) is not None,
    )


def _ended_early(config: TrainConfig, parts: JobParts) -> str | None:
    """Why the job takes no more steps though some are left."""
    if parts.trainer.num_steps_done >= config.max_steps:
        return None
    if parts.state.budget.is_late():
        return f"the time is over (--max_minutes={config.max_minutes:g})"
    patience = config.early_stopping_evals
    count = parts.state.history.num_without_better
    if not patience or count < patience:
        return None
    return (
        f"{count} evaluations in a row had no better top_1_accuracy "
        f"(--early_stopping_evals={patience})"
    )


def _plan_evaluations(config: TrainConfig, parts: JobParts) -> list[int]:
    num_examples = parts.data.num_training
    return list(
        loop.plan_evaluations(
            start_step=parts.trainer.num_steps_done,
            max_steps=config.max_steps,
            steps_per_eval=config.resolved_train_steps_per_eval(num_examples),
            is_evaluated=parts.state.history.has,
        )
    )


def _build_actions(
    config: TrainConfig,
    parts: JobParts,
    events: summaries.Summaries | None,
    scores: evaluation.Evaluation,
) -> list[loop.Action]:
    """What follows an evaluation. What is reported last is on disk by then."""
    history = parts.state.history
    if events is None:
        return [history.add]
    exporter = export.Exporter(
        parts.evaluator.model,
        image_size=config.resolved_image_size,
        num_classes=config.num_classes,
    )

    def log(step: int, metrics: loop.Metrics) -> None:
        progress.log_evaluation(
            step, config.max_steps, metrics, is_best=history.is_best(step)
        )

    def save(*_: object) -> None:
        parts.known.save()
        history.save(
            parts.layout.metrics_path,
            flags=dataclasses.asdict(config),
            resolved={**parts.resolved, "micro_batches": parts.micro_batches.count},
            bad_records={
                split: bad.describe() for split, bad in parts.data.bad_records.items()
            },
            ended_early=_ended_early(config, parts),
        )
        parts.state.curve.save(parts.layout.curve_path)
        parts.state.save()

    return [
        history.add,
        log,
        events.write_evaluation,
        best_model.BestModel(
            exporter,
            _build_gate(parts, scores),
            parts.layout,
            history,
            parts.data.label_names,
        ),
        save,
        hypertuning.Reporter(parts.layout.trial_id),
    ]


def _build_gate(parts: JobParts, scores: evaluation.Evaluation) -> parity.ParityGate:
    return parity.ParityGate(
        parts.data.sample,
        scores.predict,
        scores.measure_instability,
        max_difference=parity.MAX_DIFFERENCE_ACCELERATOR
        if distribution.has_gpu()
        else parity.MAX_DIFFERENCE_CPU,
    )


def _write_window(events: summaries.Summaries, window: progress.TrainingWindow) -> None:
    events.write_training(
        window.step,
        {
            "loss": window.loss,
            "accuracy": window.accuracy,
            "learning_rate": window.learning_rate,
            "images_per_second": window.images_per_second,
            "input_wait_share": window.wait_secs / max(window.secs, 1e-9),
        },
    )


def _log_end(config: TrainConfig, parts: JobParts, metrics: loop.Metrics) -> None:
    reason = _ended_early(config, parts)
    if reason:
        step = parts.trainer.num_steps_done
        logging.info("end   | at step %d of %d: %s", step, config.max_steps, reason)
    best = parts.state.history.best or {**metrics, "step": parts.trainer.num_steps_done}
    logging.info(
        "done  | top_1_accuracy %.4f now, %.4f at best (step %d) | model in %s",
        metrics["top_1_accuracy"],
        best["top_1_accuracy"],
        best["step"],
        parts.layout.model_dirs[0],
    )
