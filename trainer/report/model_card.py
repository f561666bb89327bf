"""The model card: what a stranger should know before using the model.

Its headings follow Mitchell et al. 2019, "Model cards for model reporting",
arxiv.org/abs/1810.03993.
"""

from collections.abc import Iterator, Sequence

from trainer import __version__
from trainer.config import TrainConfig
from trainer.report.content import Content
from trainer.serving import scores as measures
from trainer.serving.scores_table import format_shares

MAX_CLASSES_SHOWN = 200
# Fewer images of a class say little about it.
FEW_IMAGES = 20
POOR_RECALL = 0.5
MAX_NAMES = 10


def format_card(content: Content) -> str:
    """Writes the card as Markdown."""
    sections = {
        f"# {content.title}": _describe_model(content),
        "## Intended use": _describe_use(content),
        "## Training data": _describe_data(content),
        "## Metrics": _describe_metrics(content),
        "## Limits": _describe_limits(content),
        "## How to use it": _describe_calls(content),
    }
    parts = ["\n".join([head, "", *lines]) for head, lines in sections.items()]
    return "\n\n".join(parts) + "\n"


def _describe_model(content: Content) -> Iterator[str]:
    config, resolved = content.job.config, content.job.resolved
    best, side = content.job.best, config.resolved_image_size
    yield "An image classifier: a picture in, a probability for each class out."
    yield ""
    yield from _table(
        ["", ""],
        [
            ["architecture", config.model_type],
            ["input", f"{side} x {side} pixels, made from the picture's centre"],
            ["weights", f"step {best['step']:,} of {config.max_steps:,}"],
            ["started from", _describe_start(config)],
            ["trained in", str(resolved.get("precision", "unknown"))],
            ["trained on", str(resolved.get("device", "unknown"))],
            ["files", content.job.model_dir],
            ["trainer", f"version {__version__}"],
        ],
    )


def _describe_start(config: TrainConfig) -> str:
    return config.pretrained_checkpoint_path or config.hub_handle or "random weights"


def _describe_use(content: Content) -> Iterator[str]:
    names = ", ".join(_quote(name) for name in content.names[:MAX_NAMES])
    more = len(content.names) - MAX_NAMES
    yield (
        f"It tells {len(content.names):,} classes apart: {names}"
        + (f" and {more:,} more." if more > 0 else ".")
    )
    yield (
        "Pictures should be like those of the training data. It has no answer for "
        "anything else: each picture gets one of these classes."
    )


def _describe_data(content: Content) -> Iterator[str]:
    rows = [
        [
            split.name,
            f"`{split.pattern}`",
            "unknown" if split.counts is None else f"{split.counts.sum():,}",
            f"{split.num_bad:,}",
        ]
        for split in content.splits
    ]
    yield from _table(["split", "files", "images", "bad records left out"], rows)
    counts = content.splits[0].counts
    if counts is not None:
        yield ""
        yield (
            f"Classes of training have {counts.min():,} to {counts.max():,} images, "
            f"{round(counts.mean()):,} in the mean."
        )


def _describe_metrics(content: Content) -> Iterator[str]:
    if content.validated is None:
        best = content.job.best
        yield (
            f"Top-1 accuracy {best['top_1_accuracy']:.4f} on {best['num_images']:,} "
            "validation images, as counted in training. The exported model was not "
            f"scored again: {content.problem}"
        )
        return
    scores = content.validated.scores
    low, high = measures.compute_interval(scores.num_right, scores.count)
    yield f"Of the exported model, on {scores.count:,} images of validation:"
    yield ""
    yield from _table(
        ["metric", "value"],
        [
            ["top-1 accuracy", f"{scores.top_1_accuracy:.4f}"],
            ["its 95 % confidence interval", f"{low:.4f} to {high:.4f}"],
            ["top-5 accuracy", f"{scores.top_5_accuracy:.4f}"],
            ["macro F1", f"{scores.macro_f1:.4f}"],
            ["cross entropy", f"{scores.loss:.4f}"],
            ["expected calibration error, 15 bins", f"{scores.calibration_error:.4f}"],
        ],
    )
    yield ""
    yield from _table(
        ["class", "images", "precision", "recall", "F1"],
        [
            [_quote(name), f"{one.support:,}", *format_shares(one)]
            for name, one in list(zip(content.names, scores.classes, strict=True))[
                :MAX_CLASSES_SHOWN
            ]
        ],
    )
    if scores.num_classes > MAX_CLASSES_SHOWN:
        yield ""
        yield f"And {scores.num_classes - MAX_CLASSES_SHOWN:,} more classes."


def _describe_limits(content: Content) -> Iterator[str]:
    yield (
        "- The model was chosen by its accuracy on the validation data, which flatters "
        "it a little. Score it on pictures that played no part in training before you "
        "rely on it."
    )
    if content.validated is not None:
        yield from _describe_weak_classes(content)
    yield (
        "- A probability is no proof: see the calibration error, and the reliability "
        "diagram in index.html."
    )
    yield (
        "- Only the centre of a picture is looked at. EXIF orientation is ignored: "
        "turn pictures upright first, as `convert` and `predict` do."
    )
    yield (
        "- Nothing here says how it does on groups of people, places or cameras that "
        "the classes do not name."
    )


def _describe_weak_classes(content: Content) -> Iterator[str]:
    assert content.validated is not None
    classes = list(zip(content.names, content.validated.scores.classes, strict=True))
    few = [name for name, one in classes if one.support < FEW_IMAGES]
    poor = [
        name
        for name, one in classes
        if one.recall is not None and one.recall < POOR_RECALL
    ]
    if few:
        yield (
            f"- Fewer than {FEW_IMAGES} images were scored of {_list(few)}: their "
            "numbers are rough."
        )
    if poor:
        yield f"- Less than half of the images were found of {_list(poor)}."


def _describe_calls(content: Content) -> Iterator[str]:
    model_dir = content.job.model_dir
    yield "Score it on other data, and ask it about pictures:"
    yield ""
    yield "    python -m trainer.task evaluate \\"
    yield f"      --model_dir={model_dir} --data_path='data/test-*'"
    yield f"    python -m trainer.task predict --model_dir={model_dir} photo.jpg"
    yield ""
    yield "In Python:"
    yield ""
    yield "    import tensorflow as tf"
    yield f"    model = tf.saved_model.load({model_dir!r})"
    yield "    predict = model.signatures['serving_default']"
    yield "    with open('photo.jpg', 'rb') as file:"
    yield "        answer = predict(image_bytes=tf.constant([file.read()]),"
    yield "                         key=tf.constant(['photo.jpg']))"
    yield "    print(answer['classes'], answer['probabilities'])"
    yield ""
    yield (
        "`classes` counts from 0; line `classes + 1` of labels.txt, if the model has "
        "one, is its name."
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        cells = [cell.replace("|", "\\|") for cell in row]
        yield f"| {' | '.join(cells)} |"


def _quote(name: str) -> str:
    """A name as it is, whatever Markdown makes of its characters."""
    return f"`{name}`" if "`" not in name else name


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(_quote(name) for name in names[:MAX_NAMES])
    more = len(names) - MAX_NAMES
    return f"{shown} and {more:,} more classes" if more > 0 else shown
