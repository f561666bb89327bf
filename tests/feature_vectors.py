"""Small SavedModels with TensorFlow Hub's signature "image feature vector"."""

import keras
import tensorflow as tf

from trainer.models import dropout

NUM_FEATURES = 8


class FeatureVector(tf.Module):
    """Convolution, batch normalisation, ReLU, mean over the picture."""

    def __init__(self, *, seed=0, draws=False):
        super().__init__()
        random = tf.random.Generator.from_seed(seed)
        self._draws = draws
        self.kernel = tf.Variable(
            random.normal([3, 3, 3, NUM_FEATURES], stddev=0.3), name="conv/kernel"
        )
        self.gamma = tf.Variable(tf.ones([NUM_FEATURES]), name="bn/gamma")
        self.beta = tf.Variable(tf.zeros([NUM_FEATURES]), name="bn/beta")
        self.mean = tf.Variable(
            tf.zeros([NUM_FEATURES]), trainable=False, name="bn/moving_mean"
        )
        self.variance = tf.Variable(
            tf.ones([NUM_FEATURES]), trainable=False, name="bn/moving_variance"
        )
        # Tracked, as a classifier that was left off is, and not computed with.
        self.unused = tf.Variable([1.0], name="head/bias")

    @tf.function
    def __call__(self, inputs, training=False):
        hidden = tf.nn.conv2d(inputs, self.kernel, 2, "SAME")
        mean, variance = self.mean, self.variance
        if training:
            mean, variance = tf.nn.moments(hidden, [0, 1, 2])
            self.mean.assign_sub(0.1 * (self.mean - mean))
            self.variance.assign_sub(0.1 * (self.variance - variance))
        hidden = tf.nn.batch_normalization(
            hidden, mean, variance, self.beta, self.gamma, 1e-3
        )
        features = tf.reduce_mean(tf.nn.relu(hidden), [1, 2])
        return tf.nn.dropout(features, 0.1) if training and self._draws else features


def write(directory, *, side=None, **options):
    """Saves a feature vector for pictures of a side, or of any.

    Returns:
        Its folder, and the model that was saved.
    """
    module = FeatureVector(**options)
    spec = tf.TensorSpec([None, side, side, 3], tf.float32)
    for training in (True, False):
        module.__call__.get_concrete_function(spec, training=training)
    tf.saved_model.save(module, str(directory))
    return str(directory), module


def write_function(directory, function, spec):
    """Saves a callable without modes, which may be no feature vector."""
    module = tf.Module()
    module.weight = tf.Variable([1.0])
    module.__call__ = tf.function(
        lambda inputs: function(inputs, module.weight), input_signature=[spec]
    )
    tf.saved_model.save(module, str(directory))
    return str(directory)


class _Network(tf.Module):
    """A network of this project without its classifier, for pixels in 0..1."""

    def __init__(self, network):
        super().__init__()
        self._network = network

    @tf.function
    def __call__(self, inputs, training=False):
        return self._network(255.0 * inputs, training=training)


def write_network(directory, model, *, features="avg_pool"):
    """Saves what a model of models.factory computes before its classifier."""
    # The state of random numbers is not saved.
    dropout.set_drop_rates(model, dropout_rate=0.0, survival_prob=1.0)
    network = keras.Model(model.inputs, model.get_layer(features).output)
    module = _Network(network)
    spec = tf.TensorSpec([None, *network.inputs[0].shape[1:]], tf.float32)
    for training in (True, False):
        module.__call__.get_concrete_function(spec, training=training)
    tf.saved_model.save(module, str(directory))
    return str(directory)
