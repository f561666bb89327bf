"""Pieces of HTML; every text is escaped here, and nowhere else."""

import html
from collections.abc import Iterable, Sequence


def escape(text: object) -> str:
    """Text as it is, between tags or in an attribute."""
    return html.escape(str(text))


def section(title: str, *parts: str) -> str:
    """A heading, and what is below it; parts are HTML."""
    return "\n".join([f"<section><h2>{escape(title)}</h2>", *parts, "</section>"])


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of text, in a style of page_style."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def tile(name: str, value: str, meaning: str) -> str:
    """One number that matters."""
    return (
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b>'
        f"<span>{escape(meaning)}</span></div>"
    )


def figure(title: str, svg: str, caption: str = "") -> str:
    """A plot."""
    note = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    head = f"<h3>{escape(title)}</h3>" if title else ""
    return f"<figure>{head}{svg}{note}</figure>"


def table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], *, num_texts: int = 1
) -> str:
    """A table.

    Args:
        heads: One a column.
        rows: Cells.
        num_texts: The first so many columns are text, the others numbers.
    """

    def line(cells: Sequence[object], tag: str) -> str:
        texts = [f"<{tag}>{escape(cell)}</{tag}>" for cell in cells[:num_texts]]
        numbers = [
            f'<{tag} class="number">{escape(cell)}</{tag}>'
            for cell in cells[num_texts:]
        ]
        return "".join(texts + numbers)

    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{line(heads, "th")}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )
