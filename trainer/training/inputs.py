"""Opens and checks the data of a job, all before a model is built."""

import functools
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from trainer import errors, storage
from trainer.config import TrainConfig
from trainer.config.cache import GIB
from trainer.data import (
    bad_records,
    fetched_split,
    images,
    labels,
    order,
    shard_cache,
)
from trainer.data.example_source import ExampleSource
from trainer.data.index_cache import IndexCache
from trainer.data.remote_shards import RemoteShards
from trainer.serving import parity

LABELS = "labels.txt"
TRAINING, VALIDATION = "training_data_path", "validation_data_path"
# Pictures that are decoded before the model is built, and their side in pixels.
SAMPLE_IMAGES = 64
SAMPLE_SIDE = 32
# Of gs:// files, training mixes as many as this at a time: enough to mix well, and the
# first step waits for no more.
WINDOW_BYTES = 2**30

Files = Sequence[storage.StoredFile]


class Inputs(NamedTuple):
    """The two splits, and what goes with them.

    Attributes:
        training: Training records.
        validation: Validation records.
        order: In which order training visits its records.
        num_training: Training records; estimated where they are not all read yet.
        class_counts: int64 [num_classes], training records of each class, of those
            that are read.
        sample: A few validation pictures that decode, encoded.
        label_names: Text of the labels file; None if the data has none.
    """

    training: ExampleSource
    validation: ExampleSource
    order: order.Order
    num_training: int
    class_counts: np.ndarray
    sample: list[bytes]
    label_names: str | None

    @property
    def bad_records(self) -> dict[str, bad_records.BadRecords]:
        """What is skipped of each split."""
        return {"training": self.training.bad, "validation": self.validation.bad}


class _Training(NamedTuple):
    """What is read of the training data before the job starts."""

    split: labels.Split
    # None if the split is all there is.
    windows: order.WindowOrder | None
    shards: RemoteShards | None
    num_records: int


def open_inputs(config: TrainConfig, known: IndexCache) -> Inputs:
    """Indexes the records, reads the labels, and warns of odd sizes.

    Local data and validation data are read whole; of training data on gs:// the first
    window, and the rest when its turn comes.

    Args:
        config: The job.
        known: What is known of the files; takes what is found.

    Raises:
        StorageError: If a pattern matches no file, or one can't be read.
        DataError: If a file or a label is not what the job needs.
    """
    files = {
        flag: storage.find_files(getattr(config, flag), flag)
        for flag in (TRAINING, VALIDATION)
    }
    copies = shard_cache.open_cache(config, [*files[TRAINING], *files[VALIDATION]])
    validation_split = fetched_split.read_split(
        files[VALIDATION],
        flag=VALIDATION,
        max_bad_records=config.resolved_max_bad_records,
        known=known,
        copies=copies,
    )
    found = _open_training(config, files, known, copies)
    offset = labels.resolve_label_offset(
        {TRAINING: found.split, VALIDATION: validation_split},
        num_classes=config.num_classes,
        label_offset=config.label_offset,
    )
    training, validation = (
        ExampleSource(split.index, split.bad, offset)
        for split in (found.split, validation_split)
    )
    _decode_sample(training, TRAINING)
    good = _decode_sample(validation, VALIDATION)
    _warn_of_sizes(config, found.num_records, len(validation.index))
    return Inputs(
        training,
        validation,
        _build_order(config, found, training),
        found.num_records,
        labels.count_classes(found.split.labels, offset, config.num_classes),
        _read_pictures(validation, good[: parity.NUM_IMAGES]),
        _read_label_names(files[TRAINING][0].path, config.num_classes),
    )


def _open_training(
    config: TrainConfig,
    files: Mapping[str, Files],
    known: IndexCache,
    copies: shard_cache.ShardCache | None,
) -> _Training:
    training = files[TRAINING]
    if copies is None or not storage.is_gs(training[0].path):
        split = fetched_split.read_split(
            training,
            flag=TRAINING,
            max_bad_records=config.resolved_max_bad_records,
            known=known,
            copies=copies,
        )
        return _Training(split, None, None, len(split.index))
    shards = RemoteShards(
        training,
        copies,
        known,
        flag=TRAINING,
        max_bad_records=config.resolved_max_bad_records,
    )
    sizes = {file.path: file.num_bytes for file in training}
    windows = order.WindowOrder(
        sizes,
        shards,
        window_bytes=_plan_window_bytes(config, files),
        seed=config.seed,
    )
    first = windows.first_window()
    split = shards.read_first(first)
    share = sum(sizes[path] for path in first) / sum(sizes.values())
    return _Training(split, windows, shards, round(len(split.labels) / share))


def _plan_window_bytes(config: TrainConfig, files: Mapping[str, Files]) -> int:
    """The window that leaves room for the next one and for the validation data."""
    num_validation = sum(
        file.num_bytes for file in files[VALIDATION] if storage.is_gs(file.path)
    )
    room = (config.num_cache_bytes - num_validation) // 2
    largest = max(files[TRAINING], key=lambda file: file.num_bytes)
    if largest.num_bytes > room:
        raise errors.StorageError(
            f"--cache_gb={config.cache_gb:g} is too small: expected room for the "
            f"{num_validation / GIB:.3g} GiB of --validation_data_path and "
            f"twice {largest.path} with {largest.num_bytes / GIB:.3g} GiB; "
            "raise it, or write smaller files."
        )
    return min(room, WINDOW_BYTES)


def _build_order(
    config: TrainConfig, found: _Training, source: ExampleSource
) -> order.Order:
    if found.windows is None or found.shards is None:
        return order.build_global_order(found.num_records, config.seed)
    windows = found.windows
    found.shards.check_with(functools.partial(_check_labels, config, source))

    def locate(positions: Any) -> Any:
        return source.locate(windows.locate, positions)

    return locate


def _check_labels(
    config: TrainConfig,
    source: ExampleSource,
    found: np.ndarray,
    records: range,
) -> None:
    labels.check_range(
        found,
        lambda number: source.index.describe(records.start + number),
        source.label_offset,
        config.num_classes,
    )


def _decode_sample(source: ExampleSource, flag: str) -> list[int]:
    """Decodes some pictures, evenly spaced: wrong ones are often wrong throughout.

    Returns:
        The records of those that decode, never none.
    """
    num_records = len(source.index)
    count = min(num_records, SAMPLE_IMAGES)
    sample = [position * num_records // count for position in range(count)]

    def decode(encoded: Any, _: int) -> Any:
        return images.decode_for_evaluation(encoded, image_size=SAMPLE_SIDE)

    source.mark_undecodable(sample, decode)
    good = source.bad.keep_good(sample)
    if not good:
        raise errors.DataError(
            f"--{flag} has no record with an image/encoded that can be used among the "
            f"{count} that were tried, expected a JPEG, PNG, GIF, BMP or WebP picture "
            "in each; write the files with task.py convert."
        )
    return good


def _read_pictures(source: ExampleSource, records: Sequence[int]) -> list[bytes]:
    encoded, _, _ = source.read_batch(tf.constant(records, tf.int64))
    return list(encoded.numpy())


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
