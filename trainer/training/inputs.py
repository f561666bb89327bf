"""Opens and checks the data of a job, all before a model is built."""

import logging
import os
from typing import NamedTuple

from trainer import storage
from trainer.config import TrainConfig
from trainer.data import labels, pipeline, tfrecord

LABELS = "labels.txt"


class Inputs(NamedTuple):
    """The two splits, and the names of the classes if the data has them."""

    training: pipeline.ExampleSource
    validation: pipeline.ExampleSource
    label_names: str | None


def open_inputs(config: TrainConfig) -> Inputs:
    """Indexes the records, reads all labels, and warns of odd sizes.

    Raises:
        StorageError: If a pattern matches no file.
        DataError: If a file or a label is not what the job needs.
    """
    patterns = {
        "training_data_path": config.training_data_path,
        "validation_data_path": config.validation_data_path,
    }
    paths = {flag: storage.match_files(text, flag) for flag, text in patterns.items()}
    indexes = {flag: tfrecord.index_files(found) for flag, found in paths.items()}
    offset = labels.resolve_label_offset(
        {flag: labels.read_split(index) for flag, index in indexes.items()},
        num_classes=config.num_classes,
        label_offset=config.label_offset,
    )
    training, validation = (
        pipeline.ExampleSource(index, offset) for index in indexes.values()
    )
    _warn_of_sizes(config, len(training.index), len(validation.index))
    label_names = _read_label_names(paths["training_data_path"], config.num_classes)
    return Inputs(training, validation, label_names)


def _warn_of_sizes(config: TrainConfig, num_training: int, num_validation: int) -> None:
    if config.train_batch_size > num_training:
        logging.warning(
            "--train_batch_size=%d is larger than the %d training images: each step "
            "sees some of them more than once.",
            config.train_batch_size,
            num_training,
        )
    if config.num_eval_images > num_validation:
        logging.warning(
            "--num_eval_images=%d is more than the %d validation images: all are used.",
            config.num_eval_images,
            num_validation,
        )


def _read_label_names(paths: list[str], num_classes: int) -> str | None:
    """Text of the labels file that `convert` puts beside the records."""
    path = os.path.join(os.path.dirname(paths[0]), LABELS)
    text = storage.read_text(path)
    if text is None or len(text.splitlines()) == num_classes:
        return text
    logging.warning(
        "%s has %d lines, expected one for each of --num_classes=%d: it is not copied "
        "to the model.",
        path,
        len(text.splitlines()),
        num_classes,
    )
    return None
