"""Plots of how good a model is, and of what it was trained on."""

from collections.abc import Sequence
from typing import Any

import matplotlib.collections
import matplotlib.patches
import numpy as np

from trainer.report.data_facts import SplitFacts
from trainer.report.plot_style import HEAT, SERIES, TEXT, open_figure, to_svg
from trainer.serving.scores import Scores

# Of more, names and cells are too small to see.
MAX_CLASSES_IN_MATRIX = 40
MAX_CLASSES_WITH_NUMBERS = 20
MAX_CLASSES_WITH_BARS = 50
MAX_NAME = 20
MIN_INCHES, INCHES_A_CLASS = 2.2, 0.28


def draw_confusions(scores: Scores, names: Sequence[str]) -> str:
    """A field for each pair of classes, as dark as the share of its row.

    Args:
        scores: Of up to MAX_CLASSES_IN_MATRIX classes.
        names: One a class.
    """
    count = scores.num_classes
    matrix = scores.build_confusion_matrix()
    figure, axes = open_figure(height=min(9.0, MIN_INCHES + 0.35 * count))
    _fill_fields(axes, matrix)
    if count <= MAX_CLASSES_WITH_NUMBERS:
        _write_numbers(axes, matrix)
    shown = [_shorten(name) for name in names]
    slanted = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(count), shown, **slanted)
    axes.set_yticks(range(count), shown)
    axes.tick_params(length=0, labelsize=9 if count <= 20 else 6)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5))
    axes.set(xlabel="taken for", ylabel="is")
    _frame_fields(axes, count)
    return to_svg(figure, "confusions", "Confusion matrix, shaded by share of each row")


def _fill_fields(axes: Any, matrix: np.ndarray) -> None:
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    places = np.argwhere(matrix).tolist()
    axes.add_collection(
        matplotlib.collections.PatchCollection(
            [
                matplotlib.patches.Rectangle((column - 0.5, row - 0.5), 1, 1)
                for row, column in places
            ],
            facecolors=[(HEAT, float(shares[row, column])) for row, column in places],
            edgecolors="none",
        )
    )


def _write_numbers(axes: Any, matrix: np.ndarray) -> None:
    for row, column in np.argwhere(matrix).tolist():
        axes.text(
            column,
            row,
            f"{matrix[row, column]:,}",
            ha="center",
            va="center",
            fontsize=9 if len(matrix) <= 12 else 7,
            fontweight="bold" if row == column else "normal",
        )


def _frame_fields(axes: Any, count: int) -> None:
    """Lines between fields, not through them."""
    axes.grid(visible=False)
    edges = np.arange(count + 1) - 0.5
    axes.set_xticks(edges, minor=True)
    axes.set_yticks(edges, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(visible=True, which="minor")
    axes.spines[:].set_visible(False)


def draw_reliability(scores: Scores) -> str:
    """Accuracy of answers by their confidence, and how many there are.

    Source: Guo et al. 2017, arxiv.org/abs/1706.04599, figure 1.
    """
    figure, (top, bottom) = open_figure(
        height=4.4, rows=2, sharex=True, height_ratios=[3, 1]
    )
    bins = [one for one in scores.bins if one.num_images]
    width = scores.bins[0].high
    middles = [(one.low + one.high) / 2 for one in bins]
    top.bar(
        middles,
        [one.accuracy for one in bins],
        width=0.92 * width,
        color=SERIES[0],
        label="accuracy",
    )
    top.plot(
        [one.confidence for one in bins],
        [one.confidence for one in bins],
        color=SERIES[1],
        marker="D",
        markersize=4,
        linestyle="",
        label="mean confidence",
    )
    top.plot(
        [0, 1], [0, 1], color=TEXT, linestyle=":", linewidth=1, label="as it should be"
    )
    top.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    top.legend(loc="upper left", fontsize="small")
    bottom.bar(
        middles, [one.num_images for one in bins], width=0.92 * width, color=SERIES[2]
    )
    bottom.set(xlabel="confidence: probability of the answer", ylabel="images")
    return to_svg(figure, "reliability", "Reliability diagram in 15 bins")


def draw_class_counts(splits: Sequence[SplitFacts], names: Sequence[str]) -> str:
    """Images of each class; of many classes only how evenly they are spread."""
    known = [split for split in splits if split.counts is not None]
    count = len(names)
    if count > MAX_CLASSES_WITH_BARS:
        return _draw_spread(known, count)
    height = MIN_INCHES / 2 + INCHES_A_CLASS * count
    figure, axes = open_figure(height=height)
    thickness = 0.8 / max(1, len(known))
    for place, split in enumerate(known):
        bars = axes.barh(
            np.arange(count) + (place - (len(known) - 1) / 2) * thickness,
            split.counts,
            height=0.94 * thickness,
            color=SERIES[place],
            label=split.name,
        )
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=7)
    axes.set_yticks(range(count), [_shorten(name) for name in names])
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="images")
    figure.legend(loc="outside upper left", ncols=len(known), fontsize="small")
    return to_svg(figure, "classes", "Images of each class by split")


def _draw_spread(known: Sequence[SplitFacts], count: int) -> str:
    figure, axes = open_figure(height=3.2)
    for place, split in enumerate(known):
        axes.plot(
            range(1, count + 1),
            sorted([] if split.counts is None else split.counts, reverse=True),
            color=SERIES[place],
            label=split.name,
        )
    axes.set(xlabel="classes, the most frequent first", ylabel="images", ylim=(0, None))
    axes.legend(loc="best", fontsize="small")
    return to_svg(figure, "classes", "Images of each class, sorted, by split")


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
