"""What lives as long as a training job, built from its config: data, model, state."""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from trainer import environment, storage
from trainer.config import HUB, TrainConfig
from trainer.config.cache import GIB
from trainer.data import index_cache
from trainer.data.decoded_cache import DecodedCache
from trainer.models import dropout, factory, hub, layers
from trainer.models import variant as variants
from trainer.models.variant import Variant
from trainer.training import (
    agreement,
    backbone_fit,
    class_weights,
    distribution,
    inputs,
    job_state,
    micro_batches,
    profiling,
    recipe,
    start,
    steps,
    team,
)
from trainer.training.evaluator import Evaluator
from trainer.training.interruption import Interruption
from trainer.training.layout import JobLayout, own_layout


class JobParts(NamedTuple):
    """What lives as long as the job."""

    config: TrainConfig
    layout: JobLayout
    team: team.Team
    agreement: agreement.Agreement
    profiler: profiling.Profiler
    strategy: tf.distribute.Strategy
    known: index_cache.IndexCache
    data: inputs.Inputs
    decoded_cache: DecodedCache | None
    trainer: steps.Trainer
    evaluator: Evaluator
    micro_batches: micro_batches.MicroBatches
    state: job_state.JobState
    start: start.Start
    # What defaults came to, for metrics.json.
    resolved: dict[str, Any]


def build_parts(
    given: TrainConfig,
    strategy: tf.distribute.Strategy,
    mates: team.Team,
    interruption: Interruption,
) -> JobParts:
    """Builds all, and checks the data and the job-dir first: a model takes longer.

    Args:
        given: The job, as its command gave it; the parts have what is carried out.
        strategy: Where the steps run.
        mates: The processes that train together.
        interruption: Says whether this one was asked to end.

    Raises:
        JobError: If the data, the job-dir or the weights can't be used.
    """
    with _open_backbone(given) as backbone:
        return _build_parts(given, strategy, mates, interruption, backbone)


@contextlib.contextmanager
def _open_backbone(given: TrainConfig) -> Iterator[hub.FeatureVector | None]:
    """The SavedModel of --hub_handle; None for the networks of this project."""
    if given.model_type != HUB:
        yield None
        return
    with hub.opened(given.hub_handle) as backbone:
        yield backbone


def _build_parts(
    given: TrainConfig,
    strategy: tf.distribute.Strategy,
    mates: team.Team,
    interruption: Interruption,
    backbone: hub.FeatureVector | None,
) -> JobParts:
    layout = own_layout(given.job_dir)
    if storage.is_gs(layout.root_dir) and mates.is_chief:
        # Leaves nothing behind, and the data may take minutes to come.
        storage.make_writable_dir(layout.root_dir, "job-dir")
    known = index_cache.IndexCache(layout.index_path)
    data = inputs.open_inputs(given, known)
    config = _complete(given, data, mates, strategy)
    if backbone:
        config = backbone_fit.fit(config, backbone, strategy.num_replicas_in_sync)
    batch_sizes = [config.train_batch_size, config.resolved_eval_batch_size]
    distribution.check_replicas(strategy, batch_sizes)
    counts = micro_batches.count_allowed(config, strategy)
    if mates.is_chief:
        storage.make_writable_dir(layout.root_dir, "job-dir")
        known.save()
    resolved = _resolve(config, data, strategy)
    _log_start(config, data, resolved)
    origin = _find_start(config, layout, mates, backbone)
    build_model = functools.partial(_build_model, config, origin.variant, backbone)
    trainer, evaluator = _build_steps(
        config,
        data,
        strategy,
        build_model,
        precision=resolved["precision"],
        # Its choice follows from the speed of one process.
        finds_rate=mates.is_alone and recipe.finds_rate(given),
    )
    split = micro_batches.MicroBatches(
        trainer,
        counts,
        is_fixed=config.given_micro_batches is not None,
        is_alone=mates.is_alone,
    )
    return JobParts(
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
        decoded_cache=_build_cache(config),
        trainer=trainer,
        evaluator=evaluator,
        micro_batches=split,
        state=job_state.JobState(
            config, layout, trainer, data.bad_records, origin.variant, mates, split
        ),
        start=origin,
        resolved=resolved,
    )


def _complete(
    given: TrainConfig,
    data: inputs.Inputs,
    mates: team.Team,
    strategy: tf.distribute.Strategy,
) -> TrainConfig:
    """What is carried out; a job with a time limit only may take all steps there are.

    Warns of what hardly works as meant.
    """
    found = mates.share([data.num_training, distribution.has_gpu()])
    facts = recipe.Facts(found[0], found[1], strategy.num_replicas_in_sync)
    config = recipe.complete(given, facts)
    if not config.max_steps:
        config = dataclasses.replace(config, max_steps=int(steps.UNPLANNED_STEPS))
    for warning in config.warnings():
        logging.warning(warning)
    return config


def _build_cache(config: TrainConfig) -> DecodedCache | None:
    num_bytes = int(config.cache_decoded * GIB)
    return DecodedCache(num_bytes) if num_bytes else None


def _find_start(
    config: TrainConfig,
    layout: JobLayout,
    mates: team.Team,
    backbone: hub.FeatureVector | None,
) -> start.Start:
    """The chief's; the others need to know no more of it than the variant."""
    default = (
        backbone.variant if backbone else factory.default_variant(config.model_type)
    )
    found = start.find_start(config, layout, default) if mates.is_chief else None
    variant = variants.restore(mates.share(found and found.variant.export()))
    start.check_backbone(config, variant, default)
    return found or start.Start(variant, None, "")


def _build_steps(
    config: TrainConfig,
    data: inputs.Inputs,
    strategy: tf.distribute.Strategy,
    build_model: Callable[[str], keras.Model],
    *,
    precision: str,
    finds_rate: bool,
) -> tuple[steps.Trainer, Evaluator]:
    with strategy.scope():
        trained = scored = build_model(precision)
        if precision != "float32" or config.moving_average_decay:
            scored = build_model("float32")
        trainer = steps.Trainer(
            config,
            trained,
            strategy,
            uses_loss_scale=precision == "float16",
            class_weights=_weigh_classes(config, data),
            finds_rate=finds_rate,
        )
        return trainer, Evaluator(config, scored, strategy)


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


def _build_model(
    config: TrainConfig,
    variant: Variant,
    backbone: hub.FeatureVector | None,
    precision: str,
) -> keras.Model:
    shape = {
        "num_classes": config.num_classes,
        "image_size": config.resolved_image_size,
        "seed": config.seed,
    }
    if backbone:
        model = hub.build_network(
            backbone,
            is_frozen=config.freeze_backbone,
            keeps_statistics=config.freezes_batch_norm,
            **shape,
        )
    else:
        model = factory.build_model(
            config.model_type, variant, precision=precision, **shape
        )
    dropout.set_drop_rates(
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
