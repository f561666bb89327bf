"""Which process of a job this one is, in the words of either service. No TensorFlow."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from trainer import environment, errors

# TF_CONFIG's names on AI Platform and on Vertex AI, and CLUSTER_SPEC's on Vertex AI.
CHIEFS = ("chief", "master", "workerpool0")
WORKERS = ("worker", "workerpool1")
# Parameter servers and evaluators: training here needs neither.
IDLE = ("ps", "evaluator", "workerpool2", "workerpool3")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes that train together, and this one's place among them.

    Attributes:
        addresses: "host:port" of each, the chief's first; empty for a job of one.
        number: Position of this process in `addresses`.
        idle_role: Name of the role if it is one that does nothing; else empty.
    """

    addresses: tuple[str, ...] = ()
    number: int = 0
    idle_role: str = ""

    @property
    def is_chief(self) -> bool:
        """True for the one process that writes to the job-dir."""
        return self.number == 0 and not self.idle_role

    @property
    def is_alone(self) -> bool:
        """True if there is no other process to train with."""
        return len(self.addresses) < 2


def own_cluster() -> Cluster:
    """The cluster that TF_CONFIG describes, else that of CLUSTER_SPEC, else none.

    Raises:
        ConfigError: If a description makes no sense.

    Source: docs/contract.md, "Devices".
    """
    for variable in environment.CLUSTER_VARIABLES:
        description = environment.cluster_description(variable)
        if description.get("cluster"):
            return _parse(variable, description)
    return Cluster()


def _parse(variable: str, description: Mapping[str, Any]) -> Cluster:
    cluster, task = description["cluster"], description.get("task", {})
    _check(variable, isinstance(cluster, dict), "cluster", "an object", cluster)
    role, index = task.get("type"), task.get("index", 0)
    if role in IDLE:
        return Cluster(idle_role=role)
    chiefs = _addresses(variable, cluster, CHIEFS)
    workers = _addresses(variable, cluster, WORKERS)
    _check(variable, len(chiefs) < 2, "cluster", "one chief at most", chiefs)
    is_mine = {**dict.fromkeys(CHIEFS, chiefs), **dict.fromkeys(WORKERS, workers)}
    known = is_mine.get(role, ())
    expected = f"a role of the cluster ({', '.join(cluster)})"
    _check(variable, bool(known), "task.type", expected, role)
    expected = f"0 to {len(known) - 1} for {role}"
    is_index = str(index).isdecimal() and int(index) < len(known)
    _check(variable, is_index, "task.index", expected, index)
    # Where there is no chief, TensorFlow takes the first worker as such.
    number = int(index) + (len(chiefs) if role in WORKERS else 0)
    return Cluster((*chiefs, *workers), number)


def _addresses(
    variable: str, cluster: Mapping[str, Any], roles: Sequence[str]
) -> tuple[str, ...]:
    found = [cluster[role] for role in roles if role in cluster]
    for one in found:
        is_list = isinstance(one, list) and all(
            isinstance(address, str) and ":" in address for address in one
        )
        _check(variable, is_list, "cluster", 'lists of "host:port"', one)
    return tuple(address for one in found for address in one)


def _check(
    variable: str, is_right: object, what: str, expected: str, found: object
) -> None:
    if not is_right:
        raise errors.ConfigError(
            f"The environment variable {variable} has a {what} that can't be used: "
            f"expected {expected}, got {str(found)[:80]!r}; correct it, or unset it to "
            "train on this machine alone."
        )
