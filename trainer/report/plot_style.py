"""How plots look, and how they get into a page that may be dark, light or printed.

Matplotlib writes fixed colours. So figures are drawn in stand-ins, which become the
page's CSS variables: one SVG then fits every theme.
"""

import io
import warnings
from typing import Any

import matplotlib as mpl
import matplotlib.figure

WIDTH = 6.4
# Stand-ins; the page's CSS has their colours. The series differ in lightness too.
TEXT, GRID, HEAT = "#010101", "#020202", "#030303"
SERIES = ("#040404", "#050505", "#060606")
_VARIABLES = {
    TEXT: "currentColor",
    GRID: "var(--grid)",
    HEAT: "var(--heat)",
    **{colour: f"var(--series-{n})" for n, colour in enumerate(SERIES, 1)},
}
_SETTINGS = {
    "axes.edgecolor": TEXT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": TEXT,
    "text.color": TEXT,
    # Class names are text, whatever they hold.
    "text.parse_math": False,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    # Letters stay letters: to be found, and drawn by the browser in any script.
    "svg.fonttype": "none",
}


def open_figure(*, height: float, rows: int = 1, **options: Any) -> tuple[Any, Any]:
    """Makes a figure of the page's width, to be drawn on inside of `styled`.

    Args:
        height: In inches.
        rows: Plots above each other.
        **options: For `Figure.subplots`.

    Returns:
        The figure and its axes.
    """
    figure = matplotlib.figure.Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, **options)


def styled() -> Any:
    """A context in which figures are drawn and saved."""
    return mpl.rc_context(_SETTINGS)


def to_svg(figure: Any, name: str, description: str) -> str:
    """The figure for inside of HTML; the same bytes for the same data.

    Args:
        figure: Drawn inside of `styled`, as this call is.
        name: Unlike those of the page's other figures.
        description: What it shows, for people who can't see it; plain text.
    """
    text = io.StringIO()
    with warnings.catch_warnings():
        # Of letters that matplotlib can't measure; the browser has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # Ids of two figures on a page must differ.
        with mpl.rc_context({"svg.hashsalt": name}):
            figure.savefig(
                text,
                format="svg",
                transparent=True,
                metadata={"Date": None, "Creator": None, "Title": description},
            )
    svg = text.getvalue()[text.getvalue().index("<svg") :]
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, variable)
    return svg.replace("<svg ", '<svg role="img" ', 1)
