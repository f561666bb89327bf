"""The common signature "image feature vector" of TensorFlow Hub, checked and loaded.

Source: tensorflow.org/hub/common_signatures/images and tensorflow.org/hub/reusable_
saved_models: a callable, float32 [batch, height, width, 3] in 0..1 -> float32 [batch,
num_features], which may take `training`, with trainable_variables beside it.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer import saved_models, storage
from trainer.models.hub.inference import InferenceGraph
from trainer.models.normalization import Normalization
from trainer.models.variant import Variant
from trainer.saved_models import UnusableError, harmless_ops

# 0..1, as tf.image.convert_image_dtype makes pixels.
UNIT = Normalization((0.0,) * 3, (255.0,) * 3)
# What a SavedModel of TensorFlow 1's library has beside its graph.
OF_TENSORFLOW_1 = "tfhub_module.pb"
FILES = ("saved_model.pb", "variables/variables.index")
EXPECTED = (
    "expected a TF2 SavedModel that is called with float32 [batch, height, width, 3] "
    "and gives float32 [batch, num_features]"
)


class Loaded:
    """What one load gave: variables of its own, and the function that has them.

    Attributes:
        function: Pixels -> features, as it was restored.
        variables: Those that the function may have, in an order that is the same for
            each load.
    """

    def __init__(self, model: Any) -> None:
        # Kept: its variables go with it.
        self._model = model
        self.function: Any = model.__call__ if callable(model) else None
        self.variables = [
            one
            for one in tf.train.TrackableView(model).descendants()
            if isinstance(one, tf.Variable)
        ]

    def find_trainable(self) -> set[int]:
        """Numbers of the variables that may be trained."""
        named = getattr(self._model, "trainable_variables", None)
        if named is None:
            named = [one for one in self.variables if one.trainable]
        ids = set(map(id, named))
        return {number for number, one in enumerate(self.variables) if id(one) in ids}


class FeatureVector:
    """A SavedModel on disk whose signature was checked.

    Attributes:
        handle: What the user calls it.
        sizes: Sides in pixels that it takes; empty for any.
        num_features: Length of a row of features.
        variant: How a network with it computes.
        has_training: Whether it computes in another way in training.
        draws: Whether it then draws random numbers of which no checkpoint knows.
        used: Numbers of the loaded variables that it computes with.
        trainable: Those of them that may be trained.
        inference: The graph that an export has.
    """

    def __init__(self, handle: str, local_dir: str) -> None:
        """Loads it once, to look at it.

        Args:
            handle: For messages.
            local_dir: Its files, which must stay as long as `load` is called.

        Raises:
            DataError: If it can't be loaded.
            UnusableError: If it is no image feature vector.
        """
        self.handle = handle
        self._dir = local_dir
        if storage.find_size(os.path.join(local_dir, OF_TENSORFLOW_1)) is not None:
            raise UnusableError(
                f"is in the format of TensorFlow 1's library, {EXPECTED}; give its "
                "version for TF2"
            )
        loaded = self.load()
        spec = _find_input(loaded.function)
        self.sizes = spec.sizes
        inferring = spec.trace(training=False)
        self.num_features = _count_features(inferring)
        self.has_training = spec.takes_training
        functions = [inferring]
        if spec.takes_training:
            functions.append(spec.trace(training=True))
        self.draws = any(map(_draws, functions))
        self.used = _find_used(loaded.variables, functions)
        self.trainable = loaded.find_trainable() & set(self.used)
        _check_types([loaded.variables[number] for number in sorted(self.trainable)])
        self.inference = InferenceGraph(
            inferring, [loaded.variables[number] for number in self.used]
        )
        self.variant = Variant(UNIT, 0.0, "SAME", backbone=_digest(local_dir))

    def load(self) -> Loaded:
        """Loads it anew, with variables where the strategy in scope has them."""
        return Loaded(saved_models.load(self._dir, self.handle))


class _Input:
    """The input that pictures go to."""

    def __init__(self, function: Any, specs: Sequence[tf.TensorSpec]) -> None:
        self._function = function
        sides = [{one for one in spec.shape[1:3] if one} for spec in specs]
        if any(len(one) == 2 for one in sides):
            raise UnusableError(
                f"takes pictures of {_describe(specs[0])}, expected a square; this "
                "trainer makes no other"
            )
        self.sizes = () if set() in sides else tuple(sorted(set().union(*sides)))
        self.takes_training = "training" in function.function_type.parameters
        side = self.sizes[0] if self.sizes else None
        self._spec = tf.TensorSpec([None, side, side, 3], tf.float32)

    def trace(self, *, training: bool) -> Any:
        """The ConcreteFunction of a mode; without modes there is one."""
        options = {"training": training} if self.takes_training else {}
        try:
            return self._function.get_concrete_function(self._spec, **options)
        except (ValueError, TypeError) as error:
            raise UnusableError(
                f"can't be called with {_describe(self._spec)}"
                + (f" and training={training}" if options else "")
                + f", {EXPECTED}; export it with that signature"
            ) from error


def _find_input(function: Any) -> _Input:
    found = getattr(function, "concrete_functions", None)
    if not found:
        raise UnusableError(
            f"is no image feature vector: {EXPECTED}, found one that can't be called; "
            "give a model with the signature 'image feature vector' of TensorFlow Hub"
        )
    inputs = [(*one.structured_input_signature[0], None)[0] for one in found]
    fitting = [one for one in inputs if _takes_pictures(one)]
    if not fitting:
        raise UnusableError(
            f"is no image feature vector: {EXPECTED}, found an input of "
            f"{_describe(inputs[0])}; give another model, or export it with that "
            "signature"
        )
    return _Input(function, fitting)


def _takes_pictures(spec: Any) -> bool:
    return isinstance(spec, tf.TensorSpec) and spec.is_compatible_with(
        tf.TensorSpec([None, None, None, 3], tf.float32)
    )


def _count_features(function: Any) -> int:
    found = function.structured_outputs
    if tf.is_tensor(found):
        found = tf.TensorSpec.from_tensor(found)
    is_tensor = isinstance(found, tf.TensorSpec) and found.dtype == tf.float32
    if not is_tensor or found.shape.rank != 2 or found.shape[-1] is None:
        raise UnusableError(
            f"is no image feature vector: {EXPECTED}, found an output of "
            f"{_describe(found)}; give another model, or export it with that signature"
        )
    return int(found.shape[-1])


def _describe(spec: Any) -> str:
    """For example "float32 [None, 224, 224, 3]"."""
    if not isinstance(spec, tf.TensorSpec):
        return f"{type(spec).__name__}, no tensor"
    shape = spec.shape
    return f"{spec.dtype.name} {shape.as_list() if shape.rank is not None else 'any'}"


def _find_used(variables: Sequence[tf.Variable], functions: Any) -> list[int]:
    captured = {id(one) for function in functions for one in function.variables}
    return [number for number, one in enumerate(variables) if id(one) in captured]


def _check_types(trainable: Sequence[tf.Variable]) -> None:
    for one in trainable:
        if one.dtype != tf.float32:
            raise UnusableError(
                f"has weights in {one.dtype.name} ({one.name}), expected float32; "
                "export it in float32, or give --freeze_backbone=true"
            )


def _draws(function: Any) -> bool:
    graph = function.graph.as_graph_def()
    bodies = [graph.node, *(one.node_def for one in graph.library.function)]
    return any(node.op in harmless_ops.DRAWING for nodes in bodies for node in nodes)


def _digest(local_dir: str) -> str:
    """Of the graph and, by their checksums in the index, of the values."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(storage.read_bytes(os.path.join(local_dir, name)) or b"")
    return digest.hexdigest()
