"""The data's files as local ones: as they are, or copies of what is on gs://."""

import contextlib
import logging
from collections.abc import Sequence

from trainer import errors, storage
from trainer.config import TrainConfig
from trainer.data import shard_cache


class LocalCopies:
    """Local files of a job's data; those on gs:// are downloaded from the start on."""

    def __init__(
        self, config: TrainConfig, files: Sequence[storage.StoredFile]
    ) -> None:
        """Starts to download.

        Args:
            config: The job.
            files: All that will be asked for.

        Raises:
            StorageError: If they have more bytes than the cache may have.
        """
        remote = {file.path: file for file in files if storage.is_gs(file.path)}
        self._cache: shard_cache.ShardCache | None = None
        if not remote:
            return
        max_bytes = int(config.cache_gb * shard_cache.GIB)
        num_bytes = sum(file.num_bytes for file in remote.values())
        if num_bytes > max_bytes:
            raise errors.StorageError(
                "The gs:// files of --training_data_path and --validation_data_path "
                f"have {num_bytes / shard_cache.GIB:.3g} GiB, more than "
                f"--cache_gb={config.cache_gb:g} holds; raise it."
            )
        directory = config.resolved_cache_dir
        self._cache = shard_cache.ShardCache(
            list(remote.values()), directory, max_bytes
        )
        self._cache.prefetch(list(remote))
        logging.info(
            "data  | %d files, %.1f MB, on gs://; copies in %s",
            len(remote),
            num_bytes / 1e6,
            directory,
        )

    def fetch(self, file: storage.StoredFile) -> str:
        """Waits for a file's copy.

        Raises:
            StorageError: If it can't be had.
        """
        if self._cache is not None and storage.is_gs(file.path):
            return self._cache.fetch(file.path)
        return file.path

    def naming_remote(self) -> contextlib.AbstractContextManager[None]:
        """While open, errors name the files that the flags name, not their copies."""
        return self._cache.naming_remote() if self._cache else contextlib.nullcontext()
