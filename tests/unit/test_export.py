import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from trainer.data import images as preprocessing
from trainer.models import factory, normalization
from trainer.serving import export

IMAGE_SIZE = 32
NUM_CLASSES = 5


def build_model():
    inputs = keras.Input([IMAGE_SIZE, IMAGE_SIZE, 3])
    hidden = normalization.Normalize(normalization.IMAGENET)(inputs)
    hidden = keras.layers.Conv2D(8, 3, strides=2)(hidden)
    hidden = keras.layers.BatchNormalization()(hidden)
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    hidden = keras.layers.Dropout(0.5)(hidden)
    model = keras.Model(inputs, keras.layers.Dense(NUM_CLASSES)(hidden))
    set_weights(model, seed=0)
    return model


def set_weights(model, *, seed):
    random = np.random.default_rng(seed)
    for variable in model.weights:
        # Away from zero: the moving variance has to be positive.
        variable.assign(random.uniform(0.5, 1.5, variable.shape))
    head = model.layers[-1]
    # Small enough that no class takes all.
    head.kernel.assign(random.normal(scale=0.03, size=head.kernel.shape))


def build_exporter(model):
    return export.Exporter(model, image_size=IMAGE_SIZE, num_classes=NUM_CLASSES)


def build_jpegs():
    random = np.random.default_rng(0)
    pictures = []
    for height, width in [(8, 8), (40, 64), (97, 33)]:
        pixels = random.integers(0, 256, [4, 4, 3]).astype(np.float32)
        pixels = tf.image.resize(pixels, [height, width], "bicubic")
        pixels = tf.saturate_cast(pixels, tf.uint8)
        pictures.append(tf.io.encode_jpeg(pixels).numpy())
    return pictures


def expected_probabilities(model, jpegs):
    rows = [
        preprocessing.decode_for_evaluation(jpeg, image_size=IMAGE_SIZE)
        for jpeg in jpegs
    ]
    logits = model(tf.stack(rows), training=False)
    return tf.nn.softmax(logits).numpy()


def read_graph(export_dir):
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((export_dir / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0].graph_def


def test_what_only_training_needs_is_left_out(tmp_path):
    network = factory.build_model(
        "efficientnet-b0", num_classes=3, image_size=32, precision="float32", seed=0
    )
    export.export_saved_model(
        network, str(tmp_path / "model"), image_size=32, num_classes=3
    )
    graph = read_graph(tmp_path / "model")
    assert "IdentityN" not in {node.op for node in graph.node}
    nodes = {node.name: node for node in graph.node}
    fed = {source for node in graph.node for source in node.input}
    outputs = {"ArgMax", "Identity", "softmax_tensor"}
    # Every node is read by another: none is left over from a gradient.
    assert nodes.keys() - {source.partition(":")[0].strip("^") for source in fed} == (
        outputs
    )


@pytest.mark.parametrize("model_type", ["efficientnet-b0", "resnet-18"])
def test_convolutions_compute_the_normalisations_of_a_network(model_type, tmp_path):
    network = factory.build_model(
        model_type,
        num_classes=NUM_CLASSES,
        image_size=IMAGE_SIZE,
        precision="float32",
        seed=0,
    )
    random = np.random.default_rng(0)
    for layer in network.layers:
        if "bn" in layer.name:
            for weight in layer.weights:
                weight.assign(random.uniform(0.5, 1.5, weight.shape))
    build_exporter(network).export(str(tmp_path / "model"))
    nodes = {node.name: node for node in read_graph(tmp_path / "model").node}
    normalised = {
        nodes[node.input[0]].op
        for node in nodes.values()
        if node.op == "FusedBatchNormV3"
    }
    assert not normalised & {"Conv2D", "DepthwiseConv2dNative"}
    jpegs = build_jpegs()
    served = serve(str(tmp_path / "model"), jpegs, keys=["", "", ""])
    expected = expected_probabilities(network, jpegs)
    assert np.ptp(expected, axis=0).max() > 1e-4
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-6)


def serve(export_dir, jpegs, *, keys=None, signature="serving_default"):
    loaded = tf.saved_model.load(export_dir)
    inputs = {"image_bytes": tf.constant(jpegs)}
    if keys is not None:
        inputs["key"] = tf.constant(keys)
    outputs = loaded.signatures[signature](**inputs)
    return {name: tensor.numpy() for name, tensor in outputs.items()}


@pytest.fixture(scope="module")
def model():
    return build_model()


@pytest.fixture(scope="module")
def export_dir(model, tmp_path_factory):
    export_dir = str(tmp_path_factory.mktemp("job") / "model")
    build_exporter(model).export(export_dir)
    return export_dir


@pytest.mark.parametrize("signature", ["serving_default", "classify"])
def test_batch_of_different_sizes_equals_the_model_on_the_same_bytes(
    model, export_dir, signature
):
    jpegs = build_jpegs()
    outputs = serve(export_dir, jpegs, keys=["a", "b", "c"], signature=signature)
    expected = expected_probabilities(model, jpegs)
    assert np.ptp(expected, axis=0).max() > 0.01  # Else any constant would pass.
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)


def test_rows_sum_to_one_and_classes_are_their_largest(export_dir):
    outputs = serve(export_dir, build_jpegs(), keys=["a", "b", "c"])
    np.testing.assert_allclose(outputs["probabilities"].sum(-1), 1.0, rtol=1e-6)
    largest = outputs["probabilities"].argmax(-1)
    np.testing.assert_array_equal(outputs["classes"], largest)
    assert outputs["classes"].dtype == np.int64


def test_keys_come_back_in_order(export_dir):
    outputs = serve(export_dir, build_jpegs(), keys=["b", "", "\u00e4"])
    assert outputs["key"].tolist() == [b"b", b"", "\u00e4".encode()]


@pytest.mark.parametrize("num_images", [1, 3])
def test_absent_keys_come_back_empty(export_dir, num_images):
    # By tensor names, as TensorFlow 1 clients do.
    images = {"Placeholder:0": build_jpegs()[:num_images]}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.load(session, ["serve"], export_dir)
        keys, classes = session.run(["Identity:0", "ArgMax:0"], images)
    assert keys.tolist() == [b""] * num_images
    assert classes.shape == (num_images,)


def test_too_few_keys_are_refused(export_dir):
    with pytest.raises(tf.errors.InvalidArgumentError):
        serve(export_dir, build_jpegs(), keys=["a", "b"])


def test_a_later_export_has_the_later_weights(tmp_path):
    model, jpegs = build_model(), build_jpegs()
    exporter = build_exporter(model)
    exporter.export(str(tmp_path / "first"))
    before = expected_probabilities(model, jpegs)
    set_weights(model, seed=1)
    exporter.export(str(tmp_path / "second"))
    for name, expected in [
        ("first", before),
        ("second", expected_probabilities(model, jpegs)),
    ]:
        served = serve(str(tmp_path / name), jpegs, keys=["", "", ""])
        np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    assert np.abs(expected - before).max() > 0.01


def test_export_is_one_file_without_variables(export_dir):
    listing = [(folder, files) for folder, _, files in os.walk(export_dir)]
    variables_dir = os.path.join(export_dir, "variables")
    assert listing == [(export_dir, ["saved_model.pb"]), (variables_dir, [])]


def test_unchanged_weights_give_the_same_bytes(model, tmp_path):
    exporter = build_exporter(model)
    for name in ("first", "second"):
        exporter.export(str(tmp_path / name))
    first, second = (path.read_bytes() for path in tmp_path.glob("*/saved_model.pb"))
    assert first == second


def test_an_export_is_never_overwritten(model, export_dir):
    with pytest.raises(FileExistsError):
        build_exporter(model).export(export_dir)


def test_a_wrong_number_of_classes_is_refused(model):
    with pytest.raises(ValueError, match="must be equal, but are 5 and 6"):
        export.Exporter(model, image_size=IMAGE_SIZE, num_classes=NUM_CLASSES + 1)


def write_config(tmp_path, **changes):
    values = {
        "model_uri": "gs://bucket/job/model",
        "job_id": "flowers_1",
        "step": 1000,
        "accuracy": 0.9746,
    }
    path = tmp_path / "deployment_config.yaml"
    export.write_deployment_config(str(path), **{**values, **changes})
    return path.read_text(encoding="utf-8")


def test_deployment_config_is_the_documented_text(tmp_path):
    major, minor = tf.__version__.split(".")[:2]
    assert write_config(tmp_path) == (
        "deploymentUri: 'gs://bucket/job/model'\n"
        "framework: TENSORFLOW\n"
        "labels:\n"
        "  job_id: 'flowers_1'\n"
        "  global_step: '1000'\n"
        "  gloabal_step: '1000'\n"
        "  accuracy: '97'\n"
        f"runtimeVersion: '{major}.{minor}'\n"
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"job_id": "My Job.\u00c4/7-b"}, "  job_id: 'my_job___7-b'"),
        ({"job_id": "j" * 70}, f"  job_id: '{'j' * 63}'"),
        ({"job_id": ""}, "  job_id: ''"),
        ({"accuracy": 0.0}, "  accuracy: '0'"),
        ({"accuracy": 1.0}, "  accuracy: '100'"),
        ({"model_uri": "/tmp/it's: #1"}, "deploymentUri: '/tmp/it''s: #1'"),
    ],
    ids=["other-characters", "long", "empty", "none-right", "all-right", "quote"],
)
def test_deployment_config_values_stay_valid(tmp_path, changes, line):
    assert line in write_config(tmp_path, **changes).splitlines()
