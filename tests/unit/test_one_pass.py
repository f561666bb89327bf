import numpy as np
import tensorflow as tf

from trainer.models import one_pass


def test_only_large_layers_on_a_cpu_pay(monkeypatch):
    assert not one_pass.pays(tf.zeros([1, 8, 8, 5]))
    large = tf.zeros([32, 64, 64, 16])
    assert one_pass.pays(large)
    monkeypatch.setattr(one_pass, "has_accelerator", lambda: True)
    assert not one_pass.pays(large)


def test_rows_at_a_time_divide_all():
    numbers = [1, 49, 64, 67, 12544]
    assert [one_pass.rows_at_a_time(one) for one in numbers] == [1, 7, 8, 1, 8]


def test_rows_of_a_group_are_neighbours():
    pixels = tf.reshape(tf.range(2 * 28 * 28), [2, 28, 28, 1])
    groups = one_pass.group_rows(pixels)
    assert groups.shape == (2, 98, 8, 1)
    np.testing.assert_array_equal(groups[1, 0, :, 0], range(784, 792))


def test_casts_round_as_tensorflow_does():
    # All sign, exponent and upper bits, each with lower bits about and at a half.
    upper = np.arange(2**16, dtype=np.uint32)[:, None] << 16
    lower = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    values = tf.constant((upper | lower).view(np.float32))
    found = one_pass.compiled(lambda one: one_pass.cast(one, "bfloat16"))(values)
    expected = tf.cast(values, tf.bfloat16)
    is_number = ~np.isnan(values)
    np.testing.assert_array_equal(
        tf.bitcast(found, tf.uint16)[is_number],
        tf.bitcast(expected, tf.uint16)[is_number],
    )
    assert np.isnan(tf.cast(found, tf.float32)[~is_number]).all()


def test_fractions_are_rounded_to_the_nearest_and_halves_up():
    upper = np.arange(2**16, dtype=np.uint32)[:, None] << 16
    lower = np.array([0, 1, 0x7FFF, 0x8001, 0xFFFF], np.uint32)
    bits = upper | lower
    values = tf.constant(bits.view(np.float32))
    cast = one_pass.compiled(lambda one: one_pass.cast_fractions(one, "bfloat16"))
    is_number = ~np.isnan(values)
    np.testing.assert_array_equal(
        tf.bitcast(cast(values), tf.uint16)[is_number],
        tf.bitcast(tf.cast(values, tf.bfloat16), tf.uint16)[is_number],
    )
    halves = tf.constant([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8])
    expected = [1 + 2**-7, 1 + 2**-6, -1 - 2**-7]
    np.testing.assert_array_equal(tf.cast(cast(halves), tf.float32), expected)


def test_fractions_that_are_no_numbers_stay_so():
    infinite = tf.constant([np.inf, -np.inf])
    # What the processor makes of them, and what was widened from bfloat16.
    made = tf.concat([infinite - infinite, infinite * 0, -(infinite * 0)], 0)
    payloads = np.arange(0x7F81, 0x8000, dtype=np.uint32)
    widened = np.concatenate([payloads, payloads | 0x8000]) << 16
    values = tf.concat([made, tf.constant(widened.view(np.float32))], 0)
    cast = one_pass.compiled(lambda one: one_pass.cast_fractions(one, "bfloat16"))
    assert np.isnan(tf.cast(cast(values), tf.float32)).all()
