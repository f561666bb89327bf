"""A network's graph without what only training needs.

Custom gradients hang on IdentityN nodes, which keep TensorFlow from fusing a
convolution with its activation; a batch normalisation with fixed statistics is a part
of the convolution before it (docs/adr/0039-folded-normalisation.md).
"""

import collections
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

CARRIES_GRADIENT = "IdentityN"
DEPTHWISE = "DepthwiseConv2dNative"
CONVOLUTIONS = ("Conv2D", DEPTHWISE)
NORMALIZATION = "FusedBatchNormV3"
# Of the op, for a graph says nothing of what is the default.
# Source: tensorflow/core/ops/nn_ops.cc, FusedBatchNormV3.
DEFAULT_EPSILON = 1e-4


class Fold(NamedTuple):
    """A batch normalisation that is computed by the convolution before it.

    Attributes:
        kernel: Name of the convolution's weights.
        gamma: Name of the normalisation's scale.
        beta: Name of its offset, in whose place the bias is.
        mean: Name of its moving mean.
        variance: Name of its moving variance.
        epsilon: Added to the variance.
        is_depthwise: Whether the kernel is [height, width, channels, 1], not
            [height, width, inputs, channels].
    """

    kernel: str
    gamma: str
    beta: str
    mean: str
    variance: str
    epsilon: float
    is_depthwise: bool

    def apply(self, weights: dict[str, np.ndarray]) -> None:
        """Puts the kernel and bias that do both in the place of kernel and offset.

        Args:
            weights: Name to float32 values; changed.

        Source: conv(x, k) * s + (beta - mean * s) = conv(x, k * s) + bias, with
        s = gamma / sqrt(variance + epsilon); Jacob et al., arXiv:1712.05877, 3.2.
        """
        variance = weights[self.variance].astype(np.float64)
        scale = weights[self.gamma] / np.sqrt(variance + self.epsilon)
        bias = weights[self.beta] - weights[self.mean] * scale
        weights[self.beta] = bias.astype(np.float32)
        factors = scale[:, np.newaxis] if self.is_depthwise else scale
        weights[self.kernel] = (weights[self.kernel] * factors).astype(np.float32)


def simplify(
    graph: Any, outputs: Sequence[str], weights: Collection[str]
) -> list[Fold]:
    """Takes out what carries gradients, and what convolutions can do in passing.

    Args:
        graph: GraphDef, changed in place.
        outputs: Names of the nodes that are asked for.
        weights: Names of the nodes that will be constants.

    Returns:
        What has to be done to the weights, in any order.
    """
    _strip_gradients(graph)
    # Before the readers of each node are counted.
    _drop_unread(graph, outputs)
    folds = _fold_normalizations(graph, weights)
    _drop_unread(graph, outputs)
    return folds


def _drop_unread(graph: Any, outputs: Sequence[str]) -> None:
    graph.CopyFrom(tf.compat.v1.graph_util.extract_sub_graph(graph, list(outputs)))


def _strip_gradients(graph: Any) -> None:
    sources = {
        f"{node.name}:{number}".removesuffix(":0"): source
        for node in graph.node
        if node.op == CARRIES_GRADIENT
        for number, source in enumerate(node.input)
    }
    for node in graph.node:
        for position, source in enumerate(node.input):
            while source in sources:
                source = sources[source]
            node.input[position] = source


def _fold_normalizations(graph: Any, weights: Collection[str]) -> list[Fold]:
    """Has a bias follow each convolution in the place of its normalisation."""
    nodes = {node.name: node for node in graph.node}
    num_readers = collections.Counter(
        source for node in graph.node for source in node.input
    )
    folds = []
    for node in graph.node:
        if node.op != NORMALIZATION or _is_training(node):
            continue
        convolution = nodes.get(node.input[0])
        if convolution is None or convolution.op not in CONVOLUTIONS:
            continue
        _, gamma, beta, mean, variance = node.input
        fold = Fold(
            kernel=convolution.input[1],
            gamma=gamma,
            beta=beta,
            mean=mean,
            variance=variance,
            epsilon=_epsilon(node),
            is_depthwise=convolution.op == DEPTHWISE,
        )
        # What changes may have no other reader.
        changed = (convolution.name, fold.kernel, fold.beta)
        is_alone = all(num_readers[name] == 1 for name in changed)
        if is_alone and {fold.kernel, gamma, beta, mean, variance} <= set(weights):
            folds.append(fold)
            _become_bias(node)
    return folds


def _is_training(node: Any) -> bool:
    return "is_training" not in node.attr or node.attr["is_training"].b


def _epsilon(node: Any) -> float:
    return node.attr["epsilon"].f if "epsilon" in node.attr else DEFAULT_EPSILON


def _become_bias(node: Any) -> None:
    """Makes a normalisation the addition of what was its offset."""
    convolution, _, bias, *_ = node.input
    dtype = node.attr["T"].type
    node.op = "BiasAdd"
    del node.input[:]
    node.input.extend([convolution, bias])
    node.attr.clear()
    node.attr["T"].type = dtype
