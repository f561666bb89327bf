"""A SavedModel's inference as a function of pixels and weights.

What is loaded reads its variables by itself. An exported graph has no variables: there
the same computation takes their values from outside.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from trainer.saved_models import UnusableError


class InferenceGraph:
    """The ops between pixels and features, with gaps for the weights."""

    def __init__(self, function: Any, variables: Sequence[tf.Variable]) -> None:
        """Takes the graph out of a function; functions that it calls become part of it.

        Args:
            function: ConcreteFunction, pixels -> features, of what was loaded outside
                of a strategy.
            variables: All variables of it, and maybe more.

        Raises:
            UnusableError: If it needs something besides variables and constants.
        """
        gaps = _find_gaps(function, variables)
        frozen = convert_to_constants.convert_variables_to_constants_v2(function)
        self._pixels = frozen.inputs[0].name
        self._features = frozen.outputs[0].name
        self._graph = frozen.graph.as_graph_def()
        self._gaps = {}
        for node in self._graph.node:
            if node.name in gaps:
                self._gaps[f"{node.name}:0"] = gaps[node.name]
                _empty(node)

    def apply(self, pixels: Any, values: Sequence[Any]) -> Any:
        """Adds the ops to the graph that is being built.

        Args:
            pixels: float32 [batch, height, width, 3], 0..1.
            values: Of the variables, in their order.

        Returns:
            float32 [batch, num_features].
        """
        fed = {name: values[number] for name, number in self._gaps.items()}
        (features,) = tf.graph_util.import_graph_def(
            self._graph,
            input_map={self._pixels: pixels, **fed},
            return_elements=[self._features],
            name="backbone",
        )
        return features


def _find_gaps(function: Any, variables: Sequence[tf.Variable]) -> dict[str, int]:
    """Names of the nodes that stand for variables -> the numbers of these."""
    numbers = {id(one.handle): number for number, one in enumerate(variables)}
    gaps = {}
    for outside, inside in function.graph.captures:
        if id(outside) in numbers:
            gaps[inside.op.name] = numbers[id(outside)]
        elif outside.dtype == tf.resource:
            raise UnusableError(
                "has a table or another resource that is no variable, expected "
                "variables alone; export it without"
            )
    return gaps


def _empty(node: Any) -> None:
    """Turns the NodeDef of a constant into that of a placeholder."""
    node.op = "Placeholder"
    del node.attr["value"]
