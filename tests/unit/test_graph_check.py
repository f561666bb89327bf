import pathlib

import keras
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from trainer.saved_models import graph_check, harmless_ops

SPECS = [
    tf.TensorSpec([None], tf.string, "image_bytes"),
    tf.TensorSpec([None], tf.string, "key"),
]


def parse(model_dir):
    content = (model_dir / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(content)


def save(model_dir, act):
    """Saves a model of the documented signature that also does something else."""
    module = tf.Module()
    module.row = tf.Variable([[0.2, 0.8]])

    @tf.function(input_signature=SPECS)
    def serve(image_bytes, key):
        act(image_bytes)
        rows = tf.repeat(module.row, tf.size(image_bytes), axis=0)
        return {"classes": tf.argmax(rows, 1), "key": key, "probabilities": rows}

    tf.saved_model.save(module, str(model_dir), {"serving_default": serve})
    return parse(model_dir)


def in_a_loop(act):
    def body(number):
        act(None)
        return number + 1

    return lambda _: tf.while_loop(lambda number: number < 2, body, [0])


ACTS = {
    "ReadFile": lambda _: tf.print(tf.io.read_file("secret")),
    "WriteFile": in_a_loop(lambda _: tf.io.write_file("here", "text")),
    "MatchingFiles": lambda _: tf.cond(
        tf.random.uniform([]) < 0.5,
        lambda: tf.size(tf.io.matching_files("*")),
        lambda: 0,
    ),
    "EagerPyFunc": lambda images: tf.py_function(print, [images], []),
    "SaveV2": lambda _: tf.raw_ops.SaveV2(
        prefix="here", tensor_names=["a"], shape_and_slices=[""], tensors=[1.0]
    ),
    "RestoreV2": lambda _: tf.print(
        tf.raw_ops.RestoreV2(
            prefix="secret", tensor_names=["a"], shape_and_slices=[""], dtypes=[float]
        )
    ),
    "TextLineDataset": lambda _: tf.data.TextLineDataset("secret").reduce(
        0, lambda count, _: count + 1
    ),
    "PrintV2": lambda images: tf.print(images, output_stream="file://here"),
}


@pytest.mark.parametrize("op", ACTS)
def test_an_op_that_does_more_than_compute_is_found(op, tmp_path):
    assert op in graph_check.find_refused(save(tmp_path, ACTS[op]))


def test_a_part_that_runs_as_the_model_is_loaded_is_looked_at(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("red\n")
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(names), tf.string, 0, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        ),
        -1,
    )
    tf.saved_model.save(module, str(tmp_path / "model"))
    found = graph_check.find_refused(parse(tmp_path / "model"))
    assert found == ["InitializeTableFromTextFileV2"]


def test_models_of_keras_and_of_this_trainer_pass(tmp_path, colour_model_dir):
    layers = [
        keras.layers.Conv2D(4, 3),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.1),
        keras.layers.Dense(2),
    ]
    keras.Sequential([keras.Input([8, 8, 3]), *layers]).export(
        str(tmp_path / "keras"), verbose=False
    )
    assert graph_check.find_refused(parse(tmp_path / "keras")) == []
    assert graph_check.find_refused(parse(pathlib.Path(colour_model_dir))) == []


def test_a_model_with_a_table_in_memory_passes(tmp_path):
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["red"], [1]), -1
    )
    tf.saved_model.save(module, str(tmp_path))
    assert graph_check.find_refused(parse(tmp_path)) == []


def test_a_model_of_tensorflow_1_passes_and_its_saver_may_save_only(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        names = tf.compat.v1.placeholder(tf.string, [None])
        row = tf.compat.v1.get_variable("row", [2], use_resource=False)
        session.run(tf.compat.v1.global_variables_initializer())
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "model"))
        signature = tf.compat.v1.saved_model.predict_signature_def(
            {"image_bytes": names}, {"probabilities": row + 1.0}
        )
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}
        )
        builder.save()
    saved_model = parse(tmp_path / "model")
    assert graph_check.find_refused(saved_model) == []
    # What restores the model runs as it is loaded, and may write nothing.
    saver = saved_model.meta_graphs[0].saver_def
    saver.restore_op_name = saver.save_tensor_name.partition(":")[0]
    assert "SaveV2" in graph_check.find_refused(saved_model)


def test_a_second_graph_and_a_second_node_of_a_name_are_looked_at():
    saved_model = text_format.Parse(
        """
        meta_graphs { graph_def { node { name: "a" op: "Const" } } }
        meta_graphs { graph_def {
          node { name: "a" op: "Const" } node { name: "a" op: "ReadFile" } } }
        """,
        saved_model_pb2.SavedModel(),
    )
    assert graph_check.find_refused(saved_model) == ["ReadFile"]


def test_an_op_that_nobody_knows_is_refused():
    saved_model = saved_model_pb2.SavedModel()
    saved_model.meta_graphs.add().graph_def.node.add(name="a", op="MineOfALibrary")
    assert graph_check.find_refused(saved_model) == ["MineOfALibrary"]


def test_all_allowed_ops_are_tensorflows():
    unknown = [name for name in harmless_ops.ALLOWED if not op_def_registry.get(name)]
    assert unknown == []
