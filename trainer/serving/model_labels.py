"""Whether the labels of some data are those that a model was trained on."""

import logging

import numpy as np

from trainer import errors
from trainer.data import label_range
from trainer.data.labels import Split
from trainer.data.shard_content import NO_LABEL


def resolve_label_offset(
    split: Split, *, num_classes: int, label_offset: str, model_dir: str
) -> int:
    """Decides which label is the model's first class, as a job does.

    Args:
        split: The data.
        num_classes: The model's.
        label_offset: "0", "1" or "auto": 1 unless there is a label 0 and none equal to
            num_classes.
        model_dir: The model, for messages.

    Returns:
        0 or 1.

    Raises:
        DataError: If a label is out of range, or 0 and num_classes are both there.
    """
    known = split.labels[split.labels != NO_LABEL]
    values, counts = np.unique(known, return_counts=True)
    found = label_range.infer(
        [dict(zip(values.tolist(), counts.tolist(), strict=True))],
        num_classes=num_classes,
        names=[],
    )
    if label_offset != "auto":
        first = int(label_offset)
    elif found.is_mixed:
        raise errors.DataError(
            f"--data_path has labels 0 and {num_classes}, expected 1..{num_classes} or "
            f"0..{num_classes - 1} for the {num_classes} classes of {model_dir}; give "
            "the data that belongs to the model."
        )
    else:
        first = found.first
    _check_range(split, first, num_classes, model_dir)
    if label_offset == "auto" and first == 0:
        logging.warning(
            "Labels of --data_path count from 0, not from 1 as documented: class c of "
            "the model is label c. Give --label_offset=0 if this is meant, else 1."
        )
    return first


def _check_range(split: Split, first: int, num_classes: int, model_dir: str) -> None:
    last = first + num_classes - 1
    is_wrong = (split.labels < first) | (split.labels > last)
    wrong = np.flatnonzero(is_wrong & (split.labels != NO_LABEL))
    if len(wrong):
        record = int(wrong[0])
        raise errors.DataError(
            f"image/class/label is {split.labels[record]} in "
            f"{split.index.describe(record)}, expected {first}..{last} for the "
            f"{num_classes} classes of {model_dir} ({len(wrong)} such records in all); "
            "give the data that belongs to the model, or another --label_offset."
        )
