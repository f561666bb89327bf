"""What the processes of one job tell each other beside what they compute.

They talk through TensorFlow's coordination service, which the chief runs and which also
finds out who is gone: a process that ended within a second, one that froze or whose
network broke within HEARTBEAT_SECS (docs/adr/0024-replicas.md).
"""

import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.eager import context

from trainer import errors
from trainer.models import replicas
from trainer.training.cluster import Cluster

HEARTBEAT_SECS = 20
# Machines of a job start minutes apart.
START_SECS = 20 * 60
# What a collective operation and the coordination service raise once someone is gone.
_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


class Team:
    """The processes of a job; one that is alone is answered by itself."""

    def __init__(self, cluster: Cluster, strategy: tf.distribute.Strategy) -> None:
        """Asks nobody yet.

        Args:
            cluster: The processes.
            strategy: Has the devices of all of them.
        """
        self.is_chief = cluster.is_chief
        self.is_alone = cluster.is_alone
        self._number = cluster.number
        self._size = max(1, len(cluster.addresses))
        self._round = 0
        self._meet = tf.function(lambda: strategy.run(_count_replicas), autograph=False)

    def gather(self, value: Any) -> list[Any]:
        """What each process says, the chief first; waits for all.

        All of them have to ask the same things in the same order.

        Args:
            value: JSON.

        Raises:
            tf.errors.OpError: If one of them is gone; see `explained`.
        """
        if self.is_alone:
            return [value]
        self._round += 1
        service = context.context()
        service.set_config_key_value(self._key(self._number), json.dumps(value))
        # A wait for a key would not end if its process is gone; a collective one does.
        self._meet()
        answers = [
            service.get_config_key_value(self._key(number), 1000 * HEARTBEAT_SECS)
            for number in range(self._size)
        ]
        if self._round > 1:
            # Who has met the others in this round has read the one before.
            service.delete_config_key_value(self._key(self._number, ago=1))
        return [json.loads(answer) for answer in answers]

    def share(self, value: Any) -> Any:
        """What the chief says; the value of the others counts for nothing."""
        return self.gather(value if self.is_chief else None)[0]

    def _key(self, number: int, *, ago: int = 0) -> str:
        return f"trainer/{self._round - ago}/{number}"


def _count_replicas() -> Any:
    return replicas.sum_over_all(tf.constant(1.0))


@contextlib.contextmanager
def explained(cluster: Cluster) -> Iterator[None]:
    """Turns TensorFlow's errors after the loss of a process into a job error.

    Raises:
        TrainingError: If another process is gone.
    """
    try:
        yield
    except _GONE as error:
        if cluster.is_alone:
            raise
        raise errors.TrainingError(
            f"Another of the {len(cluster.addresses)} processes of this job is gone "
            f"({_last_line(error)}); this one, {cluster.number}, can't go on without "
            "it. Its own log says why it ended; start the same command on all "
            "machines to resume from the last checkpoint."
        ) from error


def join(cluster: Cluster) -> tf.distribute.Strategy:
    """Meets the other processes; the strategy has the devices of all of them.

    Must run before TensorFlow computes anything.

    Raises:
        TrainingError: If they don't come.
    """
    chief, *workers = cluster.addresses
    spec = tf.train.ClusterSpec({"chief": [chief], "worker": workers})
    _configure_service(spec)
    logging.info(
        "cluster | process %d of %d, at %s; waiting for the others",
        cluster.number,
        len(cluster.addresses),
        cluster.addresses[cluster.number],
    )
    is_chief = cluster.number == 0
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        spec,
        task_type="chief" if is_chief else "worker",
        task_id=0 if is_chief else cluster.number - 1,
        rpc_layer="grpc",
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except tf.errors.OpError as error:
        raise errors.TrainingError(
            f"The {len(cluster.addresses)} processes of this job "
            f"({', '.join(cluster.addresses)}) did not meet within "
            f"{START_SECS // 60} minutes ({_last_line(error)}); check that all of them "
            "run, have the same TF_CONFIG or CLUSTER_SPEC but for `task`, and reach "
            "each other's ports."
        ) from error


def _configure_service(spec: tf.train.ClusterSpec) -> None:
    jobs = [
        coordination_config_pb2.CoordinatedJob(name=job, num_tasks=spec.num_tasks(job))
        for job in spec.jobs
    ]
    context.context().configure_coordination_service(
        "standalone",
        service_leader="/job:chief/replica:0/task:0",
        cluster_register_timeout_in_ms=1000 * START_SECS,
        heartbeat_timeout_in_ms=1000 * HEARTBEAT_SECS,
        shutdown_barrier_timeout_in_ms=1000 * HEARTBEAT_SECS,
        coordinated_jobs=jobs,
    )


def _last_line(error: tf.errors.OpError) -> str:
    """The part of TensorFlow's message that says what happened."""
    lines = [line.strip() for line in (error.message or "").splitlines()]
    named = [line for line in lines if "abort" in line or "unhealthy" in line]
    found = (named or [line for line in lines if line] or ["no reason given"])[0]
    return found[:200].rstrip(".:")
