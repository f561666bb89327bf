import numpy as np
import pytest
import tensorflow as tf

from tests import pictures, saved_models
from trainer import errors
from trainer.data import images
from trainer.serving import parity

JPEGS = [pictures.encode(pictures.draw_class(label, 3)) for label in (0, 1, 2)]


def predict(encoded):
    pixels = [images.decode_for_evaluation(one, image_size=32) for one in encoded]
    model = saved_models.build_model()
    return tf.nn.softmax(model(tf.stack(pixels))).numpy()


def build_gate(function=predict, encoded=JPEGS, shifts=(0, 0, 0)):
    return parity.ParityGate(
        encoded,
        function,
        lambda _: np.array(shifts),
        max_difference=parity.MAX_DIFFERENCE_CPU,
    )


def test_export_of_the_same_model_passes(colour_model_dir):
    found = build_gate().check(colour_model_dir)
    assert found.difference < 1e-6
    assert found.num_images == 3


def test_skewed_preprocessing_is_caught(tmp_path, monkeypatch):
    # A third of a grey level more in one channel, in serving only.
    decode = images.decode_for_evaluation
    monkeypatch.setattr(
        images,
        "decode_for_evaluation",
        lambda encoded, image_size: (
            decode(encoded, image_size=image_size) + tf.constant([0.3, 0, 0])
        ),
    )
    model_dir = saved_models.write(tmp_path / "model")
    monkeypatch.undo()
    with pytest.raises(errors.TrainingError, match=r"a probability differs by 0.00"):
        build_gate().check(model_dir)


def test_other_weights_are_caught(colour_model_dir):
    with pytest.raises(errors.TrainingError, match="a probability differs by"):
        build_gate(lambda encoded: predict(encoded)[:, ::-1]).check(colour_model_dir)


def test_probability_that_is_no_number_is_caught(colour_model_dir):
    with pytest.raises(errors.TrainingError, match="differs by nan"):
        build_gate(lambda encoded: predict(encoded) * np.nan).check(colour_model_dir)


def test_picture_that_only_one_of_them_reads_is_caught(colour_model_dir):
    gate = build_gate(lambda _: np.ones([2, 3]) / 3, [JPEGS[0], b"none"])
    with pytest.raises(errors.TrainingError, match="picture 1 holds a picture that"):
        gate.check(colour_model_dir)


def test_other_class_is_caught_and_a_tie_is_none(colour_model_dir, monkeypatch):
    predict_all = parity.Predictor.predict

    def say_green(self, encoded):
        return [one._replace(class_index=1) for one in predict_all(self, encoded)]

    monkeypatch.setattr(parity.Predictor, "predict", say_green)
    with pytest.raises(errors.TrainingError, match="0 is of class 0, it says 1"):
        build_gate().check(colour_model_dir)
    grey = [pictures.encode(np.full([32, 32, 3], 128, np.uint8))]
    gate = parity.ParityGate(
        grey,
        lambda _: np.array([[0.5, 0.5, 0.0]]),
        lambda _: np.zeros(1),
        max_difference=1.0,
    )
    gate.check(colour_model_dir)


def predict_otherwise(encoded):
    """As `predict`, but for the last picture, of which it is sure that it is red."""
    probabilities = predict(encoded)
    probabilities[-1] = [1, 0, 0]
    return probabilities


def test_what_rounding_decides_is_left_out_with_a_warning(colour_model_dir, caplog):
    found = build_gate(predict_otherwise, shifts=(0, 0, 0.5)).check(colour_model_dir)
    assert found.difference < 1e-6
    assert found.num_images == 2
    assert "decides what the model says of 1 of 3 validation pictures" in caplog.text
    assert "logits change by 0.5" in caplog.text


@pytest.mark.parametrize("shifts", [(0, 0.5, 0), (0, 0, 0.009), (0, 0, np.nan)])
def test_what_rounding_does_not_decide_is_caught(colour_model_dir, shifts):
    with pytest.raises(errors.TrainingError, match="a probability differs by"):
        build_gate(predict_otherwise, shifts=shifts).check(colour_model_dir)


def test_a_model_of_which_nothing_can_be_compared_is_refused(colour_model_dir):
    gate = build_gate(lambda encoded: predict(encoded)[:, ::-1], shifts=(1, 1, 1))
    with pytest.raises(errors.TrainingError, match="says of all 3 validation pictures"):
        gate.check(colour_model_dir)
