import numpy as np
import pytest
import tensorflow as tf

from trainer.serving import inference_graph

CHANNELS = 4
WEIGHTS = ("kernel", "gamma", "beta", "mean", "variance")
KERNEL_SHAPES = {
    "Conv2D": [3, 3, CHANNELS, CHANNELS],
    "DepthwiseConv2dNative": [3, 3, CHANNELS, 1],
}


def draw_weights(op):
    random = np.random.default_rng(0)
    shapes = {name: [CHANNELS] for name in WEIGHTS} | {"kernel": KERNEL_SHAPES[op]}
    return {
        name: random.uniform(0.5, 1.5, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def convolve(op, inputs, kernel):
    if op == "Conv2D":
        return tf.nn.conv2d(inputs, kernel, 1, "SAME")
    return tf.nn.depthwise_conv2d(inputs, kernel, [1, 1, 1, 1], "SAME")


def build(op="Conv2D", *, epsilon=0.5, build_more=lambda *_: [], **options):
    """The graph of a convolution and its normalisation; names of what is read."""
    with tf.Graph().as_default():
        weights = {
            name: tf.compat.v1.placeholder(tf.float32, value.shape, name=name)
            for name, value in draw_weights(op).items()
        }
        inputs = tf.compat.v1.placeholder(tf.float32, [1, 5, 5, CHANNELS], "inputs")
        convolved = convolve(op, inputs, weights["kernel"])
        outputs, *_ = tf.raw_ops.FusedBatchNormV3(
            x=convolved,
            scale=weights["gamma"],
            offset=weights["beta"],
            mean=weights["mean"],
            variance=weights["variance"],
            epsilon=epsilon,
            **{"is_training": False, **options},
        )
        outputs = [outputs, *build_more(inputs, convolved, weights)]
        read = [tf.identity(one).op.name for one in outputs]
        # As an export is written: without what is the default.
        exported = tf.compat.v1.train.export_meta_graph(strip_default_attrs=True)
    return exported.graph_def, read


def run(graph, read, weights):
    with tf.Graph().as_default() as target, tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        known = {node.name for node in target.as_graph_def().node}
        inputs = np.random.default_rng(1).normal(size=[1, 5, 5, CHANNELS])
        fed = {f"{name}:0": value for name, value in weights.items() if name in known}
        return session.run([f"{one}:0" for one in read], {**fed, "inputs:0": inputs})


def simplify(op, graph, read):
    """Folds; returns what is done, and the weights after it."""
    weights = draw_weights(op)
    folds = inference_graph.simplify(graph, read, weights)
    for fold in folds:
        fold.apply(weights)
    return folds, weights


@pytest.mark.parametrize("op", KERNEL_SHAPES)
@pytest.mark.parametrize("epsilon", [0.5, inference_graph.DEFAULT_EPSILON])
def test_a_convolution_with_a_bias_computes_the_same(op, epsilon):
    graph, read = build(op, epsilon=epsilon)
    expected = run(graph, read, draw_weights(op))
    folds, weights = simplify(op, graph, read)
    assert len(folds) == 1
    ops = [node.op for node in graph.node if node.op != "Placeholder"]
    assert ops == [op, "BiasAdd", "Identity"]
    # The sums round by the size of what they add up.
    atol = 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(run(graph, read, weights), expected, rtol=0, atol=atol)


def test_the_default_is_that_of_the_op():
    graph, _ = build(epsilon=inference_graph.DEFAULT_EPSILON)
    (node,) = (one for one in graph.node if one.op == "FusedBatchNormV3")
    assert "epsilon" not in node.attr


@pytest.mark.parametrize(
    "build_more",
    [
        lambda _, convolved, __: [convolved],
        lambda inputs, _, weights: [convolve("Conv2D", inputs, weights["kernel"])],
        lambda _, __, weights: [weights["beta"]],
    ],
    ids=["convolution", "kernel", "offset"],
)
def test_what_others_read_stays(build_more):
    graph, read = build(build_more=build_more)
    expected = run(graph, read, draw_weights("Conv2D"))
    folds, weights = simplify("Conv2D", graph, read)
    assert not folds
    for found, wanted in zip(run(graph, read, weights), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_statistics_of_the_batch_stay():
    graph, read = build(is_training=True)
    assert simplify("Conv2D", graph, read)[0] == []
    assert "FusedBatchNormV3" in {node.op for node in graph.node}


def test_what_is_no_weight_stays():
    graph, read = build()
    names = set(WEIGHTS) - {"kernel"}
    assert inference_graph.simplify(graph, read, names) == []
