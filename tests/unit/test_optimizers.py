import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.config import OPTIMIZER_ARGUMENTS
from trainer.training import optimizers

LEARNING_RATES = [0.1, 0.2, 0.05, 0.0, 0.3]
STARTS = [np.array([[1.0, -2.0], [0.5, 3.0]], np.float32), np.array([0.7], np.float32)]
GRADIENTS = np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32)

V1_OPTIMIZERS = {
    "momentum": tf.compat.v1.train.MomentumOptimizer,
    "adam": tf.compat.v1.train.AdamOptimizer,
    "rmsprop": tf.compat.v1.train.RMSPropOptimizer,
    "adadelta": tf.compat.v1.train.AdadeltaOptimizer,
    "adagrad": tf.compat.v1.train.AdagradOptimizer,
}
# Argument -> a value that is not the default, beside what it needs to have an effect.
OTHER_ARGUMENTS = [
    ("momentum", {"momentum": 0.5}),
    ("momentum", {"use_nesterov": True}),
    ("adam", {"beta1": 0.5}),
    ("adam", {"beta2": 0.9}),
    ("adam", {"epsilon": 0.1}),
    ("rmsprop", {"decay": 0.5}),
    ("rmsprop", {"momentum": 0.9}),
    ("rmsprop", {"epsilon": 0.1}),
    ("adadelta", {"rho": 0.5}),
    ("adadelta", {"epsilon": 0.01}),
    ("adagrad", {"initial_accumulator_value": 1.0}),
]
DEFAULTS = [(name, {}) for name in OPTIMIZER_ARGUMENTS]


def case_id(value):
    return value if isinstance(value, str) else "-".join(value) or "defaults"


def split(gradient):
    return [tf.constant(gradient[:4].reshape(2, 2)), tf.constant(gradient[4:])]


def build_variables():
    return [
        tf.Variable(start, name=name)
        for start, name in zip(STARTS, ["dense/kernel", "dense/bias"], strict=True)
    ]


def flat(variables):
    return np.concatenate([variable.numpy().ravel() for variable in variables])


def build(name, arguments, variables):
    arguments = {**OPTIMIZER_ARGUMENTS[name], **arguments}
    return optimizers.build_optimizer(name, arguments, variables)


def weights_after_each_step(name, arguments):
    variables = build_variables()
    optimizer = build(name, arguments, variables)
    apply = tf.function(optimizer.apply)
    history = []
    for rate, gradient in zip(LEARNING_RATES, GRADIENTS, strict=True):
        apply(split(gradient), tf.constant(rate))
        history.append(flat(variables))
    return np.array(history)


def v1_weights_after_each_step(name, arguments):
    history = []
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        rate = tf.compat.v1.placeholder(tf.float32, [])
        gradient = tf.compat.v1.placeholder(tf.float32, [5])
        variables = [
            tf.compat.v1.get_variable(f"v{i}", initializer=start, use_resource=True)
            for i, start in enumerate(STARTS)
        ]
        parts = [tf.reshape(gradient[:4], [2, 2]), gradient[4:]]
        optimizer = V1_OPTIMIZERS[name](learning_rate=rate, **arguments)
        update = optimizer.apply_gradients(zip(parts, variables, strict=True))
        session.run(tf.compat.v1.global_variables_initializer())
        for rate_now, gradient_now in zip(LEARNING_RATES, GRADIENTS, strict=True):
            session.run(update, {rate: rate_now, gradient: gradient_now})
            values = session.run(variables)
            history.append(np.concatenate([value.ravel() for value in values]))
    return np.array(history)


@pytest.mark.parametrize(("name", "arguments"), DEFAULTS + OTHER_ARGUMENTS, ids=case_id)
def test_updates_equal_those_of_tensorflow_1(name, arguments):
    # TensorFlow 1's momentum has no default; every other default must be its own.
    v1_arguments = {"momentum": 0.9, **arguments} if name == "momentum" else arguments
    np.testing.assert_allclose(
        weights_after_each_step(name, arguments),
        v1_weights_after_each_step(name, v1_arguments),
        rtol=1e-6,
        atol=1e-7,
    )


@pytest.mark.parametrize(("name", "arguments"), OTHER_ARGUMENTS, ids=case_id)
def test_each_argument_changes_the_weights(name, arguments):
    changed = weights_after_each_step(name, arguments)[-1]
    assert np.abs(changed - weights_after_each_step(name, {})[-1]).max() > 1e-4


def test_every_argument_of_every_optimizer_is_tried():
    tried = {(name, argument) for name, given in OTHER_ARGUMENTS for argument in given}
    known = {
        (name, a) for name, defaults in OPTIMIZER_ARGUMENTS.items() for a in defaults
    }
    assert tried == known


@pytest.mark.parametrize(
    ("name", "slot_names"),
    [
        ("momentum", ["Momentum"]),
        ("adam", ["Adam", "Adam_1"]),
        ("rmsprop", ["RMSProp", "RMSProp_1"]),
        ("adadelta", ["Adadelta", "Adadelta_1"]),
        ("adagrad", ["Adagrad"]),
    ],
)
def test_slots_have_tensorflow_1_names_and_the_shape_of_their_variable(
    name, slot_names
):
    optimizer = build(name, {}, build_variables())
    powers = {"beta1_power": (), "beta2_power": ()} if name == "adam" else {}
    slots = {f"dense/kernel/{slot}": (2, 2) for slot in slot_names}
    slots |= {f"dense/bias/{slot}": (1,) for slot in slot_names}
    assert {n: v.shape for n, v in optimizer.variables.items()} == slots | powers


def test_slots_of_keras_variables_are_named_by_path():
    layer = keras.layers.Dense(2, name="head")
    layer.build([None, 3])
    optimizer = build("momentum", {}, layer.trainable_variables)
    assert sorted(optimizer.variables) == ["head/bias/Momentum", "head/kernel/Momentum"]
    gradients = [tf.ones_like(v.value) for v in layer.trainable_variables]
    before = layer.kernel.numpy()
    optimizer.apply(gradients, 0.5)
    np.testing.assert_allclose(layer.kernel.numpy(), before - 0.5, rtol=1e-6)


@pytest.mark.parametrize("name", list(OPTIMIZER_ARGUMENTS))
def test_slots_hold_the_whole_state(name):
    straight = weights_after_each_step(name, {})[-1]
    variables = build_variables()
    optimizer = build(name, {}, variables)
    for step, (rate, gradient) in enumerate(
        zip(LEARNING_RATES, GRADIENTS, strict=True)
    ):
        if step == 2:
            variables, optimizer = copy_of(name, variables, optimizer)
        optimizer.apply(split(gradient), rate)
    np.testing.assert_allclose(flat(variables), straight, rtol=1e-6, atol=1e-7)


def copy_of(name, variables, optimizer):
    copies = build_variables()
    for copy, variable in zip(copies, variables, strict=True):
        copy.assign(variable)
    resumed = build(name, {}, copies)
    for slot_name, slot in optimizer.variables.items():
        resumed.variables[slot_name].assign(slot)
    return copies, resumed


def test_a_missing_gradient_is_refused():
    optimizer = build("momentum", {}, build_variables())
    with pytest.raises(ValueError, match="shorter"):
        optimizer.apply(split(GRADIENTS[0])[:1], 0.1)
