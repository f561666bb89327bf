import numpy as np

from trainer.serving import scores_table
from trainer.serving.scores import Scores


def build(num_classes, pairs):
    scores = Scores(num_classes)
    labels, predicted = np.array(pairs).T
    scores.add(labels, predicted, np.eye(num_classes)[predicted])
    return scores


def show(scores, names, **options):
    return scores_table.format_scores(
        scores, names, **{"label_offset": 1, "title": "a on b", "num_bad": 0, **options}
    )


def test_a_class_without_pictures_or_answers_has_dashes():
    lines = show(build(3, [(0, 0), (0, 1)]), ["cat", "dog", "cow"]).splitlines()
    assert "1 cat       2      1.000   0.500  0.667" in lines
    assert "2 dog       0      0.000       -  0.000" in lines
    assert "3 cow       0          -       -      -" in lines


def test_many_classes_are_cut_and_mistakes_are_a_list():
    pairs = [(0, 1)] * 3 + [(number, 0) for number in range(1, 60)]
    page = show(build(60, pairs), [f"kind {number}" for number in range(60)])
    assert "and 10 more classes, see --json" in page
    assert " 1 kind 0 taken for  2 kind 1       3" in page
    assert "and 50 more kinds of mistakes, see --json" in page
    assert "is \\ taken for" not in page


def test_no_mistake_is_said():
    assert show(build(2, [(0, 0), (1, 1)]), ["1", "2"]).endswith("\n\nno mistakes\n")


def test_classes_without_names_have_labels_that_may_count_from_0():
    page = show(build(2, [(0, 0), (1, 0)]), ["1", "2"], label_offset=0)
    assert "\n0           1      0.500" in page
    assert "\n1           1          -" in page


def test_bad_records_are_counted():
    assert "and 3 bad records left out" in show(
        build(2, [(0, 1)]), ["a", "b"], num_bad=3
    )
