"""A TPU as the place where steps run (docs/adr/0024-replicas.md: what was tested)."""

from collections.abc import Sequence

import tensorflow as tf

from trainer import errors


def build_strategy(name: str, batch_sizes: Sequence[int]) -> tf.distribute.Strategy:
    """All cores of a TPU.

    Args:
        name: Of the TPU, or "local" for that of a TPU VM.
        batch_sizes: Rows of the batches that its cores share.

    Raises:
        ConfigError: If TensorFlow has no such TPU, or a batch does not divide evenly:
            a TPU compiles one program, of one shape, for all of its cores.
    """
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        if name != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        strategy = tf.distribute.TPUStrategy(resolver)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise errors.ConfigError(
            f"The TPU {name} can't be used ({reason[:200]}); expected the TPU "
            "that TPU_NAME or TPU_CONFIG names, and a TensorFlow built for it. Unset "
            "both to train without."
        ) from error
    num_cores = strategy.num_replicas_in_sync
    uneven = [size for size in batch_sizes if size % num_cores]
    if uneven:
        raise errors.ConfigError(
            f"A batch of {uneven[0]} images does not divide over the {num_cores} cores "
            f"of the TPU; give multiples of {num_cores} as --train_batch_size and "
            "--eval_batch_size."
        )
    return strategy
