import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from trainer.config import TrainConfig
from trainer.training import schedules

COSINE = TrainConfig(
    initial_learning_rate=0.128,
    warmup_learning_rate=0.0001,
    warmup_steps=500,
    max_steps=50000,
)
STEPWISE = dataclasses.replace(
    COSINE,
    learning_rate_decay_type="stepwise",
    stepwise_learning_rate_steps="1000,2000",
    stepwise_learning_rate_levels="0.008,0.0008",
)


def rates(config, steps):
    learning_rate = schedules.build_schedule(config)
    return np.array([learning_rate(step).numpy() for step in steps])


def test_cosine_rates_are_the_documented_ones():
    # By hand: 0.0001 + s/500 * 0.1279; then 0.064 * (1 + cos(pi * (s-500)/49500)).
    golden = [0.0001, 0.0256800, 0.128, 0.1279678, 0.064, 0.0, 0.0]
    steps = [0, 100, 500, 1000, 25250, 50000, 60000]
    np.testing.assert_allclose(rates(COSINE, steps), golden, rtol=1e-5, atol=1e-9)


def test_cosine_ends_at_exactly_zero_and_stays_there():
    assert rates(COSINE, [50000, 50001, 10**9]).tolist() == [0.0, 0.0, 0.0]


def test_stepwise_rates_change_at_the_listed_steps():
    golden = [0.0001, 0.0640500, 0.128, 0.128, 0.008, 0.008, 0.0008, 0.0008]
    steps = [0, 250, 500, 999, 1000, 1999, 2000, 10**6]
    np.testing.assert_allclose(rates(STEPWISE, steps), golden, rtol=1e-5)


@pytest.mark.parametrize("config", [COSINE, STEPWISE], ids=["cosine", "stepwise"])
def test_no_warm_up_starts_at_the_initial_rate(config):
    config = dataclasses.replace(config, warmup_steps=0)
    assert rates(config, [0])[0] == np.float32(0.128)


def test_one_step_of_warm_up_is_finite():
    config = dataclasses.replace(COSINE, warmup_steps=1)
    assert rates(config, [0, 1]).tolist() == [np.float32(0.0001), np.float32(0.128)]


@pytest.mark.parametrize("config", [COSINE, STEPWISE], ids=["cosine", "stepwise"])
def test_graph_and_int_steps_give_the_same_scalar(config):
    learning_rate = schedules.build_schedule(config)
    step = tf.Variable(1500, dtype=tf.int64)
    in_graph = tf.function(lambda: learning_rate(step))()
    assert (in_graph.dtype, in_graph.shape) == (tf.float32, ())
    np.testing.assert_allclose(in_graph, learning_rate(1500), rtol=1e-6)


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (COSINE, {"warmup_learning_rate": 0.01}),
        (COSINE, {"warmup_steps": 400}),
        (COSINE, {"initial_learning_rate": 0.1}),
        (COSINE, {"decay_steps": 40000}),
        (COSINE, {"max_steps": 40000}),
        (COSINE, {"learning_rate_decay_type": "stepwise"}),
        (STEPWISE, {"stepwise_learning_rate_steps": "900,2000"}),
        (STEPWISE, {"stepwise_learning_rate_levels": "0.009,0.0008"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_knob_changes_the_rate(config, change):
    steps = [0, 450, 950, 1500, 20000]
    changed = rates(dataclasses.replace(config, **change), steps)
    assert not np.allclose(changed, rates(config, steps), rtol=1e-4)
