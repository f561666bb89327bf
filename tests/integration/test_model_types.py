"""Every network of this project takes two steps and exports, by the job's modules."""

import numpy as np
import pytest
import tensorflow as tf

from tests import pictures
from trainer import config, flags
from trainer.training import experiment

FAST = ("resnet-18", "efficientnet-b0", "efficientnet-lite0")


@pytest.mark.parametrize(
    "model_type",
    [
        name if name in FAST else pytest.param(name, marks=pytest.mark.slow)
        for name in config.MODEL_IMAGE_SIZES
        if name != config.HUB
    ],
)
def test_it_takes_two_steps_and_exports(data_dir, tmp_path, model_type):
    job = flags.parse(
        [
            f"--training_data_path={data_dir}/train-*",
            f"--validation_data_path={data_dir}/validation-*",
            f"--job-dir={tmp_path}",
            "--num_classes=3",
            "--max_steps=2",
            "--train_batch_size=2",
            "--num_eval_images=2",
            "--image_size=64",
            f"--model_type={model_type}",
        ],
        config.TrainConfig,
    )
    assert experiment.run(job) == 0
    predict = tf.saved_model.load(str(tmp_path / "model")).signatures["classify"]
    encoded = pictures.encode(pictures.draw())
    answer = predict(image_bytes=tf.constant([encoded]), key=tf.constant(["a"]))
    np.testing.assert_allclose(np.sum(answer["probabilities"]), 1, rtol=1e-5)
