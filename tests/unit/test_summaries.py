import tensorflow as tf

from trainer.training import summaries


def read(directory):
    (path,) = directory.iterdir()
    return {
        (value.tag, event.step): round(value.simple_value, 4)
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }


def test_events_hold_what_was_written(tmp_path):
    events = summaries.Summaries(str(tmp_path))
    events.write_training(5, {"loss": 2.0, "learning_rate": 0.1})
    events.write_evaluation(
        10,
        {"top_1_accuracy": 0.5, "top_5_accuracy": 1.0, "loss": 0.75, "num_images": 4},
    )
    assert read(tmp_path / "train") == {("loss", 5): 2.0, ("learning_rate", 5): 0.1}
    assert read(tmp_path / "validation") == {
        ("top_1_accuracy", 10): 0.5,
        ("top_5_accuracy", 10): 1.0,
        ("loss", 10): 0.75,
    }
