import json

import numpy as np

from trainer.serving import scores_json
from trainer.serving.scores import Scores


def write(num_classes):
    scores = Scores(num_classes)
    labels, predicted = np.array([0, 1, 1]), np.array([0, 0, 0])
    scores.add(labels, predicted, np.eye(num_classes)[predicted])
    text = scores_json.format_json(
        scores,
        [str(number) for number in range(num_classes)],
        label_offset=0,
        bad_records=[],
        model_dir="job/model",
    )
    return json.loads(text)


def test_what_is_undefined_is_null():
    found = write(3)
    assert found["model_dir"] == "job/model"
    assert found["classes"][2]["precision"] is None
    assert found["classes"][1] == {
        "label": 1,
        "name": "1",
        "support": 2,
        "predicted": 0,
        "precision": None,
        "recall": 0.0,
        "f1": 0.0,
    }
    assert found["reliability_bins"][0]["accuracy"] is None
    assert found["top_1_interval_95"][0] < 1 / 3 < found["top_1_interval_95"][1]


def test_a_large_matrix_is_left_out_but_no_mistake_is():
    found = write(201)
    assert found["confusion_matrix"] is None
    assert found["confusions"] == [{"label": 1, "predicted_label": 0, "num_images": 2}]
    assert len(found["classes"]) == 201
