"""One trial as a process or container of its own, in the service's surroundings.

Source of the variables: docs/contract.md, "Trials".
"""

import hashlib
import json
import os
import sys

from trainer import environment, storage
from trainer.jobs import api_form, child_process, container, metric_file, trial
from trainer.jobs.plan import Plan


class TrialProcess:
    """A running trial: its measurements, its end, and its last words."""

    def __init__(self, plan: Plan, one: trial.Trial, work: str, lock: int) -> None:
        """Starts it.

        Args:
            plan: The tuning.
            one: The trial; its checkpoints, if there are any, are gone on from.
            work: Local folder for log and metric file.
            lock: Descriptor of the study's lock, which the process holds as well.

        Raises:
            ConfigError: If there is no Docker to run an image.
            StorageError: If its log can't be written.
        """
        self.trial = one
        self._tag = plan.hyperparameters.hyperparameter_metric_tag
        self._metric_path, self._log_path = _own_paths(work, one)
        self._kept_log_path = _kept_log_path(plan.job_dir, one)
        variables = build_variables(plan, one, self._metric_path)
        self._process = child_process.start(
            build_command(plan, one, work, variables),
            log_path=self._log_path,
            variables=environment.child_variables(
                variables, defaults=_share_of_machine(plan.max_parallel_trials)
            ),
            lock=lock,
        )

    def read_report(self) -> metric_file.Report:
        """What it reported so far."""
        return metric_file.read(self._metric_path, self._tag)

    def poll(self) -> int | None:
        """The exit code; negative if a signal ended it, None while it runs."""
        return child_process.poll(self._process)

    def stop(self) -> None:
        """Asks it to save a checkpoint and end."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()

    def wait(self) -> None:
        """Waits for its end."""
        self._process.wait()

    def read_last_lines(self) -> list[str]:
        """The end of its log."""
        return child_process.read_last_lines(self._log_path)

    def keep_log(self) -> None:
        """Puts the log beside the trial's outputs, where those are on gs://."""
        if self._kept_log_path:
            with storage.writing(self._kept_log_path):
                storage.put_file(self._log_path, self._kept_log_path)


def remove_traces(work: str, one: trial.Trial) -> None:
    """Removes what an earlier trial of this id left in the local folder."""
    storage.remove_files(list(_own_paths(work, one)))


def _own_paths(work: str, one: trial.Trial) -> tuple[str, str]:
    """The metric file and the log."""
    start = os.path.join(work, f"trial_{one.trial_id}")
    return f"{start}.metrics", f"{start}.log"


def build_variables(plan: Plan, one: trial.Trial, metric_path: str) -> dict[str, str]:
    """What the service told a trial through its environment."""
    cluster = {
        "cluster": {"master": ["127.0.0.1:2222"]},
        "task": {"type": "master", "index": 0, "trial": str(one.trial_id)},
        "job": api_form.to_api(plan.training_input),
        "environment": "cloud",
    }
    name = os.path.basename(plan.job_dir.rstrip("/"))
    return {
        "CLOUD_ML_JOB_ID": environment.job_id(name),
        "CLOUD_ML_TRIAL_ID": str(one.trial_id),
        "CLOUD_ML_HP_METRIC_FILE": metric_path,
        "CLOUD_ML_HP_METRIC_TAG": plan.hyperparameters.hyperparameter_metric_tag,
        "TF_CONFIG": json.dumps(cluster),
        "CLUSTER_SPEC": json.dumps(cluster),
    }


def build_command(
    plan: Plan, one: trial.Trial, work: str, variables: dict[str, str]
) -> list[str]:
    """The command line of a trial; in a container, paths are those outside."""
    trained = list(plan.trial_flags(one.values))
    if not plan.image:
        return [sys.executable, "-m", "trainer.task", *trained]
    return container.build_command(
        plan.image,
        trained,
        name=_name_container(plan, one),
        folders=[work, *container.find_folders(plan.train)],
        variables={**_share_of_machine(plan.max_parallel_trials), **variables},
    )


def _name_container(plan: Plan, one: trial.Trial) -> str:
    """The same for the same trial: a second container of it can't start."""
    key = hashlib.sha256(storage.absolute(plan.job_dir).encode()).hexdigest()[:12]
    return f"tune-{key}-trial-{one.trial_id}"


def _share_of_machine(num_parallel: int) -> dict[str, str]:
    """Limits under which trials side by side do not take each other's cores."""
    if num_parallel == 1:
        return {}
    threads = str(max(1, environment.num_cores() // num_parallel))
    return {
        "OMP_NUM_THREADS": threads,
        environment.OP_THREADS: threads,
        "TF_NUM_INTEROP_THREADS": threads,
        # Else the first one takes all memory of a GPU.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }


def _kept_log_path(job_dir: str, one: trial.Trial) -> str:
    """Where the log goes at the end; empty where it is in the job-dir anyway."""
    if not storage.takes_whole_files(job_dir):
        return ""
    return os.path.join(job_dir, "tuning", f"trial_{one.trial_id}.log")
