"""What a person sees while a tuning runs: a bar of trials on a terminal, else lines."""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from trainer import environment
from trainer.jobs import trial
from trainer.jobs.study import Study


class TuningProgress(Protocol):
    """Shows where a tuning is."""

    def show(self, study: Study) -> None:
        """Shows it; called several times a second."""


class Lines:
    """The log's lines are all there is to see."""

    def show(self, study: Study) -> None:
        """Adds nothing to them."""


class Bar:
    """Trials that ended, how many run, and the best so far."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar

    def show(self, study: Study) -> None:
        """Moves the bar."""
        num_running = sum(one.state == trial.RUNNING for one in study.trials)
        best = study.best
        result = "" if best is None else f", best {best.objective:.4f}"
        self._bar.set_postfix_str(f"{num_running} running{result}", refresh=False)
        self._bar.update(len(study.trials) - num_running - self._bar.n)
        self._bar.refresh()


@contextlib.contextmanager
def shown_progress(max_trials: int) -> Iterator[TuningProgress]:
    """A bar on the last line of a terminal; nothing elsewhere."""
    if not environment.is_terminal():
        yield Lines()
        return
    with (
        logging_redirect_tqdm(),
        tqdm(
            total=max_trials,
            desc="tune",
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}% |{bar}| trial {n}/{total}{postfix}, "
            "{elapsed}",
        ) as bar,
    ):
        yield Bar(bar)
