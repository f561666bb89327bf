import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import pictures, saved_models
from trainer import errors
from trainer.data import images
from trainer.serving.predictor import Predictor, Undecodable

JPEGS = [pictures.encode(pictures.draw_class(label, 3)) for label in (2, 0, 1)]


def test_answers_are_those_of_the_model(colour_model_dir):
    found = Predictor(colour_model_dir).predict(JPEGS)
    assert [one.class_index for one in found] == [2, 0, 1]
    pixels = tf.stack(
        [images.decode_for_evaluation(one, image_size=32) for one in JPEGS]
    )
    expected = tf.nn.softmax(saved_models.build_model()(pixels))
    np.testing.assert_allclose([one.probabilities for one in found], expected, 1e-5)


def test_one_bad_picture_is_named_and_its_neighbours_are_answered(colour_model_dir):
    predictor = Predictor(colour_model_dir)
    found = predictor.predict([*JPEGS, b"no picture", JPEGS[0]])
    assert isinstance(found[3], Undecodable)
    assert found[3].reason == (
        "holds a picture that does not decode (assertion failed: [it is no JPEG, PNG, "
        "GIF, BMP or WebP])"
    )
    expected = predictor.predict([*JPEGS, JPEGS[0]])
    for one, other in zip([*found[:3], found[4]], expected, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_the_number_of_classes_is_known(colour_model_dir):
    assert Predictor(colour_model_dir).num_classes == 3


def test_no_picture_has_no_answer(colour_model_dir):
    assert Predictor(colour_model_dir).predict([]) == []


def test_classes_are_named_by_labels_or_counted_from_1(colour_model_dir, tmp_path):
    assert Predictor(colour_model_dir).name_class(2) == "blue"
    plain = Predictor(saved_models.write(tmp_path / "model", labels=None))
    assert (plain.labels, plain.name_class(2)) == (None, "3")


def test_model_on_gs_answers_alike(colour_model_dir, bucket):
    bucket.write_dir(colour_model_dir, "job/model")
    remote = Predictor(f"{bucket.url}/job/model")
    assert remote.labels == list(saved_models.LABELS)
    (found,) = remote.predict(JPEGS[:1])
    (expected,) = Predictor(colour_model_dir).predict(JPEGS[:1])
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_model_with_variables_is_copied_from_gs_whole(bucket, tmp_path):
    class Original(tf.Module):
        """As the service exported: variables beside the graph, and no default key."""

        def __init__(self):
            super().__init__()
            self.row = tf.Variable([[0.2, 0.8]])

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, "image_bytes"),
                tf.TensorSpec([None], tf.string, "key"),
            ]
        )
        def serve(self, image_bytes, key):
            rows = tf.repeat(self.row, tf.size(image_bytes), axis=0)
            return {
                "classes": tf.argmax(rows, 1),
                "key": key,
                "probabilities": rows,
            }

    module = Original()
    tf.saved_model.save(module, str(tmp_path), {"serving_default": module.serve})
    bucket.write_dir(tmp_path, "original")
    (found,) = Predictor(f"{bucket.url}/original").predict([b"any"])
    assert found.class_index == 1


def test_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(errors.StorageError, match=r"has no saved_model.pb, expected"):
        Predictor(str(tmp_path))


def test_damaged_model_is_named(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\x80not a proto")
    with pytest.raises(errors.DataError, match=r"is no SavedModel that TensorFlow"):
        Predictor(str(tmp_path))


def test_model_that_writes_as_it_is_loaded_is_refused_before_it_does(tmp_path):
    class Resource(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):
            return tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

        @tf.function
        def _initialize(self):
            tf.io.write_file(str(tmp_path / "owned"), "text")

    module = tf.Module()
    module.resource = Resource()
    tf.saved_model.save(module, str(tmp_path / "model"))
    with pytest.raises(
        errors.DataError, match=r"model does more than compute: it has WriteFile\. Such"
    ):
        Predictor(str(tmp_path / "model"))
    assert not (tmp_path / "owned").exists()
    # So it would have been.
    tf.saved_model.load(str(tmp_path / "model"))
    assert (tmp_path / "owned").exists()


def test_other_signature_is_said(tmp_path):
    model = keras.Sequential([keras.Input([4]), keras.layers.Dense(2, name="scores")])
    model.export(str(tmp_path), verbose=False)
    with pytest.raises(
        errors.DataError, match=r"with inputs image_bytes, key .* found inputs \w+"
    ):
        Predictor(str(tmp_path))
