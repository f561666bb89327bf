"""Dataclasses of config.yaml -> the API's JSON, as it sends it."""

import dataclasses
from typing import Any

from trainer.jobs.reader import spell

# Source: the discovery document ml.v1, revision 20230121: int64 are texts in JSON.
_INT64 = frozenset(
    {"worker_count", "parameter_server_count", "evaluator_count", "count"}
)
# Where a key stands in a file is no part of what it says.
_OWN = "line"


def to_api(value: Any) -> dict[str, Any]:
    """A dataclass of `spec` in the API's spelling, without what was not given."""
    return dataclasses.asdict(value, dict_factory=_spell_given)


def _spell_given(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        spell(name): _to_json(name, value)
        for name, value in pairs
        if name != _OWN and not _is_absent(value)
    }


def _is_absent(value: Any) -> bool:
    """True for the empty values that stand for keys that are not there.

    Counts of 0 are among them; 0.0 is the end of a range.
    """
    return not value and not isinstance(value, float)


def _to_json(name: str, value: Any) -> Any:
    if name in _INT64:
        return str(value)
    return list(value) if isinstance(value, tuple) else value
