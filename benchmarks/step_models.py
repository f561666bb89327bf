"""Steps of TensorFlow's model garden, in a Python that has it: its own train_step."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import stopwatch
import tensorflow as tf
import tf_keras
from official.modeling import hyperparams
from official.vision.configs import backbones
from official.vision.configs import image_classification as configs
from official.vision.tasks import image_classification
from stopwatch import Case

MODES = ("float32",)


def main(argv: Sequence[str]) -> int:
    """Prints images a second."""
    flags = stopwatch.parse(argv, MODES)
    size = flags.case.batch_size
    step = _build_step(flags.case)
    print(stopwatch.images_a_second(step, batch_size=size, seconds=flags.seconds))
    return 0


def _choose_backbone(model_type: str) -> tuple[str, hyperparams.Config]:
    family, _, number = model_type.partition("-")
    if family == "resnet":
        return "resnet", backbones.ResNet(model_id=int(number))
    return "efficientnet", backbones.EfficientNet(model_id=number)


def _build_step(case: Case) -> Callable[[], Any]:
    family, config = _choose_backbone(case.model_type)
    swish = configs.common.NormActivation(activation="swish", use_sync_bn=False)
    relu = configs.common.NormActivation(activation="relu", use_sync_bn=False)
    task = image_classification.ImageClassificationTask(
        configs.ImageClassificationTask(
            model=configs.ImageClassificationModel(
                num_classes=stopwatch.NUM_CLASSES,
                input_size=[case.image_size, case.image_size, 3],
                backbone=backbones.Backbone(type=family, **{family: config}),
                norm_activation=swish if family == "efficientnet" else relu,
            )
        )
    )
    model = task.build_model()
    optimizer = tf_keras.optimizers.legacy.SGD(0.05, momentum=0.9)
    shape = [case.batch_size, case.image_size, case.image_size, 3]
    images = tf.random.stateless_uniform(shape, [0, 0])
    labels = tf.random.stateless_uniform(
        shape[:1], [0, 1], maxval=stopwatch.NUM_CLASSES, dtype=tf.int32
    )
    train_step = tf.function(
        lambda images, labels: task.train_step((images, labels), model, optimizer)
    )
    return lambda: float(train_step(images, labels)[task.loss])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
