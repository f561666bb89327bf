"""Plots of how a job went, over its steps."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainer.report.job_record import JobRecord
from trainer.report.plot_style import GRID, SERIES, TEXT, open_figure, to_svg

HEIGHT = 3.2
SMOOTHED_SHARE = 0.05
TRAIN, VALIDATION, OTHER = SERIES


def draw_curves(job: JobRecord) -> Iterator[tuple[str, str]]:
    """Yields (title, SVG) of each plot; draws inside of `plot_style.styled`."""
    yield "Loss", _draw_loss(job)
    yield "Accuracy", _draw_accuracy(job)
    if job.points:
        yield "Learning rate", _draw_learning_rate(job)
        yield "Speed", _draw_speed(job)


def _draw_loss(job: JobRecord) -> str:
    figure, axes = open_figure(height=HEIGHT)
    _plot_training(axes, job, "loss")
    _plot_evaluations(axes, job, "loss", VALIDATION, "validation")
    axes.set(ylabel="loss")
    return _finish(figure, axes, job, "loss", "Loss of training and validation")


def _draw_accuracy(job: JobRecord) -> str:
    figure, axes = open_figure(height=HEIGHT)
    _plot_training(axes, job, "accuracy")
    _plot_evaluations(axes, job, "top_1_accuracy", VALIDATION, "validation, top 1")
    if job.config.num_classes > 5:
        _plot_evaluations(axes, job, "top_5_accuracy", OTHER, "validation, top 5")
    axes.set(ylabel="accuracy", ylim=(0, 1.02))
    return _finish(figure, axes, job, "accuracy", "Accuracy in training and validation")


def _draw_learning_rate(job: JobRecord) -> str:
    figure, axes = open_figure(height=HEIGHT)
    steps = [point.step for point in job.points]
    axes.plot(steps, [point.learning_rate for point in job.points], color=TRAIN)
    axes.set(ylabel="learning rate", ylim=(0, None))
    return _finish(figure, axes, job, "rate", "Learning rate", legend=False)


def _draw_speed(job: JobRecord) -> str:
    """Images a second, and how much of the time steps waited for data."""
    figure, (top, bottom) = open_figure(
        height=HEIGHT, rows=2, sharex=True, height_ratios=[2, 1]
    )
    steps = [point.step for point in job.points]
    batch_size = job.config.train_batch_size
    speeds = [
        point.num_steps * batch_size / max(point.secs, 1e-9) for point in job.points
    ]
    waits = [100 * point.wait_secs / max(point.secs, 1e-9) for point in job.points]
    top.plot(steps, speeds, color=TRAIN)
    top.set(ylabel="images/s", ylim=(0, None))
    bottom.fill_between(steps, waits, color=VALIDATION, step="pre")
    bottom.set(ylabel="% waiting", ylim=(0, 100))
    return _finish(figure, bottom, job, "speed", "Speed of training", legend=False)


def _plot_training(axes: Any, job: JobRecord, name: str) -> None:
    if not job.points:
        return
    steps = [point.step for point in job.points]
    values = [getattr(point, name) for point in job.points]
    axes.plot(steps, values, color=TRAIN, linewidth=0.8, alpha=0.4)
    axes.plot(steps, _smooth(job, values), color=TRAIN, label="training, smoothed")


def _smooth(job: JobRecord, values: list[float]) -> np.ndarray:
    """Means over the points within SMOOTHED_SHARE of all steps around each."""
    steps = np.array([point.step for point in job.points])
    weights = np.array([point.num_steps for point in job.points])
    near = np.abs(steps[:, None] - steps) <= SMOOTHED_SHARE / 2 * steps[-1]
    return near @ (weights * values) / (near @ weights)


def _plot_evaluations(
    axes: Any, job: JobRecord, name: str, colour: str, label: str
) -> None:
    axes.plot(
        [one["step"] for one in job.evaluations],
        [one[name] for one in job.evaluations],
        color=colour,
        linestyle="--" if colour == OTHER else "-",
        marker="o",
        markersize=4,
        label=label,
    )


def _finish(
    figure: Any,
    axes: Any,
    job: JobRecord,
    name: str,
    description: str,
    *,
    legend: bool = True,
) -> str:
    """Marks the step of the exported model, and names what is what."""
    if legend:
        axes.axvline(
            job.best["step"], color=TEXT, linestyle=":", linewidth=1, label="best model"
        )
        axes.legend(loc="best", fontsize="small")
    axes.set(xlabel="step")
    axes.set_xlim(left=0)
    axes.grid(axis="x", color=GRID)
    return to_svg(figure, name, f"{description} over steps")
