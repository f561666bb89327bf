"""Scores as JSON, for programs: everything, in full."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.serving import scores as measures
from trainer.serving.scores import Scores

# A full matrix of more classes is mostly zeros; `confusions` has all that is not.
MAX_CLASSES_IN_MATRIX = 200


def format_json(
    scores: Scores,
    names: Sequence[str],
    *,
    label_offset: int,
    bad_records: Sequence[Mapping[str, Any]],
    **facts: Any,
) -> str:
    """One object; docs/contract.md describes it.

    Args:
        scores: Of one picture or more.
        names: One a class.
        label_offset: Label of the first class.
        bad_records: What was left out.
        **facts: What was scored on what, by names of their own.
    """
    interval = measures.compute_interval(scores.num_right, scores.count)
    is_small = scores.num_classes <= MAX_CLASSES_IN_MATRIX
    content = {
        **facts,
        "num_images": scores.count,
        "top_1_accuracy": scores.top_1_accuracy,
        "top_1_interval_95": interval,
        "top_5_accuracy": scores.top_5_accuracy,
        "loss": scores.loss,
        "macro_f1": scores.macro_f1,
        "expected_calibration_error": scores.calibration_error,
        "label_offset": label_offset,
        "classes": [
            {"label": number + label_offset, "name": names[number], **one._asdict()}
            for number, one in enumerate(scores.classes)
        ],
        "confusion_matrix": (
            scores.build_confusion_matrix().tolist() if is_small else None
        ),
        "confusions": [
            {
                "label": one.true + label_offset,
                "predicted_label": one.predicted + label_offset,
                "num_images": one.num_images,
            }
            for one in scores.confusions
        ],
        "reliability_bins": [one._asdict() for one in scores.bins],
        "bad_records": list(bad_records),
    }
    return json.dumps(content, indent=2) + "\n"
