"""The word predict: what a model says of picture files, or of a request file.

Owns the order of things. TensorFlow is imported once the input was found.
"""

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from trainer import config, environment, errors, storage
from trainer.config.predict import STANDARD_STREAM
from trainer.data import record_progress, rows
from trainer.serving import instances, picture_answers, picture_files, requests

if TYPE_CHECKING:
    from trainer.serving.predictor import Prediction, Predictor, Undecodable

BATCH_SIZE = 32
EXIT_ALL_ANSWERED = 0
EXIT_SOME_FAILED = 1


def run(job: config.PredictConfig) -> int:
    """Prints what the model says, and writes it to files if asked to.

    Args:
        job: Which model, and which pictures.

    Returns:
        The exit code: 1 if one of them has no prediction, else 0.

    Raises:
        StorageError: If a path matches nothing, or can't be read or written.
        DataError: If the model, the labels or the request are not what they should be.
        ConfigError: If there are more or fewer labels than classes.
    """
    started = time.monotonic()
    answer = _answer_request if job.instances else _answer_files
    num_all, num_failed = answer(job)
    secs = time.monotonic() - started
    logging.info("predict | %d pictures | %.1f s", num_all, secs)
    if num_failed:
        logging.error(
            "predict | %d of %d pictures without a prediction; the output says why.",
            num_failed,
            num_all,
        )
    return EXIT_SOME_FAILED if num_failed else EXIT_ALL_ANSWERED


def _load_model(job: config.PredictConfig) -> "Predictor":
    labels = rows.read_labels(job.labels_file) if job.labels_file else None
    with environment.importing_tensorflow():
        from trainer.serving.predictor import Predictor
    model = Predictor(job.model_dir)
    if labels is not None:
        _check_labels(job, model, len(labels))
        model.labels = labels
    return model


def _check_labels(
    job: config.PredictConfig, model: "Predictor", num_labels: int
) -> None:
    if model.num_classes not in (None, num_labels):
        raise errors.ConfigError(
            f"--labels_file={job.labels_file} has {num_labels} labels, expected "
            f"{model.num_classes}, one for each class of {job.model_dir}; give the "
            "labels.txt that the model was trained with."
        )


def _answer_request(job: config.PredictConfig) -> tuple[int, int]:
    """Writes the answer to a request; returns how many, and how many failed."""
    asked = requests.read_request(job.instances, "instances")
    model = _load_model(job)
    predictions: list[dict[str, Any]] = []
    for start in range(0, len(asked), BATCH_SIZE):
        batch = [one for _, one in asked[start : start + BATCH_SIZE]]
        found = model.predict([one.encoded for one in batch])
        predictions += map(_format_prediction, found, batch)
    with _writing(job.json or STANDARD_STREAM) as output:
        output.write(json.dumps({"predictions": predictions}) + "\n")
    return len(asked), sum("error" in one for one in predictions)


def _format_prediction(
    found: "Prediction | Undecodable", asked: instances.Instance
) -> dict[str, Any]:
    """A failure stays in its place, so that positions of answers are those asked."""
    from trainer.serving.predictor import Undecodable

    if isinstance(found, Undecodable):
        return {"error": found.reason, "key": asked.key}
    return instances.format_prediction(
        found.class_index, found.probabilities.tolist(), asked.key
    )


def _answer_files(job: config.PredictConfig) -> tuple[int, int]:
    """Writes what is in files; returns how many, and how many failed."""
    paths = picture_files.find_pictures(job.images, "images")
    model = _load_model(job)
    num_failed = 0
    with contextlib.ExitStack() as stack:
        writers = _open_writers(job, model, stack)
        for answer in _predict(job, model, paths):
            num_failed += bool(answer.reason)
            for writer in writers:
                writer.add(answer)
    for writer in writers:
        if isinstance(writer, picture_answers.Table):
            sys.stdout.write(writer.format())
    return len(paths), num_failed


def _open_writers(
    job: config.PredictConfig, model: "Predictor", stack: contextlib.ExitStack
) -> list[picture_answers.Writer]:
    writers: list[picture_answers.Writer] = []
    if job.json:
        output = stack.enter_context(_writing(job.json))
        writers.append(picture_answers.JsonLines(output, model.name_class))
    if job.csv:
        output = stack.enter_context(_writing(job.csv))
        writers.append(picture_answers.Csv(output, model.name_class, job.top))
    if STANDARD_STREAM not in (job.json, job.csv):
        writers.append(picture_answers.Table(model.name_class, job.top))
    return writers


@contextlib.contextmanager
def _writing(path: str) -> Iterator[TextIO]:
    """A text file that is put in place whole, or standard output."""
    if path == STANDARD_STREAM:
        yield sys.stdout
        return
    parent, name = os.path.split(path)
    with storage.writing(path), storage.staging_dir(parent or os.curdir) as staging:
        with open(os.path.join(staging, name), "w", encoding="utf-8") as file:
            yield file
        storage.publish_files(staging, parent or os.curdir, marker=name)


def _predict(
    job: config.PredictConfig, model: "Predictor", paths: Sequence[str]
) -> Iterator[picture_answers.Answer]:
    """Yields an answer a file, in order."""
    with _showing_progress(job, len(paths)) as advance:
        for batch in picture_files.load_batches(paths, BATCH_SIZE):
            yield from _answer_batch(model, batch)
            advance(len(batch), len(paths))


def _showing_progress(
    job: config.PredictConfig, num_paths: int
) -> contextlib.AbstractContextManager[Callable[[int, int], object]]:
    """Shows a bar, if it takes a while and no answers run over the same screen."""
    if num_paths <= BATCH_SIZE or STANDARD_STREAM in (job.json, job.csv):
        return contextlib.nullcontext(lambda *_: None)
    return record_progress.showing("predict", num_paths, unit="picture")


def _answer_batch(
    model: "Predictor", batch: Sequence[picture_files.PictureFile]
) -> Iterator[picture_answers.Answer]:
    from trainer.serving.predictor import Undecodable

    found = iter(model.predict([file.encoded for file in batch if not file.reason]))
    for file in batch:
        one = Undecodable(file.reason) if file.reason else next(found)
        if isinstance(one, Undecodable):
            yield picture_answers.Answer(file.path, np.zeros(0, np.float32), one.reason)
        else:
            yield picture_answers.Answer(file.path, one.probabilities)
