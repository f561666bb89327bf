"""A job as the service's API shows it, and how it goes from state to state.

Source: the discovery document ml.v1, revision 20230121, GoogleCloudMlV1__Job.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from trainer.jobs import trial

QUEUED, PREPARING, RUNNING = "QUEUED", "PREPARING", "RUNNING"
CANCELLING, CANCELLED = "CANCELLING", "CANCELLED"
SUCCEEDED, FAILED = "SUCCEEDED", "FAILED"
ENDED = frozenset({SUCCEEDED, FAILED, CANCELLED})

Job = Mapping[str, Any]


def queue(
    job_id: str, *, labels: Mapping[str, str], training_input: Mapping[str, Any]
) -> Job:
    """A new job.

    Args:
        job_id: Its name.
        labels: Its labels.
        training_input: What it was asked to do, in the API's spelling.
    """
    job: dict[str, Any] = {
        "jobId": job_id,
        "createTime": _now(),
        "trainingInput": training_input,
    }
    return _marked({**job, "labels": dict(labels)} if labels else job, QUEUED)


def enter(job: Job, state: str, *, error: str = "") -> Job:
    """The job in its next state.

    Args:
        job: As it was.
        state: One of this module's.
        error: Why it failed.
    """
    changed = dict(job)
    if state == RUNNING:
        changed["startTime"] = _now()
    if state in ENDED:
        changed["endTime"] = _now()
    if error:
        changed["errorMessage"] = error
    return _marked(changed, state)


def has_ended(job: Job) -> bool:
    """True if the state is the last one."""
    return job["state"] in ENDED


def _marked(job: Mapping[str, Any], state: str) -> Job:
    """With its state, and an etag that is another one for other content."""
    content = {**job, "state": state}
    content.pop("etag", None)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    return {**content, "etag": base64.b64encode(digest[:8]).decode()}


def _now() -> str:
    return trial.now().isoformat().replace("+00:00", "Z")
