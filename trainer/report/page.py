"""The report: one HTML file that needs nothing beside it."""

import dataclasses
from collections.abc import Iterator

from trainer import __version__
from trainer.report import curve_plots, markup, plot_style, score_plots
from trainer.report.content import Content
from trainer.report.job_record import JobRecord
from trainer.report.mistakes import draw_thumbnail
from trainer.report.page_style import CSS
from trainer.report.validation import NamedMistake, Validated
from trainer.serving import scores as measures
from trainer.serving.scores import Scores
from trainer.serving.scores_table import format_shares

MAX_BAD_SHOWN = 20
MAX_CONFUSIONS_SHOWN = 15
MAX_CLASSES_SHOWN = 200
BYTES_PER_MB = 1_000_000
# Above this share of the time the input is worth a look.
NOTABLE_WAIT = 0.1


def format_page(content: Content) -> str:
    """Draws the page.

    Args:
        content: What it tells.

    Returns:
        The text of an HTML file.
    """
    title = markup.escape(f"Training report: {content.title}")
    with plot_style.styled():
        sections = "\n".join(_iterate_sections(content))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{CSS}</style></head>\n<body>\n"
        f"<header><h1>{title}</h1>\n"
        f"{markup.paragraph(_describe_place(content), 'muted')}</header>\n"
        f"{sections}\n</body></html>\n"
    )


def _describe_place(content: Content) -> str:
    job = content.job
    return (
        f"Job {job.layout.root_dir.rstrip('/')}; the model is that of step "
        f"{job.best['step']:,} of {job.config.max_steps:,}. Written by version "
        f"{__version__}."
    )


def _iterate_sections(content: Content) -> Iterator[str]:
    yield _format_tiles(content)
    if content.problem:
        yield markup.paragraph(
            f"The model could not be scored again: {content.problem} What follows is "
            "what the job itself wrote down.",
            "warn",
        )
    yield _format_curves(content)
    yield _format_data(content)
    if content.validated is not None:
        yield _format_classes(content, content.validated)
        yield _format_confusions(content.validated)
        yield _format_reliability(content.validated.scores)
        yield _format_mistakes(content.validated)
    yield _format_configuration(content)


def _format_tiles(content: Content) -> str:
    job, found = content.job, content.validated
    tiles = [_tile_of_accuracy(content)]
    if found is not None:
        scores = found.scores
        tiles += [
            markup.tile(
                "top-5 accuracy",
                f"{scores.top_5_accuracy:.1%}",
                "class is among the five most probable",
            ),
            markup.tile(
                "macro F1", f"{scores.macro_f1:.3f}", "each class counts the same"
            ),
            markup.tile(
                "calibration error",
                f"{scores.calibration_error:.1%}",
                "mean gap of confidence and accuracy",
            ),
        ]
    if job.images_per_second is not None and job.wait_share is not None:
        tiles += [
            markup.tile(
                "images a second",
                f"{job.images_per_second:,.0f}",
                _describe_time(content),
            ),
            markup.tile(
                "waiting for data", f"{job.wait_share:.1%}", "of the time of training"
            ),
        ]
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _tile_of_accuracy(content: Content) -> str:
    """The SavedModel's if it was scored, else the job's own."""
    if content.validated is None:
        best = content.job.best
        return markup.tile(
            "top-1 accuracy",
            f"{best['top_1_accuracy']:.1%}",
            f"the job's own count on {best['num_images']:,} validation images",
        )
    scores = content.validated.scores
    low, high = measures.compute_interval(scores.num_right, scores.count)
    return markup.tile(
        "top-1 accuracy",
        f"{scores.top_1_accuracy:.1%}",
        f"{low:.1%} to {high:.1%} with 95 % confidence, on {scores.count:,} images",
    )


def _describe_time(content: Content) -> str:
    job = content.job
    return (
        f"{_format_secs(job.train_secs)} of training, {_format_secs(job.eval_secs)} of "
        f"{len(job.evaluations)} evaluations"
    )


def _format_secs(secs: float) -> str:
    minutes, rest = divmod(round(secs), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _format_curves(content: Content) -> str:
    figures = [
        markup.figure(title, svg) for title, svg in curve_plots.draw_curves(content.job)
    ]
    notes = [
        "Training's loss and accuracy are of random crops, as they were trained on; "
        "validation's of the centre crop. Both losses have label smoothing and weight "
        "decay in them.",
    ]
    share = content.job.wait_share
    if share is None:
        notes.append("The course of training was not written down by this job.")
    else:
        notes.append(
            "A step waits for data from the end of the step before until its batch is "
            "there; on an accelerator, which may still be busy then, this is an upper "
            "bound."
        )
    if share is not None and share > NOTABLE_WAIT:
        notes.append(
            f"Steps waited {share:.0%} of the time for their batches: faster storage, "
            "smaller pictures (task.py convert --max_shorter_side) or more processor "
            "cores would speed this job up."
        )
    return markup.section(
        "Training",
        f'<div class="plots">{"".join(figures)}</div>',
        *(markup.paragraph(note, "muted") for note in notes),
    )


def _format_data(content: Content) -> str:
    rows = [
        [
            split.name,
            split.pattern,
            f"{split.num_files:,}",
            f"{split.num_bytes / BYTES_PER_MB:,.1f}",
            "-" if split.counts is None else f"{split.counts.sum():,}",
            f"{split.num_bad:,}",
        ]
        for split in content.splits
    ]
    heads = ["split", "files", "number", "MB", "good images", "bad records"]
    parts = [markup.table(heads, rows, num_texts=2)]
    parts += [
        markup.paragraph(split.problem, "warn")
        for split in content.splits
        if split.problem
    ]
    if content.validated is not None and content.validated.pictures:
        parts.append(markup.paragraph(content.validated.pictures))
    parts += _format_imbalance(content)
    parts += _format_bad_records(content)
    if any(split.counts is not None for split in content.splits):
        svg = score_plots.draw_class_counts(content.splits, content.names)
        parts.append(markup.figure("Images of each class", svg))
    parts.append(
        markup.paragraph(
            "Duplicates within and between the splits are found by: task.py inspect",
            "muted",
        )
    )
    return markup.section("Data", *parts)


def _format_imbalance(content: Content) -> list[str]:
    training = content.splits[0].counts
    if training is None:
        return []
    most, least = int(training.argmax()), int(training.argmin())
    return [
        markup.paragraph(
            f"The largest class of training is {content.names[most]} with "
            f"{training[most]:,} images, the smallest {content.names[least]} with "
            f"{training[least]:,}."
        )
    ]


def _format_bad_records(content: Content) -> list[str]:
    found = [
        [split, one["path"], one.get("record", "the rest"), one.get("reason", "lost")]
        for split, records in content.job.bad_records.items()
        for one in records
    ]
    if not found:
        return []
    parts = [
        "<h3>Bad records, which were skipped</h3>",
        markup.table(
            ["split", "file", "record", "what is wrong"],
            found[:MAX_BAD_SHOWN],
            num_texts=4,
        ),
    ]
    if len(found) > MAX_BAD_SHOWN:
        more = len(found) - MAX_BAD_SHOWN
        parts.append(markup.paragraph(f"And {more:,} more, see metrics.json.", "muted"))
    return parts


def _format_classes(content: Content, found: Validated) -> str:
    rows = [
        [name, f"{one.support:,}", *format_shares(one)]
        for name, one in zip(found.names, found.scores.classes, strict=True)
    ]
    parts = [
        markup.paragraph(
            f"The SavedModel scored {found.scores.count:,} validation images from "
            f"their files on, in {_format_secs(found.secs)}: "
            f"{found.scores.num_right:,} are right. "
            f"In training, {_format_right(content.job)} were counted. The model was "
            "chosen by its accuracy on these images, so they flatter it a little; "
            "task.py evaluate on pictures that played no part in training gives a "
            "forecast.",
        ),
        markup.table(
            ["class", "images", "precision", "recall", "F1"], rows[:MAX_CLASSES_SHOWN]
        ),
    ]
    if len(rows) > MAX_CLASSES_SHOWN:
        more = len(rows) - MAX_CLASSES_SHOWN
        parts.append(
            markup.paragraph(f"And {more:,} more: task.py evaluate --json.", "muted")
        )
    return markup.section("Classes", *parts)


def _format_right(job: JobRecord) -> str:
    return f"{round(job.best['top_1_accuracy'] * job.best['num_images']):,}"


def _format_confusions(found: Validated) -> str:
    if not found.scores.confusions:
        return markup.section("Confusions", markup.paragraph("No mistake was made."))
    parts = []
    if found.scores.num_classes <= score_plots.MAX_CLASSES_IN_MATRIX:
        svg = score_plots.draw_confusions(found.scores, found.names)
        parts.append(
            markup.figure("", svg, "Numbers are images; shades are shares of a row.")
        )
    rows = [
        [found.names[one.true], found.names[one.predicted], f"{one.num_images:,}"]
        for one in found.scores.confusions[:MAX_CONFUSIONS_SHOWN]
    ]
    table = markup.table(["is", "taken for", "images"], rows, num_texts=2)
    parts.append(f"<div><h3>The most frequent mistakes</h3>{table}</div>")
    return markup.section("Confusions", f'<div class="plots">{"".join(parts)}</div>')


def _format_reliability(scores: Scores) -> str:
    svg = score_plots.draw_reliability(scores)
    caption = (
        f"Answers in {measures.NUM_BINS} bins of confidence. Of answers with a "
        "confidence of 0.8 about 80 % should be right: bars end at the dotted line. "
        "Higher bars mean that the model is surer than it says, which label smoothing "
        "brings about; lower ones that it overrates itself."
    )
    return markup.section("Confidence", markup.figure("", svg, caption))


def _format_mistakes(found: Validated) -> str:
    if not found.worst:
        return ""
    cards = "\n".join(_format_mistake(one, found) for one in found.worst)
    return markup.section(
        "Worst mistakes",
        markup.paragraph(
            "Those that the model was surest of. Some may be mistakes of the labels."
        ),
        f'<div class="mistakes">{cards}</div>',
    )


def _format_mistake(one: NamedMistake, found: Validated) -> str:
    mistake = one.mistake
    true, predicted = found.names[mistake.true], found.names[mistake.predicted]
    picture = draw_thumbnail(mistake.encoded)
    shown = '<div class="none">only its centre decodes</div>'
    if picture is not None:
        alt = markup.escape(f"{true}, taken for {predicted}")
        shown = f'<img src="{picture}" alt="{alt}">'
    place, _, record = one.name.rpartition(", ")
    file_name = place.rpartition("/")[2]
    return (
        f'<div class="mistake">{shown}<div class="text">'
        f"{_format_line('is', true, mistake.true_probability)}"
        f"{_format_line('taken for', predicted, mistake.confidence)}"
        f'<small title="{markup.escape(one.name)}">{markup.escape(file_name)}, '
        f"{markup.escape(record)}</small></div></div>"
    )


def _format_line(what: str, name: str, probability: float) -> str:
    return (
        f'<div class="line"><span>{what} <b>{markup.escape(name)}</b></span>'
        f"<span>{probability:.1%}</span></div>"
    )


def _format_configuration(content: Content) -> str:
    config, resolved = content.job.config, content.job.resolved
    rows = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        origin = "default" if value == field.default else ""
        if value in (None, "auto"):
            # What it came to says more.
            value = resolved.get(field.name, "" if value is None else value)
        rows.append([field.name, _format_value(value), origin])
    known = {field.name for field in dataclasses.fields(config)}
    facts = [
        [name, _format_value(value), "found"]
        for name, value in resolved.items()
        if name not in known
    ]
    return markup.section(
        "Configuration", markup.table(["flag", "value", ""], rows + facts, num_texts=3)
    )


def _format_value(value: object) -> str:
    """As the flag would be given."""
    if isinstance(value, dict):
        return ",".join(f"{name}={one}" for name, one in value.items())
    return str(value)
