import json

import pytest

from trainer.training import training_curve
from trainer.training.progress import TrainingWindow
from trainer.training.training_curve import MAX_POINTS, TrainingCurve


def window(step, num_steps=10, **values):
    defaults = {
        "loss": 2.0,
        "accuracy": 0.5,
        "learning_rate": 0.1 * step,
        "secs": 5.0,
        "wait_secs": 1.0,
        "images_per_second": 64.0,
        "steps_per_second": 2.0,
    }
    return TrainingWindow(step=step, num_steps=num_steps, **{**defaults, **values})


def build(num_windows):
    curve = TrainingCurve()
    for number in range(1, num_windows + 1):
        curve.add(window(10 * number, loss=float(number)))
    return curve


def test_points_survive_a_file_and_a_checkpoint(tmp_path):
    curve, path = build(3), str(tmp_path / "training.jsonl")
    curve.save(path)
    assert training_curve.read_curve(path).points == curve.points
    restored = TrainingCurve(json.loads(json.dumps(curve.export())))
    assert restored.points == curve.points


def test_numbers_are_short_and_steps_exact():
    curve = TrainingCurve()
    curve.add(window(123456789, loss=1 / 3))
    (point,) = curve.export()
    assert (point["step"], point["loss"]) == (123456789, 0.333333)


def test_a_long_job_has_a_bounded_curve_that_adds_up():
    count = 3 * MAX_POINTS
    points = build(count).points
    assert len(points) == MAX_POINTS
    assert sum(point.num_steps for point in points) == 10 * count
    assert sum(point.secs for point in points) == pytest.approx(5 * count)
    assert sum(point.wait_secs for point in points) == pytest.approx(count)
    total = sum(point.loss * point.num_steps for point in points)
    assert total == pytest.approx(10 * sum(range(1, count + 1)))
    assert [point.step for point in points] == sorted(point.step for point in points)
    assert (points[-1].step, points[-1].learning_rate) == (10 * count, 1.0 * count)


def test_joined_points_are_about_equally_wide():
    widths = [point.num_steps for point in build(4 * MAX_POINTS).points]
    assert max(widths) <= 8 * min(widths)


def test_no_file_is_no_point(tmp_path):
    assert training_curve.read_curve(str(tmp_path / "none")).points == []
