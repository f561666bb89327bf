"""The word tune: the service's hyperparameter tuning, on this machine.

Owns the order of things. What was asked for is checked before Optuna is imported.
"""

import logging
import os
import sys

from trainer import config, errors, storage
from trainer.jobs import plan as plans
from trainer.jobs import training_output, work_dir
from trainer.training.interruption import Interrupted, Interruption

PAGE = "tuning.html"
INSTALL = "pip install 'image-classification-trainer[tune]'"


def run(job: config.TuneConfig) -> int:
    """Tunes, or goes on tuning, until `maxTrials`.

    Args:
        job: What was asked for.

    Returns:
        0, or 128 + the signal's number if the process was asked to end; the same
        command then goes on.

    Raises:
        JobError: If the tuning can't be done as it is, or all trials failed.
    """
    plan = plans.make_plan(job)
    check_installed()
    storage.make_writable_dir(plan.job_dir, "job-dir")
    work = work_dir.find_work_dir(plan.job_dir)
    with work_dir.claimed(work, plan.job_dir) as lock, Interruption() as interruption:
        try:
            interruption.defer()
            _tune(plan, interruption, work, lock)
        except Interrupted as error:
            logging.warning("Ended by %s; the same command goes on.", error)
            return error.exit_code
    return 0


def check_installed() -> None:
    """Checks that the extra is there.

    Raises:
        ConfigError: If not, with the command that installs it.
    """
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise errors.ConfigError(
            f"tune needs Optuna, found none ({error}); run {INSTALL}."
        ) from error


def _tune(plan: plans.Plan, interruption: Interruption, work: str, lock: int) -> None:
    # Where Matplotlib's caches are is nothing that a user of tune has to know.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from trainer.jobs import study, tuner, tuning_page, tuning_progress, tuning_table

    trials = study.Study(plan)
    _log_start(plan)
    with tuning_progress.shown_progress(plan.hyperparameters.max_trials) as shown:
        tuner.Tuner(plan, trials, work, lock).run(interruption, shown)
    page_path = os.path.join(plan.job_dir, PAGE)
    storage.write_text(
        page_path, tuning_page.format_page(plan.hyperparameters, trials.trials)
    )
    best = trials.best
    assert best is not None
    sys.stdout.write(
        tuning_table.format_table(plan.hyperparameters, trials.trials)
        + f"\nbest: trial {best.trial_id}, {plan.describe(best.values)}\n"
        f"model: {training_output.model_dir(plan.job_dir, best)}\n"
        f"page: {page_path}\n"
    )


def _log_start(plan: plans.Plan) -> None:
    spec = plan.hyperparameters
    logging.info(
        "tune | %s %s | %d trials, %d at a time | %s",
        spec.goal.lower(),
        spec.hyperparameter_metric_tag,
        spec.max_trials,
        plan.max_parallel_trials,
        plan.job_dir,
    )
