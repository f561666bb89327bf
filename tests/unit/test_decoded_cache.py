import logging

import numpy as np
import pytest
import tensorflow as tf

from tests import pictures
from trainer.data import augmentation
from trainer.data.decoded_cache import DecodedCache

NUM_PICTURES = 5
SIDE = 24
NUM_BYTES = 40 * 30 * 3


def encode(record):
    file_format = "png" if record == 3 else "jpeg"
    return pictures.encode(pictures.draw(40, 30, seed=record), file_format)


ENCODED = [encode(record) for record in range(NUM_PICTURES)]


def build_decoder(kind="standard"):
    return augmentation.build_decoder(kind, image_size=SIDE)


def count_calls(decoder, part):
    """A decoder that counts in a variable how often one of its parts is called."""
    count = tf.Variable(0)

    def call(*arguments):
        with tf.control_dependencies([count.assign_add(1)]):
            return getattr(decoder, part)(*arguments)

    return decoder._replace(**{part: call}), count


def decode_all(cache, decoder, *, start=0, num_epochs=1, parallel=2):
    """Pictures of all records in turn, each epoch with other seeds."""
    encoded = tf.constant(ENCODED)

    def decode(position):
        record = position % NUM_PICTURES
        seed = tf.stack([tf.constant(7, tf.int64), position])
        return cache.decode(decoder, encoded[record], seed, record)

    end = start + num_epochs * NUM_PICTURES
    dataset = tf.data.Dataset.range(start, end).map(decode, num_parallel_calls=parallel)
    return [one.numpy() for one in dataset]


def decode_without(decoder, num_epochs):
    return [
        decoder.decode(
            ENCODED[position % NUM_PICTURES], tf.constant([7, position], tf.int64)
        ).numpy()
        for position in range(num_epochs * NUM_PICTURES)
    ]


@pytest.mark.parametrize("kind", ["none", "standard", "randaugment", "trivialaugment"])
@pytest.mark.parametrize("max_bytes", [0, 2 * NUM_BYTES, 10**6])
def test_the_pictures_are_those_without_it(kind, max_bytes):
    decoder = build_decoder(kind)
    found = decode_all(DecodedCache(max_bytes), decoder, num_epochs=3)
    for one, expected in zip(found, decode_without(decoder, 3), strict=True):
        assert one.shape == (SIDE, SIDE, 3)
        np.testing.assert_array_equal(one, expected)


def test_each_picture_is_prepared_once():
    decoder, count = count_calls(build_decoder(), "prepare")
    cache = DecodedCache(10**6)
    decode_all(cache, decoder, num_epochs=2, parallel=1)
    assert count.numpy() == NUM_PICTURES
    # Another dataset, as after a bad record, finds them too.
    decode_all(cache, decoder, start=3)
    assert count.numpy() == NUM_PICTURES


def test_it_takes_no_more_memory_than_it_may(caplog):
    caplog.set_level(logging.INFO)
    decoder, num_prepared = count_calls(build_decoder(), "prepare")
    decoder, num_decoded = count_calls(decoder, "decode")
    cache = DecodedCache(2 * NUM_BYTES + 10)
    decode_all(cache, decoder, parallel=1)
    # The third one did not fit, and no other was tried.
    assert (num_prepared.numpy(), num_decoded.numpy()) == (3, 2)
    decode_all(cache, decoder, parallel=1)
    assert (num_prepared.numpy(), num_decoded.numpy()) == (3, 2 + 3)
    cache.report(NUM_PICTURES)
    assert "2 of 5 training pictures stay decoded, in 6.71e-06 GiB; --cache" in (
        caplog.text
    )


def test_all_that_are_held_are_reported_once(caplog):
    caplog.set_level(logging.INFO)
    cache = DecodedCache(10**6)
    cache.report(NUM_PICTURES)
    assert not caplog.text
    decode_all(cache, build_decoder())
    for _ in range(2):
        cache.report(NUM_PICTURES)
    assert caplog.text.count("5 of 5 training pictures stay decoded, in 1.68e-05") == 1
    assert "full" not in caplog.text


def test_a_record_twice_at_a_time_is_one_picture():
    decoder, cache = build_decoder(), DecodedCache(10**6)
    encoded = tf.constant(ENCODED[0])

    def decode(position):
        seed = tf.stack([tf.constant(7, tf.int64), position])
        return cache.decode(decoder, encoded, seed, tf.constant(0, tf.int64))

    dataset = tf.data.Dataset.range(64).map(decode, num_parallel_calls=8)
    for position, found in enumerate(dataset):
        seed = tf.constant([7, position], tf.int64)
        np.testing.assert_array_equal(found, decoder.decode(ENCODED[0], seed))


def test_two_caches_know_nothing_of_each_other():
    decoder = build_decoder()
    seed, record = tf.constant([0, 0], tf.int64), tf.constant(0, tf.int64)
    for encoded in ENCODED[:2]:
        found = DecodedCache(10**6).decode(decoder, encoded, seed, record)
        np.testing.assert_array_equal(found, decoder.decode(encoded, seed))


@pytest.mark.parametrize("cut", [0.4, 0.9])
def test_what_does_not_decode_as_a_whole_fails_each_time(cut):
    encoded = encode(0)
    cache, decoder = DecodedCache(10**6), build_decoder()
    for position in range(2):
        with pytest.raises(tf.errors.InvalidArgumentError):
            cache.decode(
                decoder,
                encoded[: int(cut * len(encoded))],
                tf.constant([0, position], tf.int64),
                tf.constant(3, tf.int64),
            )
