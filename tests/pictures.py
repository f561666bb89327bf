"""Small pictures and TFRecord files that tests write for themselves."""

import numpy as np
import tensorflow as tf

from trainer.data import normalize, rows, shards


def encode(pixels, file_format="jpeg"):
    encoders = {
        "jpeg": tf.io.encode_jpeg,
        "png": tf.io.encode_png,
    }
    return encoders[file_format](pixels).numpy()


def draw(height=24, width=32, *, seed=0):
    """A smooth random picture, uint8 [height, width, 3]."""
    corners = np.random.default_rng(seed).integers(0, 256, [4, 4, 3]).astype(np.float32)
    return tf.saturate_cast(
        tf.image.resize(corners, [height, width], "bicubic"), tf.uint8
    ).numpy()


def draw_class(label, num_classes, *, seed=0, side=32):
    """A picture of one colour and some noise: easy to tell by its class."""
    random = np.random.default_rng(1000 * label + seed)
    colour = 255 * np.eye(3)[label % 3] if num_classes <= 3 else [255 * label, 0, 0]
    noise = random.normal(scale=20, size=[side, side, 3])
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


def example(encoded, label):
    row = rows.Row("photo.jpg", "photo.jpg", "train", str(label), "list.csv line 1")
    picture = normalize.Picture(encoded=encoded, height=8, width=8)
    return shards.build_example(row, picture, label)


def write_records(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def write_classes(path, *, num_images, num_classes, first_label=1, seed=0):
    """Records of `draw_class`, labels in turn."""
    records = []
    for number in range(num_images):
        label = number % num_classes
        pixels = draw_class(label, num_classes, seed=seed + number)
        records.append(example(encode(pixels), first_label + label))
    return write_records(path, records)
