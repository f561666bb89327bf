"""Whatever a picture's bytes are, pixels or a reason come of them."""

import io
import warnings

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import mutations, pictures
from trainer.data import images, normalize, record_reader, tfrecord
from trainer.serving.predictor import Prediction, Predictor, Undecodable

SIDE = 32


def encode(mode, file_format, **options):
    image = Image.fromarray(pictures.draw(12, 16)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


ORIGINALS = [
    encode("RGB", "JPEG"),
    encode("L", "JPEG", progressive=True),
    encode("CMYK", "JPEG"),
    encode("RGB", "PNG"),
    encode("P", "PNG"),
    encode("I;16", "PNG"),
    encode("RGBA", "PNG"),
    encode("P", "GIF"),
    encode("P", "GIF", save_all=True, append_images=[Image.new("P", (9, 9))]),
    encode("RGB", "BMP"),
    encode("P", "BMP"),
    encode("RGB", "WEBP"),
    encode("RGBA", "WEBP", lossless=True),
]
OTHERS = [encode("RGB", "TIFF"), encode("L", "TIFF", compression="tiff_lzw")]


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def decode_for_evaluation(encoded):
    return images.decode_for_evaluation(encoded, image_size=SIDE)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def decode_for_training(encoded):
    return images.decode_for_training(encoded, [1, 2], image_size=SIDE)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def decode_in_a_batch(encoded):
    batch, seeds = tf.fill([2], encoded), tf.constant([[1, 2], [3, 4]], tf.int64)
    return images.decode_batch_for_training(batch, seeds, image_size=SIDE)


def decode_at_once(encoded):
    """As a record is looked at that made its batch fail."""
    return images.decode_for_evaluation(tf.constant(encoded), image_size=SIDE)


@hypothesis.given(mutations.damaged(ORIGINALS))
@mutations.in_time
def test_training_and_evaluation(encoded):
    for decode in (
        decode_for_evaluation,
        decode_for_training,
        decode_in_a_batch,
        decode_at_once,
    ):
        try:
            pixels = decode(encoded)
        except tf.errors.InvalidArgumentError as error:
            assert "does not decode" in images.describe_failure(error)
        else:
            assert np.isfinite(pixels.numpy()).all()


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


@hypothesis.given(mutations.damaged([*ORIGINALS, *OTHERS]))
@mutations.in_time
def test_conversion(directory, encoded):
    path = directory / "picture"
    path.write_bytes(encoded)
    found = normalize.load_picture(str(path))
    if isinstance(found, normalize.Picture):
        with warnings.catch_warnings():
            # Of sizes that are still below the limit.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(found.encoded))
        with image:
            assert image.size == (found.width, found.height)
    else:
        assert found


@hypothesis.given(mutations.damaged(ORIGINALS))
@mutations.in_time
def test_inspection(directory, encoded):
    path = directory / "data.tfrecord"
    path.write_bytes(tfrecord.frame(pictures.example(encoded, 1)))
    record_reader.close_files()
    chunk = record_reader.read_chunk(str(path), str(path), 0, 1)
    assert len(chunk.bad) == (chunk.records["status"] != 0).sum()


@pytest.fixture(scope="session")
def predictor(colour_model_dir):
    return Predictor(colour_model_dir)


@hypothesis.given(mutations.damaged(ORIGINALS))
@mutations.in_time
def test_prediction(predictor, encoded):
    one, good = predictor.predict([encoded, ORIGINALS[0]])
    assert isinstance(one, Prediction | Undecodable)
    assert isinstance(good, Prediction)


def test_the_originals_themselves_decode(predictor):
    for one in predictor.predict(ORIGINALS):
        assert isinstance(one, Prediction)
