"""A network's graph without what only training needs.

Custom gradients hang on IdentityN nodes, which keep TensorFlow from fusing a
convolution with its normalisation and activation (docs/adr/0005-exported-graph.md).
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

CARRIES_GRADIENT = "IdentityN"


def strip_gradients(graph: Any, outputs: Sequence[str]) -> None:
    """Takes out the nodes that carry gradients, and what nobody reads then.

    Args:
        graph: GraphDef, changed in place.
        outputs: Names of the nodes that are asked for.
    """
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
    graph.CopyFrom(tf.compat.v1.graph_util.extract_sub_graph(graph, list(outputs)))
