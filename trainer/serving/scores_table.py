"""Scores as a page for people: aligned, and long lists cut."""

from collections.abc import Sequence

from trainer.data import text_table
from trainer.serving import scores as measures
from trainer.serving.scores import ClassScore, Scores

MAX_CLASSES_SHOWN = 50
MAX_CLASSES_IN_MATRIX = 12
MAX_CONFUSIONS_SHOWN = 10


def format_scores(
    scores: Scores,
    names: Sequence[str],
    *,
    label_offset: int,
    title: str,
    num_bad: int,
) -> str:
    """The page.

    Args:
        scores: Of one picture or more.
        names: One a class.
        label_offset: Label of the first class.
        title: What was scored on what.
        num_bad: Records that were left out.
    """
    labels = _label_classes(names, label_offset)
    sections = [
        [title],
        _format_totals(scores, num_bad),
        _format_classes(scores, labels),
        _format_mistakes(scores, labels),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _label_classes(names: Sequence[str], label_offset: int) -> list[str]:
    """For example " 3 hat"; without a name, the label alone."""
    labels = [str(number + label_offset) for number in range(len(names))]
    width = len(labels[-1])
    return [
        f"{label:>{width}} {name}" if name != str(number + 1) else f"{label:>{width}}"
        for number, (label, name) in enumerate(zip(labels, names, strict=True))
    ]


def _format_totals(scores: Scores, num_bad: int) -> list[str]:
    low, high = measures.compute_interval(scores.num_right, scores.count)
    bad = f"and {num_bad:,} bad records left out" if num_bad else ""
    rows = [
        ("images", f"{scores.count:,}", bad),
        (
            "top-1 accuracy",
            f"{scores.top_1_accuracy:.4f}",
            f"95 % confidence: {low:.4f} to {high:.4f}",
        ),
        ("top-5 accuracy", f"{scores.top_5_accuracy:.4f}", ""),
        ("macro F1", f"{scores.macro_f1:.4f}", "each class counts the same"),
        ("loss", f"{scores.loss:.4f}", "cross entropy of the probabilities"),
        (
            "calibration error",
            f"{scores.calibration_error:.4f}",
            "mean gap of confidence and accuracy",
        ),
    ]
    width = max(len(value) for _, value, _ in rows)
    return [
        f"{name:17}  {value:>{width}}  {meaning}".rstrip()
        for name, value, meaning in rows
    ]


def _format_classes(scores: Scores, labels: Sequence[str]) -> list[str]:
    rows = [["class", "images", "precision", "recall", "F1"]]
    for label, one in list(zip(labels, scores.classes, strict=True))[
        :MAX_CLASSES_SHOWN
    ]:
        rows.append([label, f"{one.support:,}", *format_shares(one)])
    lines = text_table.align(rows)
    if len(labels) > MAX_CLASSES_SHOWN:
        more = len(labels) - MAX_CLASSES_SHOWN
        lines.append(f"and {more:,} more classes, see --json")
    return lines


def format_shares(one: ClassScore) -> list[str]:
    """Precision, recall and F1; "-" where there is none."""
    return [
        "-" if value is None else f"{value:.3f}"
        for value in (one.precision, one.recall, one.f1)
    ]


def _format_mistakes(scores: Scores, labels: Sequence[str]) -> list[str]:
    if not scores.confusions:
        return ["no mistakes"]
    if scores.num_classes <= MAX_CLASSES_IN_MATRIX:
        return _format_matrix(scores, labels)
    shown = scores.confusions[:MAX_CONFUSIONS_SHOWN]
    rows = [["most frequent mistakes", "images"]]
    rows += [
        [f"{labels[one.true]} taken for {labels[one.predicted]}", f"{one.num_images:,}"]
        for one in shown
    ]
    lines = text_table.align(rows)
    if len(scores.confusions) > len(shown):
        more = len(scores.confusions) - len(shown)
        lines.append(f"and {more:,} more kinds of mistakes, see --json")
    return lines


def _format_matrix(scores: Scores, labels: Sequence[str]) -> list[str]:
    """Counts, zeros as dots; columns are named by their labels alone."""
    heads = [label.split()[0] for label in labels]
    rows = [["is \\ taken for", *heads]]
    for label, counts in zip(labels, scores.build_confusion_matrix(), strict=True):
        rows.append([label, *(f"{count:,}" if count else "." for count in counts)])
    return text_table.align(rows)
