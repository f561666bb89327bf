import io
import logging
import re

import pytest

from trainer.training import progress

WINDOW = progress.TrainingWindow(
    step=400,
    num_steps=20,
    loss=0.5123,
    accuracy=0.8714,
    learning_rate=0.0321,
    secs=10.0,
    wait_secs=0.5,
    images_per_second=118.04,
    steps_per_second=2.0,
)


def test_a_line_has_a_fixed_form(caplog):
    caplog.set_level(logging.INFO)
    progress.Lines(max_steps=3000).show(WINDOW)
    assert caplog.messages == [
        "train | step 400/3000 | loss 0.512 | accuracy 0.871 | learning rate 0.0321 | "
        "118.0 images/s | 21m40s left"
    ]


def test_an_evaluation_has_a_fixed_form(caplog):
    caplog.set_level(logging.INFO)
    metrics = {
        "loss": 0.5,
        "top_1_accuracy": 0.87,
        "top_5_accuracy": 1.0,
        "num_images": 341,
        "secs": 2.04,
    }
    progress.log_evaluation(400, 3000, metrics, is_best=True)
    assert caplog.messages == [
        "eval  | step 400/3000 | loss 0.500 | top_1_accuracy 0.8700 | "
        "top_5_accuracy 1.0000 | 341 images in 2.0s | best so far"
    ]


def test_a_bar_shows_step_loss_accuracy_speed_and_time_left(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress.bar(start_step=100, max_steps=3000) as bar:
        bar.show(WINDOW)
    last = re.split("[\r\n]", terminal.getvalue().strip())[-1]
    assert "13% |" in last
    assert "step 400/3000, loss 0.512, accuracy 0.871, 118.0 images/s" in last
    assert last.endswith(" left")


@pytest.mark.parametrize(
    ("secs", "expected"),
    [(0.04, "0.0s"), (59.9, "59.9s"), (245, "4m05s"), (7620, "2h07m")],
)
def test_durations_are_short(secs, expected):
    assert progress.format_secs(secs) == expected
