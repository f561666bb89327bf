"""Opens and checks the data of a job, all before a model is built."""

import logging
import os
from typing import Any, NamedTuple

from trainer import errors, storage
from trainer.config import TrainConfig
from trainer.data import bad_records, images, labels, pipeline
from trainer.data.index_cache import IndexCache

LABELS = "labels.txt"
# Pictures that are decoded before the model is built, and their side in pixels.
SAMPLE_IMAGES = 64
SAMPLE_SIDE = 32


class Inputs(NamedTuple):
    """The two splits, and the names of the classes if the data has them."""

    training: pipeline.ExampleSource
    validation: pipeline.ExampleSource
    label_names: str | None

    @property
    def bad_records(self) -> dict[str, bad_records.BadRecords]:
        """What is skipped of each split."""
        return {"training": self.training.bad, "validation": self.validation.bad}


def open_inputs(config: TrainConfig, cache: IndexCache) -> Inputs:
    """Indexes the records, reads all labels, and warns of odd sizes.

    Args:
        config: The job.
        cache: What is known of the files; takes what is found.

    Raises:
        StorageError: If a pattern matches no file.
        DataError: If a file or a label is not what the job needs.
    """
    patterns = {
        "training_data_path": config.training_data_path,
        "validation_data_path": config.validation_data_path,
    }
    paths = {flag: storage.match_files(text, flag) for flag, text in patterns.items()}
    splits = {
        flag: labels.read_split(
            found,
            flag=flag,
            max_bad_records=config.resolved_max_bad_records,
            cache=cache,
        )
        for flag, found in paths.items()
    }
    offset = labels.resolve_label_offset(
        splits, num_classes=config.num_classes, label_offset=config.label_offset
    )
    training, validation = (
        pipeline.ExampleSource(split.index, split.bad, offset)
        for split in splits.values()
    )
    for flag, source in zip(patterns, (training, validation), strict=True):
        _decode_sample(source, flag)
    _warn_of_sizes(config, len(training.index), len(validation.index))
    label_names = _read_label_names(paths["training_data_path"], config.num_classes)
    return Inputs(training, validation, label_names)


def _decode_sample(source: pipeline.ExampleSource, flag: str) -> None:
    """Decodes some pictures, evenly spaced: wrong ones are often wrong throughout."""
    num_records = len(source.index)
    count = min(num_records, SAMPLE_IMAGES)
    sample = [position * num_records // count for position in range(count)]

    def decode(encoded: Any, _: int) -> Any:
        return images.decode_for_evaluation(encoded, image_size=SAMPLE_SIDE)

    source.mark_undecodable(sample, decode)
    if not source.bad.keep_good(sample):
        raise errors.DataError(
            f"--{flag} has no record with an image/encoded that can be used among the "
            f"{count} that were tried, expected a JPEG, PNG, GIF or BMP picture in "
            "each; write the files with task.py convert."
        )


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
