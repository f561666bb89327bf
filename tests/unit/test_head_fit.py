import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import pictures
from trainer import config
from trainer.data import bad_records, pipeline, tfrecord
from trainer.data.example_source import ExampleSource
from trainer.training import head_fit
from trainer.training.interruption import Interruption

NUM_CLASSES, SIDE = 3, 16


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "train.tfrecord"
    pictures.write_classes(path, num_images=30, num_classes=NUM_CLASSES, seed=0)
    index = tfrecord.index_files([str(path)])
    bad = bad_records.BadRecords(index, max_bad_records=lambda _: 9, flag="x")
    bad.add(4, "is bad")
    return ExampleSource(index, bad, 1)


def build_model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input([SIDE, SIDE, 3])
    hidden = keras.layers.Rescaling(1 / 255)(inputs)
    hidden = keras.layers.Dense(8, activation="relu", name="body")(hidden)
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    logits = keras.layers.Dense(NUM_CLASSES, name="predictions")(hidden)
    return keras.Model(inputs, logits)


def fit(source):
    model = build_model()
    job = config.TrainConfig(
        num_classes=NUM_CLASSES, max_steps=1, image_size=SIDE, train_batch_size=8
    )
    head_fit.fit_head(model, job, source, Interruption())
    return model


def test_the_classifier_fits_and_the_rest_stays(source):
    model, before = fit(source), build_model()
    images = pipeline.EvaluationInput(
        source, image_size=SIDE, batch_size=10, num_images=0
    )
    hits, count = 0.0, 0.0
    for pixels, labels, weights in images.read():
        found = tf.argmax(model(pixels), -1, tf.int32)
        hits += float(tf.reduce_sum(weights * tf.cast(found == labels, tf.float32)))
        count += float(tf.reduce_sum(weights))
    assert count == 29
    assert hits / count > 0.9
    body = [one.get_layer("body").kernel.numpy() for one in (model, before)]
    np.testing.assert_array_equal(*body)


def test_twice_is_the_same(source):
    kernels = [fit(source).get_layer("predictions").kernel.numpy() for _ in range(2)]
    np.testing.assert_array_equal(*kernels)
