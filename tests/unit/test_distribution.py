import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import feature_vectors, replica_runs
from trainer import config, errors
from trainer.models import factory, replicas
from trainer.training import cluster, distribution, steps, tpu


def run(tmp_path, **options):
    """What each number of replicas came to, by that number."""
    path = tmp_path / "out.npz"
    subprocess.run(
        [sys.executable, "-m", "tests.replica_runs", json.dumps(options), str(path)],
        check=True,
        timeout=300,
    )
    found = {count: {} for count in options["num_replicas"]}
    with np.load(path) as content:
        for key in content:
            count, _, name = key.partition("/")
            found[int(count)][name] = content[key]
    return found


HEAD_ONLY = {
    "fine_tune": "head",
    "freeze_batch_norm": "true",
    "moving_average_decay": 0.9,
    "max_minutes": 1.0,
}


@pytest.mark.parametrize(
    ("num_replicas", "flags", "precision", "tolerance"),
    [
        (3, {"optimizer_type": "momentum"}, "float32", 1e-4),
        (2, {"optimizer_type": "rmsprop"}, "float16", 2e-2),
        (3, replica_runs.MIXED, "float32", 1e-4),
        (2, {"freeze_batch_norm": "true"}, "float32", 1e-4),
        (2, HEAD_ONLY, "float32", 1e-4),
        # Replicas take turns with their micro-batches: batch norm sees other parts.
        (
            2,
            {**replica_runs.MIXED, "freeze_batch_norm": "true", "micro_batches": "4"},
            "float32",
            1e-4,
        ),
    ],
)
def test_any_number_of_replicas_computes_what_one_does(
    tmp_path, num_replicas, flags, precision, tolerance
):
    assert_replicas_agree(
        tmp_path, num_replicas, tolerance, precision=precision, **flags
    )


def test_replicas_share_a_saved_model(tmp_path):
    hub_dir, _ = feature_vectors.write(tmp_path / "vector")
    found = assert_replicas_agree(
        tmp_path,
        2,
        1e-4,
        precision="float32",
        hub_dir=hub_dir,
        freeze_batch_norm="true",
        moving_average_decay=0.9,
    )
    kernel = "backbone/conv/kernel"
    assert np.abs(found[kernel] - found[f"{kernel}/ExponentialMovingAverage"]).max() > 0


def assert_replicas_agree(tmp_path, num_replicas, tolerance, **options):
    # Three replicas have 2, 3 and 3 of the 8 rows.
    found = run(tmp_path, num_replicas=[1, num_replicas], num_steps=3, **options)
    one, several = found[1], found[num_replicas]
    assert one["steps_done"] == 3
    assert one["metric/num_images"] == 18
    assert several.keys() == one.keys()
    for name, expected in one.items():
        np.testing.assert_allclose(
            several[name], expected, rtol=tolerance, atol=tolerance, err_msg=name
        )
    return several


@pytest.mark.parametrize(("num_replicas", "batch_size"), [(1, 1), (3, 8), (8, 8)])
def test_replicas_share_all_rows_and_none_has_none(num_replicas, batch_size):
    found = [
        replicas.rows_of(one, num_replicas=num_replicas, batch_size=batch_size)
        for one in range(num_replicas)
    ]
    assert all(found)
    assert [row for rows in found for row in rows] == list(range(batch_size))


def test_alone_a_process_has_one_device_and_all_rows():
    strategy = distribution.build_strategy(cluster=cluster.Cluster(), batch_sizes=[4])
    assert isinstance(strategy, tf.distribute.OneDeviceStrategy)
    assert distribution.process_rows(strategy, 4) == range(4)
    assert distribution.describe_device(strategy).startswith("the CPU with")


def test_gpus_that_are_not_there_are_missed():
    with pytest.raises(
        errors.ConfigError, match=r"--num_gpus=99, but this machine has"
    ):
        distribution.build_strategy(num_gpus=99)


def test_a_tpu_that_is_not_there_is_missed(monkeypatch):
    monkeypatch.setenv("TPU_NAME", "local")
    with pytest.raises(errors.ConfigError, match="The TPU local can't be used"):
        distribution.build_strategy()


class Tpu:
    num_replicas_in_sync = 8


def test_a_batch_has_to_divide_over_the_cores_of_a_tpu(monkeypatch):
    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", dict)
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", lambda _: None)
    monkeypatch.setattr(tf.distribute, "TPUStrategy", lambda _: Tpu())
    assert isinstance(tpu.build_strategy("local", [8, 64]), Tpu)
    with pytest.raises(errors.ConfigError, match="A batch of 36 images does not"):
        tpu.build_strategy("local", [64, 36])


@pytest.mark.parametrize(
    "model_type",
    ["resnet-18", pytest.param("efficientnet-b0", marks=pytest.mark.slow)],
)
def test_a_step_compiles_as_one_program_without_dynamic_shapes(model_type):
    """What a TPU asks of a step, as far as XLA on a CPU can tell."""
    job = config.TrainConfig(
        num_classes=3, max_steps=10, train_batch_size=2, initial_learning_rate=0.01
    )
    strategy = tf.distribute.get_strategy()
    model = factory.build_model(
        model_type, num_classes=3, image_size=32, precision="bfloat16", seed=0
    )
    trainer = steps.Trainer(job, model, strategy, uses_loss_scale=False)
    step = tf.function(trainer._train_step, jit_compile=True, autograph=False)
    batch = (
        tf.random.stateless_uniform([2, 32, 32, 3], [0, 0], maxval=255.0),
        tf.constant([0, 1]),
        tf.ones([2]),
    )
    program = step.get_concrete_function(*batch).graph
    shapes = [
        output.shape for node in program.get_operations() for output in node.outputs
    ]
    assert all(shape.rank is None or shape.is_fully_defined() for shape in shapes)
    loss, _ = step(*batch)
    assert np.isfinite(float(loss))
    assert trainer.num_steps_done == 1
