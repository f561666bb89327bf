import tracemalloc

import numpy as np
import pytest

from trainer.serving import scores


def score(labels, probabilities):
    probabilities = np.array(probabilities, np.float32)
    found = scores.Scores(probabilities.shape[1])
    found.add(np.array(labels), probabilities.argmax(1), probabilities)
    return found


def draw(count, num_classes, *, seed=0):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(num_classes), count).astype(np.float32)
    return random.integers(0, num_classes, count), probabilities


def test_accuracies_are_shares_of_all_pictures():
    ranked = np.array([0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05])
    found = score([0, 1, 4, 5], [ranked] * 4)
    assert (found.count, found.num_right) == (4, 1)
    assert found.top_1_accuracy == 0.25
    assert found.top_5_accuracy == 0.75


def test_a_tie_at_place_five_is_in_the_top_five():
    found = score([5, 6], [[0.2, 0.15, 0.15, 0.15, 0.15, 0.15, 0.05]] * 2)
    assert found.top_5_accuracy == 0.5


def test_the_loss_is_the_cross_entropy_and_finite_at_0():
    found = score([0, 1], [[0.25, 0.75], [1.0, 0.0]])
    assert found.loss == pytest.approx((np.log(4) + np.log(1e7)) / 2)


def test_the_served_class_counts_where_probabilities_tie():
    found = scores.Scores(2)
    found.add(np.array([1]), np.array([1]), np.array([[0.5, 0.5]]))
    assert found.top_1_accuracy == 1.0


def test_classes_have_the_textbook_precision_recall_and_f1():
    # Of class 0: two found, one missed, and one of class 1 taken for it.
    answers = np.eye(4)[[0, 0, 1, 0, 1]]
    found = score([0, 0, 0, 1, 1], answers)
    zero, one, two, three = found.classes
    assert zero == (
        3,
        3,
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
    )
    assert one == (2, 2, 0.5, 0.5, 0.5)
    assert two == three == (0, 0, None, None, None)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.5) / 2)


def test_a_class_that_is_never_answered_has_recall_0_and_no_precision():
    missed = score([1], [[0.9, 0.1]]).classes[1]
    assert missed == (1, 0, None, 0.0, 0.0)


def test_confusions_are_the_matrix_off_its_diagonal():
    found = score([0, 0, 0, 2, 1], np.eye(3)[[0, 1, 1, 0, 1]])
    np.testing.assert_array_equal(
        found.build_confusion_matrix(), [[1, 2, 0], [0, 1, 0], [1, 0, 0]]
    )
    assert found.confusions == [(0, 1, 2), (2, 0, 1)]


def test_the_calibration_error_is_the_mean_gap_of_the_bins():
    # Nine of ten answers are right at confidence 0.6, none of ten at 0.9.
    rows = [[0.6, 0.4]] * 10 + [[0.9, 0.1]] * 10
    found = score([0] * 9 + [1] + [1] * 10, rows)
    assert found.calibration_error == pytest.approx(0.5 * 0.3 + 0.5 * 0.9)
    filled = [one for one in found.bins if one.num_images]
    assert [(one.num_images, one.accuracy) for one in filled] == [(10, 0.9), (10, 0.0)]
    for one in filled:
        assert one.low < one.confidence <= one.high


def test_bins_take_their_upper_edge_and_cover_all():
    found = score([0], [[1.0, 0.0]])
    assert len(found.bins) == 15
    assert found.bins[-1][:3] == (pytest.approx(14 / 15), 1.0, 1)
    at_edge = scores.Scores(2)
    at_edge.add(np.array([0]), np.array([0]), np.array([[0.8, 0.2]]))
    (filled,) = [one for one in at_edge.bins if one.num_images]
    assert filled.high == pytest.approx(0.8)
    assert found.bins[0] == (0.0, pytest.approx(1 / 15), 0, None, None)


def test_batches_add_up():
    labels, probabilities = draw(1000, 7)
    whole, parts = score(labels, probabilities), scores.Scores(7)
    for start in range(0, 1000, 33):
        some = slice(start, start + 33)
        answers = probabilities[some].argmax(1)
        parts.add(labels[some], answers, probabilities[some])
    assert parts.loss == pytest.approx(whole.loss)
    assert parts.calibration_error == pytest.approx(whole.calibration_error)
    assert parts.classes == whole.classes
    assert parts.confusions == whole.confusions


def test_no_picture_changes_nothing():
    found = score([0], [[1.0, 0.0]])
    found.add(np.zeros(0, int), np.zeros(0, int), np.zeros([0, 2]))
    assert found.count == 1


def test_memory_does_not_grow_with_the_pictures():
    labels, probabilities = draw(1000, 10)
    answers, found = probabilities.argmax(1), scores.Scores(10)
    found.add(labels, answers, probabilities)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(200):
            found.add(labels, answers, probabilities)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.count == 201_000
    assert after - before < 20_000


@pytest.mark.parametrize(
    ("num_right", "count", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)],
)
def test_the_interval_is_wilsons(num_right, count, low, high):
    found = scores.compute_interval(num_right, count)
    assert found == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
