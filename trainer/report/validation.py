"""Scores the exported model of a job on its validation data, from raw bytes on."""

import contextlib
import time
from typing import NamedTuple

from trainer import errors, storage
from trainer.data import (
    fetched_split,
    labels,
    pipeline,
    record_progress,
    shard_cache,
)
from trainer.data.index_cache import IndexCache
from trainer.report.job_record import JobRecord
from trainer.report.mistakes import Mistake, WorstMistakes
from trainer.report.picture_sizes import PictureSizes
from trainer.serving import answers, model_labels
from trainer.serving.predictor import Predictor
from trainer.serving.scores import Scores

FLAG = "validation_data_path"


class NamedMistake(NamedTuple):
    """A mistake and the name of its record."""

    mistake: Mistake
    name: str


class Validated(NamedTuple):
    """What came of it.

    Attributes:
        scores: Of the images that the job evaluates on, bad ones left out.
        names: One a class.
        worst: The worst mistakes, the worst first.
        pictures: What the pictures are like, in words.
        secs: Time that it took.
    """

    scores: Scores
    names: list[str]
    worst: list[NamedMistake]
    pictures: str
    secs: float


def validate(job: JobRecord) -> Validated:
    """Scores the images that each of the job's evaluations scored.

    Costs about as much as one of these evaluations, which `--num_eval_images` bounds.

    Args:
        job: The job.

    Raises:
        StorageError: If the model or the data is gone.
        DataError: If it is not what the job had.
    """
    started = time.monotonic()
    files = storage.find_files(job.config.validation_data_path, FLAG)
    predictor = Predictor(job.model_dir)
    if predictor.num_classes != job.config.num_classes:
        raise errors.DataError(
            f"{job.model_dir} has {predictor.num_classes} classes, expected "
            f"{job.config.num_classes} as the job has; it is another job's model."
        )
    opened = shard_cache.open_cache(job.config, files)
    with opened or contextlib.nullcontext() as copies:
        split = fetched_split.read_split(
            files,
            flag=FLAG,
            max_bad_records=job.config.resolved_max_bad_records,
            known=IndexCache(job.layout.index_path),
            copies=copies,
        )
        scores, worst, pictures = _score(job, predictor, split)
    names = [predictor.name_class(number) for number in range(scores.num_classes)]
    return Validated(scores, names, worst, pictures, time.monotonic() - started)


def _score(
    job: JobRecord, predictor: Predictor, split: labels.Split
) -> tuple[Scores, list[NamedMistake], str]:
    offset = model_labels.resolve_label_offset(
        split,
        num_classes=job.config.num_classes,
        label_offset=str(job.resolved.get("label_offset", job.config.label_offset)),
        model_dir=job.model_dir,
    )
    scores, mistakes = Scores(job.config.num_classes), WorstMistakes()
    sizes = PictureSizes()
    records = pipeline.select_records(len(split.index), job.config.num_eval_images)
    with record_progress.showing("report", len(records)) as advance:
        for answered in answers.answer_records(
            predictor,
            split,
            records,
            label_offset=offset,
            batch_size=job.config.resolved_eval_batch_size,
        ):
            answered.add_to(scores)
            mistakes.add(answered)
            sizes.add(answered.encoded)
            advance(answered.num_read, len(records))
    if not scores.count:
        raise errors.DataError(
            f"--{FLAG}={job.config.validation_data_path} has no record that can be "
            "used; look at it with task.py inspect."
        )
    worst = [
        NamedMistake(one, split.index.describe(one.record)) for one in mistakes.worst
    ]
    return scores, worst, sizes.describe()
