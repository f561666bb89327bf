"""The page of a tuning: one HTML file that needs nothing beside it."""

import html
import io
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.figure
import optuna

from trainer.jobs import search, training_output, trial
from trainer.jobs.parameters import ParameterSpec
from trainer.jobs.spec import HyperparameterSpec
from trainer.jobs.tuning_table import format_table

WIDTH, HEIGHT = 8.0, 3.6
POINT, LINE, MUTED = "#1a66c2", "#c2571a", "#9a9a9a"
COLOURS = "viridis"
# Fewer trials say nothing of what matters.
MIN_TRIALS_FOR_IMPORTANCE = 4

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem;
       padding: 0 1rem; color: #1c1c1c; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
svg { max-width: 100%; height: auto } pre { overflow-x: auto; font-size: 0.85rem }
"""


def format_page(spec: HyperparameterSpec, trials: Sequence[trial.Trial]) -> str:
    """Draws the page.

    Args:
        spec: What was tuned.
        trials: All trials; one or more succeeded.

    Returns:
        The text of an HTML file.
    """
    ranked = training_output.rank(trials, maximizes=spec.maximizes)
    ended = [one for one in ranked if one.state == trial.SUCCEEDED]
    tag = spec.hyperparameter_metric_tag
    # A $ in a value is no formula.
    with mpl.rc_context({"text.parse_math": False}):
        sections = [
            (f"{tag} over trials", _draw_objectives(spec, ended)),
            ("Evaluations of each trial", _draw_curves(spec, ended)),
            ("Which values did well", _draw_coordinates(spec, ended)),
            ("Which parameter mattered", _draw_importance(spec, ended)),
            ("All trials", f"<pre>{html.escape(format_table(spec, trials))}</pre>"),
        ]
    body = "".join(f"<h2>{html.escape(head)}</h2>\n{part}\n" for head, part in sections)
    title = f"Tuning: {tag} {ended[0].objective:.4f} at best, trial {ended[0].trial_id}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n{body}</body></html>\n"
    )


def _draw_objectives(spec: HyperparameterSpec, ended: Sequence[trial.Trial]) -> str:
    """Each trial's last measurement, and the best until then."""
    figure, axes = _open_figure()
    in_order = sorted(ended, key=lambda one: one.trial_id)
    ids = [one.trial_id for one in in_order]
    axes.step(ids, list(_best_so_far(spec, in_order)), color=LINE, where="post")
    for is_early, marker, label in ((False, "o", "to its end"), (True, "x", "stopped")):
        shown = [one for one in in_order if one.is_stopped_early == is_early]
        axes.plot(
            [one.trial_id for one in shown],
            [one.objective for one in shown],
            linestyle="",
            marker=marker,
            color=POINT,
            label=label,
        )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="trial", ylabel=spec.hyperparameter_metric_tag)
    axes.legend(frameon=False)
    return _to_svg(figure, "objectives")


def _best_so_far(
    spec: HyperparameterSpec, in_order: Sequence[trial.Trial]
) -> Iterator[float | None]:
    for count in range(1, len(in_order) + 1):
        ranked = training_output.rank(in_order[:count], maximizes=spec.maximizes)
        yield ranked[0].objective


def _draw_curves(spec: HyperparameterSpec, ended: Sequence[trial.Trial]) -> str:
    """Measurements over steps; the best trial stands out."""
    figure, axes = _open_figure()
    for place, one in enumerate(ended):
        axes.plot(
            list(one.measurements),
            list(one.measurements.values()),
            marker=".",
            color=LINE if place == 0 else MUTED,
            label=f"trial {one.trial_id}" if place == 0 else None,
            zorder=len(ended) - place,
        )
    axes.set(xlabel="step", ylabel=spec.hyperparameter_metric_tag)
    axes.legend(frameon=False)
    return _to_svg(figure, "curves")


def _draw_coordinates(spec: HyperparameterSpec, ended: Sequence[trial.Trial]) -> str:
    """A line a trial through its values, each axis on its parameter's scale."""
    figure, axes = _open_figure()
    objectives = [one.objective or 0.0 for one in ended]
    low, high = min(objectives), max(objectives)
    colours = mpl.colormaps[COLOURS]
    # The best on top, and the first.
    for one, objective in reversed(list(zip(ended, objectives, strict=True))):
        share = (objective - low) / (high - low) if high > low else 1.0
        places = [
            param.to_unit(one.values[param.parameter_name]) for param in spec.params
        ]
        axes.plot([*places, share], color=colours(share), marker=".")
    labels = [list(_label_axis(param)) for param in spec.params]
    labels.append([(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")])
    for position, texts in enumerate(labels):
        axes.axvline(position, color=MUTED, linewidth=0.8)
        for place, text in texts:
            axes.annotate(
                text, (position, place), xytext=(5, 0), textcoords="offset points"
            )
    names = [param.parameter_name for param in spec.params]
    axes.set_xticks(range(len(labels)), [*names, spec.hyperparameter_metric_tag])
    axes.set(ylim=(-0.05, 1.05), yticks=[])
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)
    return _to_svg(figure, "coordinates")


def _label_axis(param: ParameterSpec) -> Iterator[tuple[float, str]]:
    """Places on the axis and what they stand for: categories, or the ends."""
    if param.type == "CATEGORICAL":
        for option in param.categorical_values:
            yield param.to_unit(option), option
    else:
        for end in (0.0, 1.0):
            yield end, param.format(param.from_unit(end))


def _draw_importance(spec: HyperparameterSpec, ended: Sequence[trial.Trial]) -> str:
    """Shares by PED-ANOVA.

    Source: Watanabe, Bansal & Hutter 2023, arxiv.org/abs/2304.10255.
    """
    objectives = {one.objective for one in ended}
    if len(ended) < MIN_TRIALS_FOR_IMPORTANCE or len(objectives) < 2:
        return (
            f"<p>It takes {MIN_TRIALS_FOR_IMPORTANCE} trials that differ to tell.</p>"
        )
    study = search.open_study(spec, ended)
    shares = optuna.importance.get_param_importances(study)
    figure, axes = _open_figure()
    names = list(reversed(shares))
    axes.barh(names, [shares[name] for name in names], color=POINT, height=0.5)
    axes.set(xlabel="share", xlim=(0, 1))
    return _to_svg(figure, "importance")


def _open_figure() -> tuple[Any, Any]:
    figure = matplotlib.figure.Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _to_svg(figure: Any, name: str) -> str:
    """The figure for inside of HTML, the same bytes for the same trials."""
    text = io.StringIO()
    # Ids of two figures on a page must differ; letters stay letters, to be found.
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
