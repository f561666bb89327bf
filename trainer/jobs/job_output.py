"""trainingOutput of a job, from what is on disk."""

import json
import os
from typing import Any

from trainer import storage
from trainer.jobs import training_output
from trainer.training import layout


def read_output(job_dir: str, *, is_tuning: bool) -> dict[str, Any]:
    """What the job has brought so far; empty if nothing.

    Args:
        job_dir: Root of its outputs.
        is_tuning: True if it is many trials.

    Raises:
        StorageError: If the job-dir can't be read.
    """
    if is_tuning:
        text = storage.read_text(os.path.join(job_dir, training_output.TRIALS))
        return dict(json.loads(text)) if text else {}
    model_dir = layout.JobLayout(job_dir).model_dirs[0]
    version = training_output.read_version(model_dir)
    if not version:
        return {}
    return {
        "isBuiltInAlgorithmJob": True,
        "builtInAlgorithmOutput": training_output.describe_model(model_dir, version),
    }
