"""What may be the SavedModel of a job, and what is found out about it."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests import feature_vectors
from trainer import errors
from trainer.models import hub

ANY_SIZE = tf.TensorSpec([None, None, None, 3], tf.float32)


def average(inputs, weight):
    return tf.reduce_mean(inputs, [1, 2]) * weight


def open_and_close(handle):
    with hub.opened(str(handle)) as found:
        return found


def build(vector, **options):
    defaults = {"is_frozen": False, "keeps_statistics": False, "seed": 0}
    return hub.build_network(
        vector, num_classes=3, image_size=32, **{**defaults, **options}
    )


def test_a_feature_vector_is_known_by_its_signature(tmp_path):
    found = open_and_close(feature_vectors.write(tmp_path / "any")[0])
    assert (found.sizes, found.num_features) == ((), 8)
    assert found.has_training
    assert not found.draws
    # The head's bias is in the model, and not in what it computes.
    assert (len(found.used), len(found.trainable)) == (5, 3)
    fixed = open_and_close(feature_vectors.write(tmp_path / "fixed", side=48)[0])
    assert fixed.sizes == (48,)
    assert fixed.variant.backbone != found.variant.backbone


def test_its_digest_is_of_graph_and_values(tmp_path):
    one, module = feature_vectors.write(tmp_path / "one")
    shutil.copytree(one, tmp_path / "copy")
    digest = open_and_close(one).variant.backbone
    assert open_and_close(tmp_path / "copy").variant.backbone == digest
    module.kernel.assign_add(tf.ones_like(module.kernel))
    tf.saved_model.save(module, str(tmp_path / "other"))
    # Saving is not deterministic in the graph, so only the values are taken from it.
    shutil.rmtree(tmp_path / "copy" / "variables")
    shutil.copytree(tmp_path / "other" / "variables", tmp_path / "copy" / "variables")
    assert open_and_close(tmp_path / "copy").variant.backbone != digest


def test_pixels_come_as_0_to_1_and_modes_are_kept_apart(tmp_path):
    handle, module = feature_vectors.write(tmp_path / "vector")
    pixels = np.random.default_rng(0).uniform(0, 255, [2, 32, 32, 3]).astype("float32")
    with hub.opened(handle) as vector:
        network, frozen = build(vector), build(vector, keeps_statistics=True)
    layer = network.get_layer("predictions")
    for model, training in ((network, False), (frozen, True)):
        expected = layer(module(pixels / 255))
        found = model.get_layer("predictions")(
            model.get_layer("backbone")(pixels / 255, training=training)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        network(pixels), layer(module(pixels / 255)), rtol=1e-5, atol=1e-6
    )
    mean = network.get_layer("backbone").weights[3]
    before = mean.numpy()
    network(pixels, training=True)
    frozen(pixels, training=True)
    assert np.abs(mean.numpy() - before).max() > 0


def test_networks_have_variables_of_their_own_under_names_that_stay(tmp_path):
    handle, module = feature_vectors.write(tmp_path / "vector")
    with hub.opened(handle) as vector:
        one, other = build(vector), build(vector, is_frozen=True)
    assert [variable.path for variable in one.variables] == [
        variable.path for variable in other.variables
    ]
    assert len(one.trainable_variables) == 5
    assert [variable.path for variable in other.trainable_variables] == [
        "predictions/kernel",
        "predictions/bias",
    ]
    kernels = {
        model: next(v for v in model.variables if v.path == "backbone/conv/kernel")
        for model in (one, other)
    }
    kernels[one].assign(tf.zeros_like(kernels[one]))
    np.testing.assert_array_equal(kernels[other].numpy(), module.kernel.numpy())
    features = one.get_layer("backbone")(tf.ones([1, 32, 32, 3]))
    np.testing.assert_array_equal(features, np.zeros([1, 8]))


def test_names_that_several_variables_have_are_told_apart(tmp_path):
    module = tf.Module()
    module.first, module.second = (
        tf.Variable([value], name="scale") for value in (2.0, 3.0)
    )
    module.__call__ = tf.function(
        lambda inputs: tf.reduce_mean(inputs, [1, 2]) * module.first + module.second,
        input_signature=[ANY_SIZE],
    )
    tf.saved_model.save(module, str(tmp_path))
    with hub.opened(str(tmp_path)) as vector:
        paths = [one.path for one in build(vector).get_layer("backbone").weights]
    assert paths == ["backbone/0/scale", "backbone/1/scale"]


def test_random_numbers_are_noticed(tmp_path):
    assert open_and_close(feature_vectors.write(tmp_path, draws=True)[0]).draws


@pytest.mark.parametrize(
    ("function", "spec", "found"),
    [
        (
            lambda texts, weight: tf.strings.length(texts) + tf.cast(weight, tf.int32),
            tf.TensorSpec([None], tf.string),
            r"found an input of string \[None\]",
        ),
        (
            average,
            tf.TensorSpec([None, 32, 32, 1], tf.float32),
            r"found an input of float32 \[None, 32, 32, 1\]",
        ),
        (
            lambda inputs, _: tf.cast(tf.reduce_mean(inputs, [1, 2]), tf.float32),
            tf.TensorSpec([None, 32, 32, 3], tf.uint8),
            r"found an input of uint8 \[None, 32, 32, 3\]",
        ),
        (
            average,
            tf.TensorSpec([None, 32, 48, 3], tf.float32),
            r"takes pictures of float32 \[None, 32, 48, 3\], expected a square",
        ),
        (
            average,
            tf.TensorSpec([1, 32, 32, 3], tf.float32),
            r"can't be called with float32 \[None, 32, 32, 3\], expected",
        ),
        (
            lambda inputs, weight: inputs * weight,
            ANY_SIZE,
            r"found an output of float32 \[None, None, None, 3\]",
        ),
        (
            lambda inputs, weight: {"default": average(inputs, weight)},
            ANY_SIZE,
            r"found an output of dict, no tensor",
        ),
    ],
)
def test_what_is_no_feature_vector_is_refused(tmp_path, function, spec, found):
    handle = feature_vectors.write_function(tmp_path, function, spec)
    with pytest.raises(errors.ConfigError, match=found) as caught:
        open_and_close(handle)
    assert str(caught.value).startswith(f"--hub_handle={handle} ")
    assert str(caught.value).endswith(".")


def test_a_model_that_only_serves_is_refused(colour_model_dir):
    with pytest.raises(
        errors.ConfigError, match="found one that can't be called; give"
    ):
        open_and_close(colour_model_dir)


def test_a_module_of_tensorflow_1_is_refused(tmp_path):
    handle, _ = feature_vectors.write(tmp_path)
    (tmp_path / "tfhub_module.pb").write_bytes(b"\x08\x03")
    with pytest.raises(errors.ConfigError, match="in the format of TensorFlow 1's"):
        open_and_close(handle)


def test_a_table_is_refused(tmp_path):
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer([3], [2.0]), 0.0
    )
    module.__call__ = tf.function(
        lambda inputs: (
            tf.reduce_mean(inputs, [1, 2]) * module.table.lookup(tf.constant(3))
        ),
        input_signature=[ANY_SIZE],
    )
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(errors.ConfigError, match="has a table or another resource"):
        open_and_close(tmp_path)


def test_weights_of_another_type_are_refused(tmp_path):
    def halve(inputs, weight):
        del weight
        return tf.reduce_mean(inputs, [1, 2]) * tf.cast(half, tf.float32)

    half = tf.Variable([0.5], dtype=tf.float16, name="half")
    module = tf.Module()
    module.half = half
    module.__call__ = tf.function(
        lambda inputs: halve(inputs, None), input_signature=[ANY_SIZE]
    )
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(errors.ConfigError, match=r"weights in float16 \(half:0\)"):
        open_and_close(tmp_path)


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_a_damaged_one_is_named(tmp_path, name):
    handle, _ = feature_vectors.write(tmp_path)
    (tmp_path / name).write_bytes(b"\x80damaged")
    with pytest.raises(
        errors.ConfigError, match=f"^--hub_handle={handle} is no SavedModel that"
    ):
        open_and_close(handle)


def test_it_may_be_on_gs(bucket, tmp_path):
    handle, _ = feature_vectors.write(tmp_path / "vector")
    bucket.write_dir(pathlib.Path(handle), "vector")
    with hub.opened(f"{bucket.url}/vector") as found:
        assert found.variant == open_and_close(handle).variant
        assert build(found).count_params() > 0
    with pytest.raises(errors.ConfigError, match=r"=gs://\S+/none has no saved_model"):
        open_and_close(f"{bucket.url}/none")
