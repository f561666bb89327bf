"""The word evaluate: scores the SavedModel on disk, from raw bytes on."""

import contextlib
import logging
import sys
import time
from typing import NamedTuple

import numpy as np

from trainer import config, errors, storage
from trainer.data import fetched_split, labels, record_progress, shard_cache
from trainer.data.index_cache import IndexCache
from trainer.serving import answers, model_labels, scores_json, scores_table
from trainer.serving.predictor import Predictor
from trainer.serving.scores import Scores

EXIT_GOOD = 0
EXIT_BELOW = 1


class Evaluated(NamedTuple):
    """A model's scores, and on what.

    Attributes:
        files: The data.
        split: Its records; bad ones are known by now.
        label_offset: Label of the first class.
        scores: Of all good records.
    """

    files: list[storage.StoredFile]
    split: labels.Split
    label_offset: int
    scores: Scores


def run(job: config.EvaluateConfig) -> int:
    """Prints the scores, and writes them as JSON if asked to.

    Args:
        job: The model and the data.

    Returns:
        The exit code: 1 if the accuracy is lower than demanded, else 0.

    Raises:
        StorageError: If a path matches nothing, or can't be read or written.
        DataError: If the model or the data can't be used, or don't go together.
        ConfigError: If memory ran out.
    """
    started = time.monotonic()
    files = storage.find_files(job.data_path, "data_path")
    predictor = Predictor(job.model_dir)
    found = _evaluate(job, predictor, files)
    secs = time.monotonic() - started
    logging.info("evaluate | %d images | %.1f s", found.scores.count, secs)
    names = [predictor.name_class(one) for one in range(found.scores.num_classes)]
    sys.stdout.write(
        scores_table.format_scores(
            found.scores,
            names,
            label_offset=found.label_offset,
            title=f"{job.model_dir} on {job.data_path}",
            num_bad=len(found.split.bad.describe()),
        )
    )
    if job.json:
        content = scores_json.format_json(
            found.scores,
            names,
            label_offset=found.label_offset,
            model_dir=job.model_dir,
            data_path=job.data_path,
            files=[file.path for file in found.files],
            bad_records=found.split.bad.describe(),
        )
        storage.write_text(job.json, content)
    return _judge(job, found.scores)


def _evaluate(
    job: config.EvaluateConfig, predictor: Predictor, files: list[storage.StoredFile]
) -> Evaluated:
    num_classes = predictor.num_classes
    if num_classes is None:
        raise errors.DataError(
            f"{job.model_dir} does not say how many classes it has: its signature has "
            "probabilities of any length; export it again with a fixed one."
        )
    with shard_cache.open_cache(job, files) or contextlib.nullcontext() as copies:
        split = fetched_split.read_split(
            files,
            flag="data_path",
            max_bad_records=job.resolved_max_bad_records,
            known=IndexCache(None),
            copies=copies,
        )
        offset = model_labels.resolve_label_offset(
            split,
            num_classes=num_classes,
            label_offset=job.label_offset,
            model_dir=job.model_dir,
        )
        scores = _score(job, predictor, split, Scores(num_classes), offset)
    return Evaluated(files, split, offset, scores)


def _score(
    job: config.EvaluateConfig,
    predictor: Predictor,
    split: labels.Split,
    scores: Scores,
    label_offset: int,
) -> Scores:
    """Fills in the scores of all records that can be used."""
    num_records = len(split.index)
    with record_progress.showing("evaluate", num_records) as advance:
        for answered in answers.answer_records(
            predictor,
            split,
            np.arange(num_records),
            label_offset=label_offset,
            batch_size=job.batch_size,
        ):
            answered.add_to(scores)
            advance(answered.num_read, num_records)
    if not scores.count:
        raise errors.DataError(
            f"--data_path={job.data_path} has no record that can be used among its "
            f"{num_records}; look at it with task.py inspect."
        )
    return scores


def _judge(job: config.EvaluateConfig, scores: Scores) -> int:
    demanded = job.assert_accuracy_at_least
    if demanded is None or scores.top_1_accuracy >= demanded:
        return EXIT_GOOD
    logging.error(
        "top_1_accuracy is %.4f, expected --assert_accuracy_at_least=%g: %d of %d "
        "images are right, %d more were needed; don't put this model to use, or demand "
        "less of it.",
        scores.top_1_accuracy,
        demanded,
        scores.num_right,
        scores.count,
        int(np.ceil(demanded * scores.count - 1e-9)) - scores.num_right,
    )
    return EXIT_BELOW
