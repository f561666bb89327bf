import io

from tqdm import tqdm

from tests import tuning
from trainer.jobs import trial, tuning_progress
from trainer.jobs.study import Study


def test_the_bar_counts_trials_that_ended_and_names_the_best(tmp_path):
    study = Study(tuning.plan(tmp_path))
    first, _ = study.start_next(), study.start_next()
    first.measure({10: 0.25})
    study.end(first, trial.SUCCEEDED)
    bar = tqdm(total=6, file=io.StringIO())
    tuning_progress.Bar(bar).show(study)
    assert (bar.n, bar.postfix) == (1, "1 running, best 0.2500")
    study.end(study.start_next(), trial.FAILED)
    tuning_progress.Bar(bar).show(study)
    assert bar.n == 2
    bar.close()


def test_there_are_lines_where_nobody_watches(tmp_path, capsys):
    with tuning_progress.shown_progress(6) as shown:
        shown.show(Study(tuning.plan(tmp_path)))
    assert capsys.readouterr().err == ""
