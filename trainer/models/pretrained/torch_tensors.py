"""Tensors of PyTorch's layers -> the variables of ours."""

import numpy as np

# Parameters of a layer, and what they are in batch normalisation.
PARAMETERS = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def convert(layer: str, parameter: str, tensor: np.ndarray) -> tuple[str, np.ndarray]:
    """The path of our variable, and its value.

    Args:
        layer: Name of our layer.
        parameter: A key of PARAMETERS.
        tensor: A convolution's weight is [outputs, inputs, height, width] there, a
            dense layer's [outputs, inputs].
    """
    if layer.endswith("bn"):
        return f"{layer}/{PARAMETERS[parameter]}", tensor
    if parameter == "bias":
        return f"{layer}/bias", tensor
    if tensor.ndim == 2:
        return f"{layer}/kernel", tensor.T
    if layer.endswith("dwconv"):
        return f"{layer}/kernel", tensor.transpose(2, 3, 0, 1)
    return f"{layer}/kernel", tensor.transpose(2, 3, 1, 0)


def widen_bfloat16(bits: np.ndarray) -> np.ndarray:
    """uint16 -> float32: a bfloat16 is the upper half of one, and NumPy has none."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
