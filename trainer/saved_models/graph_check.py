"""Looks through a SavedModel for ops that do more than compute, before it is loaded.

A model is a program: its graph may read and write files, and loading it already runs a
part of it (docs/adr/0025-untrusted-models.md).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from trainer.saved_models import harmless_ops


def find_refused(saved_model: Any) -> list[str]:
    """Finds the ops that a model may not have.

    Args:
        saved_model: SavedModel, the message of saved_model.pb.

    Returns:
        Their names, sorted; empty for a model that only computes.
    """
    refused: set[str] = set()
    for meta_graph in saved_model.meta_graphs:
        refused |= _Graph(meta_graph).find_refused()
    return sorted(refused)


class _Reached(NamedTuple):
    """Names of nodes and of functions that are run, and the ops of both."""

    nodes: set[str]
    functions: set[str]
    ops: set[str]


class _Graph:
    """The nodes of a MetaGraphDef and of its functions.

    Nodes that share a name are all looked at: which one counts is TensorFlow's choice.
    """

    def __init__(self, meta_graph: Any) -> None:
        self._meta_graph = meta_graph
        self._nodes: dict[str, list[Any]] = defaultdict(list)
        for node in meta_graph.graph_def.node:
            self._nodes[node.name].append(node)
        self._functions: dict[str, list[Any]] = defaultdict(list)
        for function in meta_graph.graph_def.library.function:
            self._functions[function.signature.name].extend(function.node_def)

    def find_refused(self) -> set[str]:
        """Ops that are not allowed where they are.

        Those that save and restore belong to what the saver runs; elsewhere they would
        be files of the author's choice.
        """
        saver = self._meta_graph.saver_def
        saving = self._reach([_node_of(saver.save_tensor_name)], [])
        restoring = self._reach([_node_of(saver.restore_op_name)], [])
        rest = self._nodes.keys() - saving.nodes - restoring.nodes
        serving = self._reach(
            [*rest, *self._list_outputs()],
            self._meta_graph.object_graph_def.concrete_functions,
        )
        return (
            (self._list_ops() - harmless_ops.ALLOWED - harmless_ops.SAVING)
            | (restoring.ops - harmless_ops.ALLOWED - harmless_ops.RESTORING)
            | (serving.ops - harmless_ops.ALLOWED)
        )

    def _list_ops(self) -> set[str]:
        """All ops, also of what nothing seems to run."""
        bodies = [*self._nodes.values(), *self._functions.values()]
        return {node.op for nodes in bodies for node in nodes}

    def _list_outputs(self) -> Iterator[str]:
        """Nodes that the signatures give back; one of them initialises the model."""
        for signature in self._meta_graph.signature_def.values():
            for output in signature.outputs.values():
                yield _node_of(output.name)
        for collection in self._meta_graph.collection_def.values():
            yield from map(_node_of, collection.node_list.value)

    def _reach(self, nodes: Iterable[str], functions: Iterable[str]) -> _Reached:
        """Follows inputs and calls; a function that is called runs whole."""
        reached = _Reached(set(), set(), set())
        nodes, functions = list(nodes), list(functions)
        while nodes or functions:
            if nodes:
                name, seen, known = nodes.pop(), reached.nodes, self._nodes
            else:
                name, seen, known = functions.pop(), reached.functions, self._functions
            if name in seen:
                continue
            seen.add(name)
            for node in known.get(name, ()):
                reached.ops.add(node.op)
                functions += _list_called(node)
                if known is self._nodes:
                    nodes += map(_node_of, node.input)
        return reached


def _list_called(node: Any) -> Iterator[str]:
    """Functions that a node calls."""
    for value in node.attr.values():
        yield value.func.name
        for function in value.list.func:
            yield function.name


def _node_of(tensor: str) -> str:
    """Name of the node that an input, an output or a control input is of."""
    return tensor.removeprefix("^").partition(":")[0]
