"""The table that a tuning ends with."""

from collections.abc import Iterator, Sequence

from trainer.jobs import training_output, trial
from trainer.jobs.spec import HyperparameterSpec


def format_table(spec: HyperparameterSpec, trials: Sequence[trial.Trial]) -> str:
    """A line a trial, the best first: values, the metric, and how it ended."""
    names = [param.parameter_name for param in spec.params]
    tag = spec.hyperparameter_metric_tag
    rows = [["trial", *names, tag, "best", "at step", "time", "end"]]
    rows += [
        list(_format_row(spec, one))
        for one in training_output.rank(trials, maximizes=spec.maximizes)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _format_row(spec: HyperparameterSpec, one: trial.Trial) -> Iterator[str]:
    yield str(one.trial_id)
    for param in spec.params:
        value = one.values[param.parameter_name]
        yield f"{value:.4g}" if param.type == "DOUBLE" else param.format(value)
    if one.objective is None:
        yield from ("", "", "")
    else:
        pick = max if spec.maximizes else min
        step = pick(one.measurements, key=lambda at: one.measurements[at])
        yield f"{one.objective:.4f}"
        yield f"{one.measurements[step]:.4f}"
        yield str(step)
    yield f"{one.secs:.0f} s"
    yield _describe_end(one)


def _describe_end(one: trial.Trial) -> str:
    if one.is_stopped_early:
        return "stopped early"
    return {trial.SUCCEEDED: "done", trial.FAILED: "failed"}.get(one.state, "not yet")
