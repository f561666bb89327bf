"""Opens and checks the data of a job, all before a model is built."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from trainer import errors, storage
from trainer.config import TrainConfig
from trainer.data import labels, pipeline, shard_cache, tfrecord

LABELS = "labels.txt"


class Inputs(NamedTuple):
    """The two splits, and the names of the classes if the data has them."""

    training: pipeline.ExampleSource
    validation: pipeline.ExampleSource
    label_names: str | None
    # Of files on gs://.
    cache: shard_cache.ShardCache | None

    def naming_remote(self) -> contextlib.AbstractContextManager[None]:
        """While open, errors name the files that the flags name, not local copies."""
        return self.cache.naming_remote() if self.cache else contextlib.nullcontext()


def open_inputs(config: TrainConfig) -> Inputs:
    """Indexes the records, reads all labels, and warns of odd sizes.

    Raises:
        StorageError: If a pattern matches no file, or one can't be read.
        DataError: If a file or a label is not what the job needs.
    """
    patterns = {
        "training_data_path": config.training_data_path,
        "validation_data_path": config.validation_data_path,
    }
    files = {flag: storage.find_files(text, flag) for flag, text in patterns.items()}
    cache = _open_cache(config, [file for found in files.values() for file in found])
    with cache.naming_remote() if cache else contextlib.nullcontext():
        training, validation = _open_splits(config, files, cache)
    _warn_of_sizes(config, len(training.index), len(validation.index))
    first_path = files["training_data_path"][0].path
    label_names = _read_label_names(first_path, config.num_classes)
    return Inputs(training, validation, label_names, cache)


def _open_cache(
    config: TrainConfig, files: list[storage.StoredFile]
) -> shard_cache.ShardCache | None:
    """Starts to download what is on gs://; None if nothing is."""
    remote = [file for file in files if storage.is_gs(file.path)]
    if not remote:
        return None
    max_bytes = int(config.cache_gb * shard_cache.GIB)
    num_bytes = sum({file.path: file.num_bytes for file in remote}.values())
    if num_bytes > max_bytes:
        raise errors.StorageError(
            f"The gs:// files of --training_data_path and --validation_data_path have "
            f"{num_bytes / shard_cache.GIB:.3g} GiB, more than --cache_gb="
            f"{config.cache_gb:g} holds; raise it."
        )
    logging.info(
        "data  | copying %d files (%.1f MB) from gs:// to %s",
        len(remote),
        num_bytes / 1e6,
        config.resolved_cache_dir,
    )
    cache = shard_cache.ShardCache(remote, config.resolved_cache_dir, max_bytes)
    cache.prefetch([file.path for file in remote])
    return cache


def _open_splits(
    config: TrainConfig,
    files: Mapping[str, list[storage.StoredFile]],
    cache: shard_cache.ShardCache | None,
) -> Iterator[pipeline.ExampleSource]:
    """The splits in the order of `files`, their labels checked."""
    indexes = {
        flag: tfrecord.index_files([_local_path(file, cache) for file in found])
        for flag, found in files.items()
    }
    offset = labels.resolve_label_offset(
        {flag: labels.read_split(index) for flag, index in indexes.items()},
        num_classes=config.num_classes,
        label_offset=config.label_offset,
    )
    return (pipeline.ExampleSource(index, offset) for index in indexes.values())


def _local_path(file: storage.StoredFile, cache: shard_cache.ShardCache | None) -> str:
    if cache is not None and storage.is_gs(file.path):
        return cache.fetch(file.path)
    return file.path


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
