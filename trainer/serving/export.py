"""A model -> the SavedModel and deployment_config.yaml that the documented guide shows.

The graph is frozen (weights are constants): one saved_model.pb, replaced in one write,
that serves faster than variables do (docs/adr). Writes to a local folder; where
the files go from there is the caller's.
"""

import os
import re
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from trainer.data import images as preprocessing
from trainer.serving import inference_graph

SIGNATURE_NAMES = ("serving_default", "classify")
MAX_LABEL_LENGTH = 63


class Exporter:
    """Writes a model again and again as it trains; the graph is built once."""

    def __init__(
        self, model: keras.Model, *, image_size: int, num_classes: int
    ) -> None:
        """Builds the graph, with gaps for the weights.

        Args:
            model: Maps float32 [batch, image_size, image_size, 3], RGB 0..255, to
                logits float32 [batch, num_classes]. Its weights are read at `export`.
            image_size: Side of the model's input in pixels.
            num_classes: Length of a row of probabilities.

        Raises:
            ValueError: If the model has another number of outputs.
        """
        self._weights: dict[str, Any] = {}
        self._saved_model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
        with tf.Graph().as_default() as graph:
            signature = self._build_graph(model, image_size, num_classes)
            meta_graph = self._saved_model.meta_graphs.add()
            meta_graph.CopyFrom(
                tf.compat.v1.train.export_meta_graph(
                    graph=graph, clear_devices=True, strip_default_attrs=True
                )
            )
        meta_graph.meta_info_def.tags.append(tf.saved_model.SERVING)
        self._folds = inference_graph.simplify(
            meta_graph.graph_def,
            [output.name.partition(":")[0] for output in signature.outputs.values()],
            self._weights,
        )
        for name in SIGNATURE_NAMES:
            meta_graph.signature_def[name].CopyFrom(signature)

    def export(self, export_dir: str) -> None:
        """Writes the model as it is now.

        Args:
            export_dir: Local folder, which must not exist.

        Raises:
            FileExistsError: If it does.
        """
        weights = {name: value.numpy() for name, value in self._weights.items()}
        for fold in self._folds:
            fold.apply(weights)
        saved_model = saved_model_pb2.SavedModel()
        saved_model.CopyFrom(self._saved_model)
        for node in saved_model.meta_graphs[0].graph_def.node:
            if node.name in weights:
                _fill(node, weights[node.name])
        os.makedirs(os.path.join(export_dir, tf.saved_model.VARIABLES_DIRECTORY))
        path = os.path.join(export_dir, tf.saved_model.SAVED_MODEL_FILENAME_PB)
        with open(path, "xb") as file:
            file.write(saved_model.SerializeToString(deterministic=True))

    @tf.autograph.experimental.do_not_convert
    def _build_graph(
        self, model: keras.Model, image_size: int, num_classes: int
    ) -> Any:
        """Builds bytes -> prediction in the current graph.

        Tensor names are the documented ones. The default of `key` is ours: a request
        without keys is answered with empty ones.

        Returns:
            The SignatureDef.

        Source: docs/contract.md, "SavedModel".
        """
        encoded = tf.compat.v1.placeholder(tf.string, [None], name="Placeholder")
        key = tf.compat.v1.placeholder_with_default([""], [None], name="key")
        with tf.name_scope("preprocessing"):
            images = _decode(encoded, image_size)
        with tf.name_scope("network"):
            logits = self._apply_network(model, images)
            logits.set_shape([None, num_classes])
        with tf.name_scope("keys"):
            keys = tf.broadcast_to(key, tf.shape(encoded))
        return tf.compat.v1.saved_model.predict_signature_def(
            inputs={"image_bytes": encoded, "key": key},
            outputs={
                "classes": tf.argmax(logits, axis=1, name="ArgMax"),
                "key": tf.identity(keys, name="Identity"),
                "probabilities": tf.nn.softmax(logits, name="softmax_tensor"),
            },
        )

    def _apply_network(self, model: keras.Model, images: Any) -> Any:
        """Computes logits from placeholders in the place of the weights."""
        placeholders = []
        for variable in model.trainable_variables + model.non_trainable_variables:
            placeholder = tf.compat.v1.placeholder(variable.dtype, variable.shape)
            placeholders.append(placeholder)
            self._weights[placeholder.op.name] = variable.value
        num_trainable = len(model.trainable_variables)
        logits, _ = model.stateless_call(
            placeholders[:num_trainable],
            placeholders[num_trainable:],
            images,
            training=False,
        )
        return logits


def _decode(encoded: Any, image_size: int) -> Any:
    return tf.map_fn(
        lambda one: preprocessing.decode_for_evaluation(one, image_size=image_size),
        encoded,
        fn_output_signature=tf.TensorSpec([image_size, image_size, 3], tf.float32),
    )


def _fill(node: Any, value: Any) -> None:
    """Turns the NodeDef of a placeholder into that of a constant."""
    node.op = "Const"
    del node.attr["shape"]
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))


def export_saved_model(
    model: keras.Model, export_dir: str, *, image_size: int, num_classes: int
) -> None:
    """Writes a model once; see Exporter for the arguments."""
    Exporter(model, image_size=image_size, num_classes=num_classes).export(export_dir)


def write_deployment_config(
    path: str, *, model_uri: str, job_id: str, step: int, accuracy: float
) -> None:
    """Writes the file for `gcloud ai-platform versions create --config`.

    `gloabal_step` is the original's spelling; clients read either. Label values may
    have no dot, so the accuracy is in whole percent.

    Args:
        path: Local file.
        model_uri: Where the SavedModel's folder will be, such as gs://bucket/model.
        job_id: Name of the job; made a valid label value.
        step: Step of the exported weights.
        accuracy: Top-1 accuracy, 0..1.

    Source: docs/contract.md, "Output layout"; characters and length of a label value:
    cloud.google.com/resource-manager/docs/labels-overview.
    """
    job_label = re.sub(r"[^a-z0-9_-]", "_", job_id.lower())[:MAX_LABEL_LENGTH]
    runtime_version = ".".join(tf.__version__.split(".")[:2])
    lines = [
        f"deploymentUri: {_quote(model_uri)}",
        "framework: TENSORFLOW",
        "labels:",
        f"  job_id: {_quote(job_label)}",
        f"  global_step: {_quote(str(step))}",
        f"  gloabal_step: {_quote(str(step))}",
        f"  accuracy: {_quote(str(round(100 * accuracy)))}",
        f"runtimeVersion: {_quote(runtime_version)}",
    ]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _quote(text: str) -> str:
    """A YAML single-quoted scalar, in which only the quote itself is special."""
    return "'" + text.replace("'", "''") + "'"
