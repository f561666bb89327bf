"""Opens and checks the data of a job, all before a model is built."""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from trainer import errors, storage
from trainer.config import TrainConfig
from trainer.data import bad_records, images, labels, pipeline
from trainer.data.index_cache import IndexCache
from trainer.training.local_copies import LocalCopies

LABELS = "labels.txt"
# Pictures that are decoded before the model is built, and their side in pixels.
SAMPLE_IMAGES = 64
SAMPLE_SIDE = 32


class Inputs(NamedTuple):
    """The two splits, and the names of the classes if the data has them."""

    training: pipeline.ExampleSource
    validation: pipeline.ExampleSource
    label_names: str | None
    copies: LocalCopies

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
        StorageError: If a pattern matches no file, or one can't be read.
        DataError: If a file or a label is not what the job needs.
    """
    patterns = {
        "training_data_path": config.training_data_path,
        "validation_data_path": config.validation_data_path,
    }
    files = {flag: storage.find_files(text, flag) for flag, text in patterns.items()}
    copies = LocalCopies(config, [file for found in files.values() for file in found])
    with copies.naming_remote():
        training, validation = _open_splits(config, files, copies, cache)
    _warn_of_sizes(config, len(training.index), len(validation.index))
    first_path = files["training_data_path"][0].path
    label_names = _read_label_names(first_path, config.num_classes)
    return Inputs(training, validation, label_names, copies)


def _open_splits(
    config: TrainConfig,
    files: Mapping[str, Sequence[storage.StoredFile]],
    copies: LocalCopies,
    cache: IndexCache,
) -> list[pipeline.ExampleSource]:
    """The splits in the order of `files`, their labels checked."""
    splits = {
        flag: labels.read_split(
            [copies.fetch(file) for file in found],
            flag=flag,
            max_bad_records=config.resolved_max_bad_records,
            cache=cache,
        )
        for flag, found in files.items()
    }
    offset = labels.resolve_label_offset(
        splits, num_classes=config.num_classes, label_offset=config.label_offset
    )
    sources = [
        pipeline.ExampleSource(split.index, split.bad, offset)
        for split in splits.values()
    ]
    for flag, source in zip(files, sources, strict=True):
        _decode_sample(source, flag)
    return sources


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


def _read_label_names(data_path: str, num_classes: int) -> str | None:
    """Text of the labels file that `convert` puts beside the records."""
    path = os.path.join(os.path.dirname(data_path), LABELS)
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
