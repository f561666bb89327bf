"""What the evaluations of a job found, in all its runs; written to metrics.json."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from trainer import storage

METRIC = "top_1_accuracy"


class History:
    """Evaluations in order of their steps."""

    def __init__(self, evaluations: Iterable[Mapping[str, float]] = ()) -> None:
        self.evaluations = [dict(evaluation) for evaluation in evaluations]

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """Appends one evaluation: the action that runs first."""
        self.evaluations.append({"step": step, **metrics})

    def has(self, step: int) -> bool:
        """True if there is an evaluation of this step."""
        return any(evaluation["step"] == step for evaluation in self.evaluations)

    @property
    def best(self) -> dict[str, float] | None:
        """The evaluation with the highest top_1_accuracy; of equals the last one.

        Source: docs/contract.md, "Output layout": in the original, ties replace.
        """
        if not self.evaluations:
            return None
        return max(
            self.evaluations,
            key=lambda evaluation: (evaluation[METRIC], evaluation["step"]),
        )

    def is_best(self, step: int) -> bool:
        """True if the evaluation of this step is the best one."""
        return self.best is not None and self.best["step"] == step

    @property
    def num_without_better(self) -> int:
        """Evaluations since the first one with the highest top_1_accuracy."""
        found = [evaluation[METRIC] for evaluation in self.evaluations]
        return len(found) - 1 - found.index(max(found)) if found else 0

    def save(
        self,
        path: str,
        *,
        flags: Mapping[str, Any],
        resolved: Mapping[str, Any],
        bad_records: Mapping[str, Any],
        ended_early: str | None = None,
    ) -> None:
        """Writes all that is known of the job as JSON.

        Args:
            path: The file.
            flags: The job's configuration.
            resolved: What its defaults came to, and where it ran.
            bad_records: What was skipped of each split.
            ended_early: Why the job took fewer steps than planned; None if it did not.
        """
        content = {
            "flags": flags,
            "resolved": resolved,
            "best": self.best,
            "evaluations": self.evaluations,
            "bad_records": bad_records,
            "ended_early": ended_early,
        }
        storage.write_text(path, json.dumps(content, indent=2) + "\n")
