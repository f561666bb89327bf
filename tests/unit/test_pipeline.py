import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests import pictures
from trainer import errors
from trainer.data import pipeline, tfrecord

NUM_RECORDS = 7


def build_source(path, *, label_offset=1, num_records=NUM_RECORDS):
    """Records whose label is their number, counted from `label_offset`."""
    encoded = pictures.encode(pictures.draw(20, 20))
    records = [
        pictures.example(encoded, label_offset + number)
        for number in range(num_records)
    ]
    index = tfrecord.index_files([pictures.write_records(path, records)])
    return pipeline.ExampleSource(index, label_offset)


def training(source, *, batch_size=3, seed=0, start_step=0):
    return iter(
        pipeline.training_batches(
            source,
            image_size=8,
            batch_size=batch_size,
            seed=seed,
            start_step=start_step,
        )
    )


def evaluation(source, *, batch_size=3, num_images=0):
    return list(
        pipeline.evaluation_batches(
            source, image_size=8, batch_size=batch_size, num_images=num_images
        )
    )


def labels_of(batches, num_batches):
    batches = itertools.islice(batches, num_batches)
    return np.concatenate([batch[1].numpy() for batch in batches])


def scored_labels(batches):
    labels = np.concatenate([batch[1].numpy() for batch in batches])
    weights = np.concatenate([batch[2].numpy() for batch in batches])
    return labels[weights == 1].tolist()


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20])
def test_each_epoch_has_every_record_once(tmp_path, batch_size):
    batches = training(build_source(tmp_path / "a"), batch_size=batch_size)
    epochs = labels_of(batches, 35)[: 5 * NUM_RECORDS].reshape(-1, NUM_RECORDS)
    np.testing.assert_array_equal(
        np.sort(epochs), [list(range(NUM_RECORDS))] * len(epochs)
    )
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)


def test_the_seed_decides_the_order(tmp_path):
    source = build_source(tmp_path / "a")
    orders = [tuple(labels_of(training(source, seed=seed), 7)) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("start_step", [1, 5, 40])
def test_a_resumed_job_sees_what_it_would_have_seen(tmp_path, start_step):
    source = build_source(tmp_path / "a")
    uninterrupted = itertools.islice(training(source), start_step, start_step + 3)
    for expected, found in zip(
        uninterrupted, training(source, start_step=start_step), strict=False
    ):
        np.testing.assert_array_equal(expected[0], found[0])
        np.testing.assert_array_equal(expected[1], found[1])


def test_a_record_is_cropped_anew_in_each_epoch(tmp_path):
    batches = training(build_source(tmp_path / "a", num_records=1), batch_size=4)
    images, _ = next(batches)
    assert len({image.tobytes() for image in images.numpy()}) == 4


def test_batches_have_a_static_shape(tmp_path):
    source = build_source(tmp_path / "a")
    images, labels = training(source).element_spec
    assert images == tf.TensorSpec([3, 8, 8, 3], tf.float32)
    assert labels == tf.TensorSpec([3], tf.int32)


@pytest.mark.parametrize("label_offset", [0, 1])
def test_classes_count_from_zero(tmp_path, label_offset):
    source = build_source(tmp_path / "a", label_offset=label_offset)
    assert scored_labels(evaluation(source)) == list(range(NUM_RECORDS))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10])
@pytest.mark.parametrize("num_images", [0, 7, 100])
def test_an_evaluation_has_every_record_once(tmp_path, batch_size, num_images):
    batches = evaluation(
        build_source(tmp_path / "a"), batch_size=batch_size, num_images=num_images
    )
    assert scored_labels(batches) == list(range(NUM_RECORDS))
    assert {batch[0].shape[0] for batch in batches} == {batch_size}


def test_fewer_images_are_spread_over_the_records(tmp_path):
    source = build_source(tmp_path / "a", num_records=10)
    assert scored_labels(evaluation(source, num_images=5)) == [0, 2, 4, 6, 8]


def test_many_records_pass_the_boundaries_of_a_read(tmp_path):
    source = build_source(tmp_path / "a", num_records=150)
    assert scored_labels(evaluation(source, batch_size=64)) == list(range(150))


def test_a_picture_that_does_not_decode_is_named(tmp_path):
    good = pictures.encode(pictures.draw(20, 20))
    records = [
        pictures.example(good, 1),
        pictures.example(good[:30], 1),
        pictures.example(good, 1),
    ]
    path = pictures.write_records(tmp_path / "train-0", records)
    source = pipeline.ExampleSource(tfrecord.index_files([path]), 1)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        next(training(source))
    explanation = pipeline.explain_failure(source, caught.value)
    assert isinstance(explanation, errors.DataError)
    assert f"image/encoded in {path}, record 1 does not decode" in str(explanation)


def test_a_record_that_was_damaged_meanwhile_is_named(tmp_path):
    source = build_source(tmp_path / "a")
    content = bytearray((tmp_path / "a").read_bytes())
    content[12 + 40] ^= 1
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(tf.errors.OpError) as caught:
        evaluation(source)
    explanation = pipeline.explain_failure(source, caught.value)
    assert "record 0 is damaged" in str(explanation)


def test_an_error_that_is_not_the_datas_is_not_explained_by_it(tmp_path):
    source = build_source(tmp_path / "a")
    evaluation(source)
    error = tf.errors.InvalidArgumentError(None, None, "ours")
    assert pipeline.explain_failure(source, error) is None
    assert (
        pipeline.explain_failure(source, tf.errors.InternalError(None, None, ""))
        is None
    )
