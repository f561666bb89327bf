"""The optimizers of `train`, and the arguments that each takes."""

# Keyword arguments that tf.train.*Optimizer of TensorFlow 1 took, with its defaults.
OPTIMIZER_ARGUMENTS: dict[str, dict[str, float | bool]] = {
    "momentum": {"momentum": 0.9, "use_nesterov": False},
    "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "rmsprop": {"decay": 0.9, "momentum": 0.0, "epsilon": 1e-10},
    "adadelta": {"rho": 0.95, "epsilon": 1e-8},
    "adagrad": {"initial_accumulator_value": 0.1},
}
