from xml.etree import ElementTree

import numpy as np
import pytest

from tests import finished_jobs
from trainer.report import plot_style, score_plots
from trainer.report.data_facts import SplitFacts
from trainer.serving.scores import Scores


@pytest.fixture(autouse=True)
def _styled():
    with plot_style.styled():
        yield


def texts_of(svg):
    return [one.text for one in ElementTree.fromstring(svg).iter() if one.text]


def split(name, counts):
    return SplitFacts(name, f"{name}-*", 1, 9, counts, 0, "")


def test_the_matrix_has_each_number_once_and_names_in_short():
    scores = Scores(3)
    labels, predicted = np.array([0] * 30 + [1] * 17), np.array([0] * 25 + [2] * 22)
    scores.add(labels, predicted, np.eye(3)[predicted])
    long_name = "a name that is longer than its place"
    texts = texts_of(score_plots.draw_confusions(scores, ["cat", "dog", long_name]))
    assert [texts.count(number) for number in ("25", "5", "17", "0")] == [1, 1, 1, 0]
    assert texts.count("cat") == 2
    assert f"{long_name[:19]}…" in texts


def test_shades_are_shares_of_a_row():
    scores = Scores(2)
    labels, predicted = np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1])
    scores.add(labels, predicted, np.eye(2)[predicted])
    svg = score_plots.draw_confusions(scores, ["cat", "dog"])
    assert svg.count("var(--heat)") == 2
    assert "fill-opacity: 0.75" in svg
    assert "fill-opacity: 0.25" in svg


def test_a_large_matrix_has_no_numbers():
    scores = finished_jobs.build_scores(score_plots.MAX_CLASSES_WITH_NUMBERS + 1, 900)
    names = [f"kind {n}" for n in range(scores.num_classes)]
    texts = texts_of(score_plots.draw_confusions(scores, names))
    assert not [text for text in texts if text.strip().isdigit()]


def test_the_reliability_diagram_has_a_bar_for_each_bin_with_answers():
    scores = finished_jobs.build_scores(5)
    svg = score_plots.draw_reliability(scores)
    filled = sum(one.num_images > 0 for one in scores.bins)
    # Once in the histogram.
    assert svg.count("var(--series-3)") == filled


def test_each_class_has_a_bar_for_each_split_that_is_known():
    splits = [split("training", np.array([7, 1234])), split("validation", None)]
    texts = texts_of(score_plots.draw_class_counts(splits, ["cat", "dog"]))
    assert {"cat", "dog", "1,234", "training"} <= set(texts)
    assert "validation" not in texts


def test_many_classes_are_a_line():
    count = score_plots.MAX_CLASSES_WITH_BARS + 1
    splits = [split("training", np.arange(count))]
    names = [f"kind {n}" for n in range(count)]
    texts = texts_of(score_plots.draw_class_counts(splits, names))
    assert "classes, the most frequent first" in texts
    assert "kind 3" not in texts
