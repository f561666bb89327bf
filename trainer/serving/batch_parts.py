"""A part of a batch: some files, of which one worker makes one file of results.

Workers are sent paths. Pictures go from file to model, a batch at a time.
"""

import dataclasses
import functools
import itertools
import json
import os
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TextIO

from trainer import config, environment, storage
from trainer.config.batch_predict import IMAGES
from trainer.data import progress
from trainer.serving import batch_sources, instances, picture_files
from trainer.serving.batch_sources import Asked

if TYPE_CHECKING:
    from trainer.serving.predictor import Predictor

# As many as keep a processor busy for some seconds.
PICTURES_PER_PART = 500
PHASE = "predict"


class Part(NamedTuple):
    """Files that are read by one worker; the number counts from 0."""

    number: int
    paths: list[str]


def plan(job: config.BatchPredictConfig) -> list[Part]:
    """Finds the files: of pictures many are a part, of others each one is.

    Raises:
        StorageError: If a path matches nothing, or can't be listed.
    """
    if job.data_format == IMAGES:
        paths = picture_files.find_pictures(job.input_paths, "input_paths")
        size = PICTURES_PER_PART
    else:
        found = (storage.match_files(one, "input_paths") for one in job.input_paths)
        paths = list(dict.fromkeys(itertools.chain.from_iterable(found)))
        size = 1
    starts = range(0, len(paths), size)
    return [
        Part(number, paths[start : start + size]) for number, start in enumerate(starts)
    ]


@functools.cache
def _load(model_dir: str) -> "Predictor":
    with environment.importing_tensorflow():
        from trainer.serving.predictor import Predictor
    return Predictor(model_dir)


_LOADING = threading.Lock()


def load_model(model_dir: str) -> "Predictor":
    """The process's model; its threads share it.

    Raises:
        JobError: As of Predictor.
    """
    with _LOADING:
        return _load(model_dir)


def forget_models() -> None:
    """Has models loaded anew, which may have been replaced since."""
    _load.cache_clear()


@dataclasses.dataclass(frozen=True)
class PredictPart:
    """Predicts a part; can be sent to a worker.

    Attributes:
        model_dir: The model.
        data_format: Of the files.
        batch_size: Pictures that the model is given at once.
        work_dir: Takes `errors_name` and `counts_name` of each part.
        results_dir: Takes `results_name` of each part.
        num_parts: Number of all parts.
    """

    model_dir: str
    data_format: str
    batch_size: int
    work_dir: str
    results_dir: str
    num_parts: int

    def __call__(self, part: Part) -> None:
        """Writes a part's files whole, or after another worker's failure nothing.

        Raises:
            JobError: If the model or a file can't be read, or a file can't be written.
        """
        with (
            storage.writing(self.results_dir),
            storage.staging_dir(self.results_dir) as results_dir,
            storage.staging_dir(self.work_dir) as work_dir,
        ):
            results_path = os.path.join(
                results_dir, results_name(part.number, self.num_parts)
            )
            errors_path = os.path.join(work_dir, errors_name(part.number))
            with (
                open(results_path, "w", encoding="utf-8") as results,
                open(errors_path, "w", encoding="utf-8") as failures,
            ):
                counts = self._predict(part, results, failures)
            if progress.CURRENT.stop.is_set():
                return
            counts_path = os.path.join(work_dir, counts_name(part.number))
            storage.write_text(counts_path, json.dumps(counts))
            storage.publish_files(results_dir, self.results_dir, marker="")
            storage.publish_files(work_dir, self.work_dir, marker="")

    def _predict(self, part: Part, results: TextIO, failures: TextIO) -> list[int]:
        """Writes lines; returns the number of predictions and of errors."""
        model = load_model(self.model_dir)
        expect = functools.partial(progress.CURRENT.expect, PHASE)
        asked = batch_sources.read(part.paths, self.data_format, expect)
        counts = [0, 0]
        while batch := list(itertools.islice(asked, self.batch_size)):
            for line, failed in _answer(model, batch):
                (failures if failed else results).write(line + "\n")
                counts[failed] += 1
            progress.CURRENT.advance(PHASE, len(batch))
            if progress.CURRENT.stop.is_set():
                break
        return counts


def results_name(number: int, num_parts: int) -> str:
    """Name of a file with predictions, as the service wrote it."""
    return f"prediction.results-{number:05}-of-{num_parts:05}"


def errors_name(number: int) -> str:
    """Name of the file that holds what went wrong in a part."""
    return f"errors-{number:05}"


def counts_name(number: int) -> str:
    """Name of the file with a part's number of predictions and of errors."""
    return f"counts-{number:05}"


def _answer(model: "Predictor", batch: Sequence[Asked]) -> Iterator[tuple[str, bool]]:
    """Yields a line of JSON an instance, in order, and whether it is an error."""
    from trainer.serving.predictor import Undecodable

    found = iter(model.predict([asked.encoded for asked in batch if not asked.reason]))
    for asked in batch:
        one = Undecodable(asked.reason) if asked.reason else next(found)
        if isinstance(one, Undecodable):
            yield _format_error(asked, one.reason), True
            continue
        prediction = instances.format_prediction(
            one.class_index, one.probabilities.tolist(), asked.key
        )
        yield json.dumps(prediction), False


def _format_error(asked: Asked, reason: str) -> str:
    failure = {"key": asked.key, "instance": asked.where, "error": reason.rstrip(".")}
    return json.dumps(failure, ensure_ascii=False)
