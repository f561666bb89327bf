"""Where the steps run: a tf.distribute strategy."""

import os

import tensorflow as tf


def build_strategy() -> tf.distribute.Strategy:
    """One device: the first GPU if there is one, else the CPU.

    The original service used one GPU even where a machine had several.
    """
    device = "/gpu:0" if has_gpu() else "/cpu:0"
    return tf.distribute.OneDeviceStrategy(device)


def has_gpu() -> bool:
    """True if TensorFlow can use a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def describe_device() -> str:
    """The device in words, for a log line."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return f"the CPU with {os.cpu_count()} cores"
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"GPU {details.get('device_name', gpus[0].name)}"
