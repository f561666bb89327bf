"""The composition root of training: a config -> the best SavedModel in its job-dir."""

import contextlib
import dataclasses
import functools
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from trainer import environment, storage
from trainer.config import TrainConfig
from trainer.data import augmentation, index_cache, pipeline
from trainer.models import factory, layers
from trainer.models import variant as variants
from trainer.models.variant import Variant
from trainer.serving import export, parity
from trainer.training import (
    agreement,
    best_model,
    class_weights,
    cluster,
    distribution,
    evaluation,
    failures,
    head_fit,
    hypertuning,
    inputs,
    job_state,
    loop,
    profiling,
    progress,
    recipe,
    runner,
    start,
    steps,
    summaries,
    team,
    time_budget,
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

    config: TrainConfig
    layout: JobLayout
    team: team.Team
    agreement: agreement.Agreement
    profiler: profiling.Profiler
    strategy: tf.distribute.Strategy
    known: index_cache.IndexCache
    data: inputs.Inputs
    trainer: steps.Trainer
    evaluator: steps.Evaluator
    state: job_state.JobState
    start: start.Start
    # What defaults came to, for metrics.json.
    resolved: dict[str, Any]


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
    parts = _build_parts(given, strategy, team.Team(place, strategy), interruption)
    if not parts.state.restore():
        _start(parts, interruption)
    parts.state.start()
    interruption.defer()
    with contextlib.closing(parts.profiler):
        try:
            config = _plan_steps(parts)
            metrics = _train_with_progress(config, parts)
        except Interrupted:
            parts.state.save_if_changed()
            parts.team.gather("saved")
            raise
    if parts.team.is_chief:
        _log_end(config, parts, metrics)
    # Nobody leaves before the chief has written all.
    parts.team.gather("done")


def _train_with_progress(config: TrainConfig, parts: _Parts) -> loop.Metrics:
    with (
        _shown_progress(config, parts) as shown,
        _open_events(parts) as events,
    ):
        return _train_and_evaluate(config, parts, shown, events)


@contextlib.contextmanager
def _open_events(parts: _Parts) -> Iterator[summaries.Summaries | None]:
    """The chief's alone."""
    if not parts.team.is_chief:
        yield None
        return
    with summaries.open_summaries(parts.layout.log_dir) as events:
        yield events


def _complete(given: TrainConfig, data: inputs.Inputs, mates: team.Team) -> TrainConfig:
    """What is carried out; a job with a time limit only may take all steps there are.

    Warns of what hardly works as meant.
    """
    facts = mates.share([data.num_training, distribution.has_gpu()])
    config = recipe.complete(given, recipe.Facts(*facts))
    if not config.max_steps:
        config = dataclasses.replace(config, max_steps=int(steps.UNPLANNED_STEPS))
    for warning in config.warnings():
        logging.warning(warning)
    return config


def _plan_steps(parts: _Parts) -> TrainConfig:
    """Fixes how many steps fit into --max_minutes; see time_budget."""
    config = parts.config
    if not config.max_minutes:
        return config
    trainer, budget = parts.trainer, parts.state.budget
    num_examples = len(parts.data.validation.index)
    eval_images = min(config.num_eval_images, num_examples) or num_examples
    steps_runner = _build_runner(config, parts, [], math.inf)

    def train() -> int:
        to_step = min(trainer.num_steps_done + time_budget.MIN_STEPS, config.max_steps)
        return _train(config, parts, steps_runner, to_step)

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


def _start(parts: _Parts, interruption: Interruption) -> None:
    """Brings the model to where step 0 begins; other processes take the chief's."""
    config, model = parts.config, parts.trainer.model
    if parts.team.is_chief:
        parts.start.load(model)
        if config.fine_tune == "gradual":
            head_fit.fit_head(model, config, parts.data.training, interruption)
    parts.trainer.start_from_model()


def _build_parts(
    given: TrainConfig,
    strategy: tf.distribute.Strategy,
    mates: team.Team,
    interruption: Interruption,
) -> _Parts:
    """Checks the data and the job-dir first: a model takes longer to build."""
    layout = own_layout(given.job_dir)
    if storage.is_gs(layout.root_dir) and mates.is_chief:
        # Leaves nothing behind, and the data may take minutes to come.
        storage.make_writable_dir(layout.root_dir, "job-dir")
    known = index_cache.IndexCache(layout.index_path)
    data = inputs.open_inputs(given, known)
    config = _complete(given, data, mates)
    batch_sizes = [config.train_batch_size, config.resolved_eval_batch_size]
    distribution.check_replicas(strategy, batch_sizes)
    if mates.is_chief:
        storage.make_writable_dir(layout.root_dir, "job-dir")
        known.save()
    resolved = _resolve(config, data, strategy)
    _log_start(config, data, resolved)
    origin = _find_start(config, layout, mates)
    trainer, evaluator = _build_steps(
        config, data, strategy, origin.variant, resolved["precision"]
    )
    return _Parts(
        config=config,
        layout=layout,
        team=mates,
        agreement=agreement.Agreement(mates, interruption, data.bad_records),
        profiler=profiling.Profiler(
            config.profiled_steps if mates.is_chief else None, layout.log_dir
        ),
        strategy=strategy,
        known=known,
        data=data,
        trainer=trainer,
        evaluator=evaluator,
        state=job_state.JobState(
            config, layout, trainer, data.bad_records, origin.variant, mates
        ),
        start=origin,
        resolved=resolved,
    )


def _find_start(
    config: TrainConfig, layout: JobLayout, mates: team.Team
) -> start.Start:
    """The chief's; the others need to know no more of it than the variant."""
    found = start.find_start(config, layout) if mates.is_chief else None
    variant = mates.share(found and found.variant.export())
    return found or start.Start(variants.restore(variant), None, "")


def _build_steps(
    config: TrainConfig,
    data: inputs.Inputs,
    strategy: tf.distribute.Strategy,
    variant: Variant,
    precision: str,
) -> tuple[steps.Trainer, steps.Evaluator]:
    with strategy.scope():
        trained = scored = _build_model(config, variant, precision)
        if precision != "float32" or config.moving_average_decay:
            scored = _build_model(config, variant, "float32")
        trainer = steps.Trainer(
            config,
            trained,
            strategy,
            uses_loss_scale=precision == "float16",
            class_weights=_weigh_classes(config, data),
        )
        return trainer, steps.Evaluator(config, scored, strategy)


def _weigh_classes(config: TrainConfig, data: inputs.Inputs) -> np.ndarray | None:
    if config.class_weights == "none":
        return None
    found = class_weights.compute_class_weights(data.class_counts, config.class_weights)
    logging.info(
        "data  | class weights from %.3g to %.3g (--class_weights=%s)",
        found.min(),
        found.max(),
        config.class_weights,
    )
    return found


def _resolve(
    config: TrainConfig, data: inputs.Inputs, strategy: tf.distribute.Strategy
) -> dict[str, Any]:
    return {
        "image_size": config.resolved_image_size,
        "eval_batch_size": config.resolved_eval_batch_size,
        "train_steps_per_eval": config.resolved_train_steps_per_eval(data.num_training),
        "decay_steps": config.resolved_decay_steps,
        "optimizer_arguments": config.resolved_optimizer_arguments,
        "label_offset": data.training.label_offset,
        "precision": _resolve_precision(config),
        "device": distribution.describe_device(strategy),
        "num_replicas": strategy.num_replicas_in_sync,
        "num_training_images": data.num_training,
        "num_validation_images": len(data.validation.index),
    }


def _build_model(config: TrainConfig, variant: Variant, precision: str) -> keras.Model:
    model = factory.build_model(
        config.model_type,
        variant,
        num_classes=config.num_classes,
        image_size=config.resolved_image_size,
        precision=precision,
        seed=config.seed,
    )
    layers.set_drop_rates(
        model, dropout_rate=config.dropout_rate, survival_prob=config.survival_prob
    )
    if config.freezes_batch_norm:
        layers.freeze_statistics(model)
    return model


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
        part=_part_of(parts, config.resolved_eval_batch_size),
    )
    observers: list[runner.Observer] = [shown.show]
    if events:
        observers.append(functools.partial(_write_window, events))
    steps_runner = _build_runner(config, parts, observers, shown.report_secs)

    return loop.train_and_evaluate(
        train=functools.partial(_train, config, parts, steps_runner),
        evaluate=scores.evaluate,
        eval_steps=_plan_evaluations(config, parts),
        actions=_build_actions(config, parts, events, scores),
        is_done=lambda: _ended_early(config, parts) is not None,
    )


def _train(
    config: TrainConfig, parts: _Parts, steps_runner: runner.Runner, to_step: int
) -> int:
    """Trains up to a step, and returns the one that was reached."""
    batch_flag = f"--train_batch_size={config.train_batch_size}"
    with failures.explained(parts.data.training, batch_flag):
        steps_runner.train(
            to_step,
            save=parts.state.save,
            save_secs=config.checkpoint_secs,
            is_late=parts.state.budget.is_late,
        )
    return parts.trainer.num_steps_done


def _build_runner(
    config: TrainConfig,
    parts: _Parts,
    observers: Sequence[runner.Observer],
    report_secs: float,
) -> runner.Runner:
    decode = augmentation.build_decoder(
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
            decode=decode,
            part=_part_of(parts, config.train_batch_size),
        ),
        agreement=parts.agreement,
        profiler=parts.profiler,
        record=parts.state.curve.add,
        observers=observers,
        report_secs=report_secs,
    )


def _part_of(parts: _Parts, batch_size: int) -> pipeline.Part:
    rows = distribution.process_rows(parts.strategy, batch_size)
    return pipeline.Part(rows, is_shared=not parts.team.is_alone)


def _ended_early(config: TrainConfig, parts: _Parts) -> str | None:
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
    if config.max_minutes:
        logging.info(
            "job   | %g minutes, steps of %d images | %s",
            config.max_minutes,
            config.train_batch_size,
            config.job_dir,
        )
        return
    logging.info(
        "job   | %d steps of %d images (%.1f epochs), evaluation every %d steps | %s",
        config.max_steps,
        config.train_batch_size,
        config.max_steps * config.train_batch_size / num_examples,
        config.resolved_train_steps_per_eval(num_examples),
        config.job_dir,
    )


def _log_end(config: TrainConfig, parts: _Parts, metrics: loop.Metrics) -> None:
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
