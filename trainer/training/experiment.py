"""The composition root of training: a config -> the best SavedModel in its job-dir."""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from trainer import environment, storage
from trainer.config import TrainConfig
from trainer.data import index_cache, pipeline
from trainer.models import factory, pretrained
from trainer.serving import export, parity
from trainer.training import (
    agreement,
    best_model,
    cluster,
    distribution,
    evaluation,
    failures,
    hypertuning,
    inputs,
    job_state,
    loop,
    profiling,
    progress,
    runner,
    steps,
    summaries,
    team,
)
from trainer.training.interruption import Interrupted, Interruption
from trainer.training.layout import JobLayout, own_layout


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


class _Parts(NamedTuple):
    """What lives as long as the job."""

    layout: JobLayout
    team: team.Team
    strategy: tf.distribute.Strategy
    known: index_cache.IndexCache
    data: inputs.Inputs
    trainer: steps.Trainer
    evaluator: steps.Evaluator
    state: job_state.JobState
    # What defaults came to, for metrics.json.
    resolved: dict[str, Any]


def _run(
    config: TrainConfig, place: cluster.Cluster, interruption: Interruption
) -> None:
    strategy = distribution.build_strategy(
        cluster=place,
        num_gpus=config.num_gpus,
        batch_sizes=[config.train_batch_size, config.resolved_eval_batch_size],
    )
    # A cluster's service takes them.
    interruption.listen()
    parts = _build_parts(config, strategy, team.Team(place, strategy))
    if not parts.state.restore() and config.pretrained_checkpoint_path:
        pretrained.load_pretrained(
            parts.trainer.model, config.pretrained_checkpoint_path
        )
    parts.state.start()
    interruption.defer()
    agreed = agreement.Agreement(parts.team, interruption, parts.data.bad_records)
    with (
        _shown_progress(config, parts) as shown,
        _open_events(parts) as events,
    ):
        try:
            metrics = _train_and_evaluate(config, parts, shown, events, agreed)
        except Interrupted:
            parts.state.save_if_changed()
            parts.team.gather("saved")
            raise
    if parts.team.is_chief:
        _log_end(parts, metrics)
    # Nobody leaves before the chief has written all.
    parts.team.gather("done")


@contextlib.contextmanager
def _open_events(parts: _Parts) -> Iterator[summaries.Summaries | None]:
    """The chief's alone."""
    if not parts.team.is_chief:
        yield None
        return
    with summaries.open_summaries(parts.layout.log_dir) as events:
        yield events


def _build_parts(
    config: TrainConfig, strategy: tf.distribute.Strategy, mates: team.Team
) -> _Parts:
    """Checks the data and the job-dir first: a model takes longer to build."""
    for warning in config.warnings():
        logging.warning(warning)
    layout = own_layout(config.job_dir)
    if storage.is_gs(layout.root_dir) and mates.is_chief:
        # Leaves nothing behind, and the data may take minutes to come.
        storage.make_writable_dir(layout.root_dir, "job-dir")
    known = index_cache.IndexCache(layout.index_path)
    data = inputs.open_inputs(config, known)
    if mates.is_chief:
        storage.make_writable_dir(layout.root_dir, "job-dir")
        known.save()
    precision = _resolve_precision(config)
    resolved = _resolve(config, data, precision, strategy)
    _log_start(config, data, resolved)
    with strategy.scope():
        trained = _build_model(config, precision)
        scored = trained if precision == "float32" else _build_model(config, "float32")
        trainer = steps.Trainer(
            config, trained, strategy, uses_loss_scale=precision == "float16"
        )
        evaluator = steps.Evaluator(config, scored, strategy)
    state = job_state.JobState(config, layout, trainer, data.bad_records, mates)
    return _Parts(
        layout, mates, strategy, known, data, trainer, evaluator, state, resolved
    )


def _resolve(
    config: TrainConfig,
    data: inputs.Inputs,
    precision: str,
    strategy: tf.distribute.Strategy,
) -> dict[str, Any]:
    return {
        "image_size": config.resolved_image_size,
        "eval_batch_size": config.resolved_eval_batch_size,
        "train_steps_per_eval": config.resolved_train_steps_per_eval(data.num_training),
        "decay_steps": config.resolved_decay_steps,
        "optimizer_arguments": config.resolved_optimizer_arguments,
        "label_offset": data.training.label_offset,
        "precision": precision,
        "device": distribution.describe_device(strategy),
        "num_replicas": strategy.num_replicas_in_sync,
        "num_training_images": data.num_training,
        "num_validation_images": len(data.validation.index),
    }


def _build_model(config: TrainConfig, precision: str) -> keras.Model:
    return factory.build_model(
        config.model_type,
        num_classes=config.num_classes,
        image_size=config.resolved_image_size,
        precision=precision,
        seed=config.seed,
    )


def _resolve_precision(config: TrainConfig) -> str:
    if config.precision != "auto":
        return config.precision
    return factory.auto_precision(
        config.model_type,
        gpu=distribution.has_gpu(),
        cpu_flags=environment.cpu_flags(),
    )


@contextlib.contextmanager
def _shown_progress(config: TrainConfig, parts: _Parts) -> Iterator[progress.Progress]:
    start_step = parts.trainer.num_steps_done
    if environment.is_terminal() and start_step < config.max_steps:
        with progress.bar(start_step, config.max_steps) as bar:
            yield bar
    else:
        yield progress.Lines(config.max_steps)


def _train_and_evaluate(
    config: TrainConfig,
    parts: _Parts,
    shown: progress.Progress,
    events: summaries.Summaries | None,
    agreed: agreement.Agreement,
) -> loop.Metrics:
    trainer, state = parts.trainer, parts.state
    scores = evaluation.Evaluation(
        config,
        parts.evaluator,
        parts.data.validation,
        trained=trainer.model,
        agreement=agreed,
        part=_part_of(parts, config.resolved_eval_batch_size),
    )
    observers = [shown.show]
    if events:
        observers.append(functools.partial(_write_window, events))
    profiler = profiling.Profiler(
        config.profiled_steps if parts.team.is_chief else None, parts.layout.log_dir
    )
    steps_runner = runner.Runner(
        trainer,
        pipeline.TrainingInput(
            parts.data.training,
            parts.data.order,
            image_size=config.resolved_image_size,
            batch_size=config.train_batch_size,
            seed=config.seed,
            part=_part_of(parts, config.train_batch_size),
        ),
        agreement=agreed,
        profiler=profiler,
        record=state.curve.add,
        observers=observers,
        report_secs=shown.report_secs,
    )

    def train(to_step: int) -> None:
        batch_flag = f"--train_batch_size={config.train_batch_size}"
        with failures.explained(parts.data.training, batch_flag):
            steps_runner.train(
                to_step, save=state.save, save_secs=config.checkpoint_secs
            )

    with contextlib.closing(profiler):
        return loop.train_and_evaluate(
            train=train,
            evaluate=scores.evaluate,
            eval_steps=_plan_evaluations(config, parts),
            actions=_build_actions(config, parts, events, scores),
        )


def _part_of(parts: _Parts, batch_size: int) -> pipeline.Part:
    rows = distribution.process_rows(parts.strategy, batch_size)
    return pipeline.Part(rows, is_shared=not parts.team.is_alone)


def _plan_evaluations(config: TrainConfig, parts: _Parts) -> list[int]:
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
    parts: _Parts,
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
            resolved=parts.resolved,
            bad_records={
                split: bad.describe() for split, bad in parts.data.bad_records.items()
            },
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


def _build_gate(parts: _Parts, scores: evaluation.Evaluation) -> parity.ParityGate:
    return parity.ParityGate(
        parts.data.sample,
        scores.predict,
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


def _log_start(
    config: TrainConfig, data: inputs.Inputs, resolved: dict[str, Any]
) -> None:
    num_examples = data.num_training
    logging.info(
        "data  | %d training and %d validation images, %d classes, labels from %d",
        num_examples,
        len(data.validation.index),
        config.num_classes,
        data.training.label_offset,
    )
    logging.info(
        "model | %s at %d px, %s, on %s",
        config.model_type,
        config.resolved_image_size,
        resolved["precision"],
        resolved["device"],
    )
    logging.info(
        "job   | %d steps of %d images (%.1f epochs), evaluation every %d steps | %s",
        config.max_steps,
        config.train_batch_size,
        config.max_steps * config.train_batch_size / num_examples,
        config.resolved_train_steps_per_eval(num_examples),
        config.job_dir,
    )


def _log_end(parts: _Parts, metrics: loop.Metrics) -> None:
    best = parts.state.history.best or {**metrics, "step": parts.trainer.num_steps_done}
    logging.info(
        "done  | top_1_accuracy %.4f now, %.4f at best (step %d) | model in %s",
        metrics["top_1_accuracy"],
        best["top_1_accuracy"],
        best["step"],
        parts.layout.model_dirs[0],
    )
