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
