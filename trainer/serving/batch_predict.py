"""The word batch-predict: an Apache Beam pipeline from files to predictions.

Owns the order of things. Results are in the order of the input, which the service did
not promise; docs/adr/0017-files-of-batch-predictions.md says what is in the files.
"""

import json
import logging
import os
import re
import time
from collections.abc import Sequence
from typing import Any

from trainer import config, errors, storage
from trainer.data import beam_runner, progress
from trainer.serving import batch_parts
from trainer.serving.batch_parts import Part, PredictPart

WORD = "batch-predict"
ERRORS = "prediction.errors_stats-00000-of-00001"
OURS = re.compile(r"prediction\.(results|errors_stats)-\d{5,}-of-\d{5,}")


def run(job: config.BatchPredictConfig) -> None:
    """Writes `prediction.results-00000-of-0000N` and `prediction.errors_stats-...`.

    Args:
        job: What to predict.

    Raises:
        ConfigError: If Apache Beam is not installed.
        StorageError: If a path matches nothing, or can't be read or written.
        DataError: If the model has another signature, or nothing could be predicted.
    """
    started = time.monotonic()
    beam_runner.check_installed(job, WORD)
    parts = batch_parts.plan(job)
    storage.make_writable_dir(job.output_path, "output_path")
    batch_parts.forget_models()
    # Here, so that a model that is none is said before workers start.
    batch_parts.load_model(job.model_dir)
    storage.remove_stale_staging(job.output_path)
    if job.is_on_dataflow:
        _remove_earlier(job.output_path)
    with beam_runner.scratch_dirs(job, job.output_path, WORD) as (work_dir, made_dir):
        _predict(job, parts, work_dir, made_dir)
        counts = _sum_counts(work_dir, parts)
        _publish(job, parts, work_dir, made_dir)
    logging.info(
        "%s | predictions %d | errors %d | %.1f s | %s",
        WORD,
        *counts,
        time.monotonic() - started,
        job.output_path,
    )
    _judge(job, counts)


def _predict(
    job: config.BatchPredictConfig, parts: Sequence[Part], work_dir: str, made_dir: str
) -> None:
    stage = PredictPart(
        job.model_dir, job.data_format, job.batch_size, work_dir, made_dir, len(parts)
    )
    progress.CURRENT.reset(WORD)
    pipeline = beam_runner.build(job, lambda start: _connect(start, parts, stage))
    beam_runner.run(pipeline)


def _connect(pipeline: Any, parts: Sequence[Part], stage: PredictPart) -> None:
    import apache_beam as beam

    (
        pipeline
        | "Parts" >> beam.Create(parts)
        | "Share parts" >> beam.Reshuffle()
        | "Predict" >> beam.Map(_predict_part, stage)
    )


def _predict_part(part: Part, stage: PredictPart) -> None:
    with progress.CURRENT.working():
        stage(part)


def _sum_counts(work_dir: str, parts: Sequence[Part]) -> tuple[int, int]:
    """The number of predictions, and of errors."""
    num_predictions = num_errors = 0
    for part in parts:
        path = os.path.join(work_dir, batch_parts.counts_name(part.number))
        counts = json.loads(storage.read_text(path) or "")
        num_predictions += counts[0]
        num_errors += counts[1]
    return num_predictions, num_errors


def _publish(
    job: config.BatchPredictConfig, parts: Sequence[Part], work_dir: str, made_dir: str
) -> None:
    """Puts files in place whole, last the errors, with which the set is complete."""
    with (
        storage.writing(job.output_path),
        storage.staging_dir(job.output_path) as folder,
    ):
        _join_errors(os.path.join(folder, ERRORS), parts, work_dir)
        if made_dir != job.output_path:
            _remove_earlier(job.output_path)
            storage.publish_files(made_dir, job.output_path, marker="")
        storage.publish_files(folder, job.output_path, marker=ERRORS)


def _join_errors(target: str, parts: Sequence[Part], work_dir: str) -> None:
    with open(target, "wb") as joined:
        for part in parts:
            path = os.path.join(work_dir, batch_parts.errors_name(part.number))
            with storage.local_file(path) as local_path, open(local_path, "rb") as one:
                joined.writelines(one)


def _remove_earlier(output_path: str) -> None:
    """Removes the files of an earlier run, first the errors: the rest is no set."""
    names = filter(OURS.fullmatch, storage.list_names(output_path))
    ordered = sorted(names, key=lambda name: (name != ERRORS, name))
    storage.remove_files([os.path.join(output_path, name) for name in ordered])


def _judge(job: config.BatchPredictConfig, counts: tuple[int, int]) -> None:
    num_predictions, num_errors = counts
    path = os.path.join(job.output_path, ERRORS)
    if not num_predictions:
        raise errors.DataError(
            f"--input_paths: expected pictures, found none that could be predicted "
            f"(errors: {num_errors}); {path} says of each why."
        )
    if num_errors:
        logging.warning(
            "%s | %d without a prediction; %s says of each why.",
            WORD,
            num_errors,
            path,
        )
