import itertools
import logging
import time

import numpy as np
import pytest
import tensorflow as tf

from tests import pictures
from trainer import errors
from trainer.data import bad_records, images, order, pipeline, tfrecord
from trainer.data.decoded_cache import DecodedCache
from trainer.data.example_source import ExampleSource

NUM_RECORDS = 7


def build_source(path, *, label_offset=1, num_records=NUM_RECORDS):
    """Records whose label is their number, counted from `label_offset`."""
    encoded = pictures.encode(pictures.draw(20, 20))
    records = [
        pictures.example(encoded, label_offset + number)
        for number in range(num_records)
    ]
    return open_source(path, records, label_offset=label_offset)


def open_source(path, records, *, label_offset=1, limit=10):
    index = tfrecord.index_files([pictures.write_records(path, records)])
    bad = bad_records.BadRecords(
        index, max_bad_records=lambda _: limit, flag="training_data_path"
    )
    return ExampleSource(index, bad, label_offset)


def training(source, *, batch_size=3, seed=0, start_step=0):
    return iter(
        build_training(source, batch_size=batch_size, seed=seed).open(start_step)
    )


def build_evaluation(source, *, batch_size=3, num_images=0):
    return pipeline.EvaluationInput(
        source, image_size=8, batch_size=batch_size, num_images=num_images
    )


def evaluation(source, **arguments):
    return list(build_evaluation(source, **arguments).open(0))


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


@pytest.mark.parametrize("start_step", [0, 4])
def test_processes_share_the_rows_of_each_batch(tmp_path, start_step):
    source = build_source(tmp_path / "a")
    whole = training(source, batch_size=5, start_step=start_step)
    parts = [
        iter(build_training(source, batch_size=5, rows=rows).open(start_step))
        for rows in (range(2), range(2, 5))
    ]
    for expected, *shares in itertools.islice(zip(whole, *parts, strict=True), 6):
        for number, tensor in enumerate(expected):
            found = np.concatenate([share[number] for share in shares])
            np.testing.assert_array_equal(found, tensor)


def test_a_record_is_cropped_anew_in_each_epoch(tmp_path):
    batches = training(build_source(tmp_path / "a", num_records=1), batch_size=4)
    images, _, _ = next(batches)
    assert len({image.tobytes() for image in images.numpy()}) == 4


def test_batches_have_a_static_shape(tmp_path):
    source = build_source(tmp_path / "a")
    images, labels, weights = training(source).element_spec
    assert images == tf.TensorSpec([3, 8, 8, 3], tf.float32)
    assert labels == tf.TensorSpec([3], tf.int32)
    assert weights == tf.TensorSpec([3], tf.float32)


def test_no_tuner_has_to_be_waited_for_when_batches_are_closed(tmp_path):
    source = build_source(tmp_path / "a")
    for batches in (build_training(source), build_evaluation(source)):
        assert batches.open(0).options().autotune.enabled is False


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


def test_an_evaluation_of_many_batches_has_them_in_order(tmp_path):
    source = build_source(tmp_path / "a", num_records=150)
    assert scored_labels(evaluation(source, batch_size=64)) == list(range(150))


def write_undecodable(path, *, limit=10):
    """Five records, of which the second one is cut off and the fourth is no picture."""
    good = pictures.encode(pictures.draw(20, 20))
    encoded = [good, good[:30], good, b"no picture", good]
    records = [pictures.example(one, 1 + label) for label, one in enumerate(encoded)]
    return open_source(path, records, limit=limit)


def build_training(source, **options):
    options = {"image_size": 8, "batch_size": 5, "seed": 0, **options}
    globally = order.build_global_order(len(source.index), options["seed"])
    return pipeline.TrainingInput(source, globally, **options)


def test_undecodable_pictures_fail_their_batch_and_are_found(tmp_path, caplog):
    source = write_undecodable(tmp_path / "train-0")
    batches = build_training(source)
    with pytest.raises(tf.errors.InvalidArgumentError):
        next(iter(batches.open(0)))
    assert batches.mark_undecodable(0)
    assert [one["record"] for one in source.bad.describe()] == [1, 3]
    assert f"{tmp_path}/train-0, record 1 (byte " in caplog.text
    assert "holds a picture that does not decode (" in caplog.text
    _, labels, weights = next(iter(batches.open(0)))
    assert sorted(labels[weights == 1].numpy()) == [0, 2, 4]
    assert not batches.mark_undecodable(0)


def test_a_cache_finds_what_does_not_decode_as_a_whole(tmp_path):
    good = pictures.encode(pictures.draw(200, 20))
    encoded = [good, good[: int(0.9 * len(good))], good]
    records = [pictures.example(one, 1 + label) for label, one in enumerate(encoded)]
    source = open_source(tmp_path / "train-0", records)
    batches = build_training(source, batch_size=3, cache=DecodedCache(10**6))
    with pytest.raises(tf.errors.InvalidArgumentError):
        next(iter(batches.open(0)))
    assert batches.mark_undecodable(0)
    assert [one["record"] for one in source.bad.describe()] == [1]
    _, labels, weights = next(iter(batches.open(0)))
    assert sorted(labels[weights == 1].numpy()) == [0, 2]


@pytest.mark.parametrize("max_bytes", [None, 3000, 10**6])
def test_where_others_wait_no_batch_fails(tmp_path, max_bytes):
    source = write_undecodable(tmp_path / "train-0")
    batches = build_training(
        source,
        cache=DecodedCache(max_bytes) if max_bytes else None,
        is_shared=True,
    )
    for _, labels, weights in itertools.islice(batches.open(0), 3):
        assert sorted(labels[weights == 1].numpy()) == [0, 2, 4]
    assert [one["record"] for one in source.bad.describe()] == [1, 3]


def test_where_others_wait_too_many_bad_records_are_explained(tmp_path):
    source = write_undecodable(tmp_path / "train-0", limit=1)
    with pytest.raises(tf.errors.OpError):
        next(iter(build_training(source, is_shared=True).open(0)))
    assert "has more bad records than" in str(source.read_error)


def test_a_record_is_bad_from_the_step_on_that_found_it(tmp_path):
    source = write_undecodable(tmp_path / "train-0")
    batches = iter(build_training(source, batch_size=1, is_shared=True).open(0))
    num_skipped = 0
    for _ in range(5):
        (weight,) = next(batches)[2].numpy()
        num_skipped += int(weight == 0)
        # More is read ahead, which may not count yet.
        time.sleep(0.2)
        assert len(source.bad) == num_skipped


def test_a_record_of_which_another_process_tells_once_it_is_read_is_skipped(tmp_path):
    good = pictures.encode(pictures.draw(20, 20))
    encoded = [good] * 4 + [b"no picture"]
    records = [pictures.example(one, 1 + label) for label, one in enumerate(encoded)]
    source = open_source(tmp_path / "train-0", records)
    inputs = pipeline.TrainingInput(
        source,
        lambda positions: positions % 5,
        image_size=8,
        batch_size=1,
        seed=0,
        is_shared=True,
    )
    batches = iter(inputs.open(0))
    next(batches)
    # By now more is read, with the weights of before.
    time.sleep(0.2)
    source.bad.add(4, "is bad")
    weights = [int(next(batches)[2][0]) for _ in range(9)]
    assert weights == [1, 1, 1, 0, 1, 1, 1, 1, 0]


def test_a_cache_does_not_hold_what_stands_in_for_a_bad_record(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    source = write_undecodable(tmp_path / "train-0")
    for record in (1, 3):
        source.bad.add(record, "is bad")
    cache = DecodedCache(10**6)
    for _ in itertools.islice(build_training(source, cache=cache).open(0), 3):
        pass
    cache.report(3)
    assert "3 of 3 training pictures stay decoded, in 3.35e-06 GiB" in caplog.text


@pytest.mark.parametrize("max_bytes", [3000, 10**6])
def test_a_resumed_job_sees_the_same_with_an_empty_cache(tmp_path, max_bytes):
    def read(start_step, cache=None):
        batches = build_training(build_source(tmp_path / "a"), cache=cache)
        return itertools.islice(batches.open(start_step), 3)

    resumed, plain = read(4, DecodedCache(max_bytes)), read(4)
    later = itertools.islice(
        build_training(
            build_source(tmp_path / "a"), cache=DecodedCache(max_bytes)
        ).open(0),
        4,
        7,
    )
    for one, other, expected in zip(resumed, later, plain, strict=True):
        np.testing.assert_array_equal(one[0], expected[0])
        np.testing.assert_array_equal(other[0], expected[0])


def test_a_bad_record_changes_nothing_about_the_others(tmp_path):
    whole, damaged = build_source(tmp_path / "a"), build_source(tmp_path / "b")
    damaged.bad.add(2, "is bad")
    for expected, found in itertools.islice(
        zip(training(whole), training(damaged), strict=False), 9
    ):
        is_good = found[2] == 1
        assert not np.any(found[1][is_good] == 2)
        np.testing.assert_array_equal(expected[0][is_good], found[0][is_good])
        assert np.all(expected[1][~is_good] == 2)


def test_evaluation_leaves_undecodable_pictures_out(tmp_path):
    source = write_undecodable(tmp_path / "train-0")
    batches = pipeline.EvaluationInput(source, image_size=8, batch_size=2, num_images=0)
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(batches.open(0))
    assert batches.mark_undecodable(0)
    assert batches.mark_undecodable(1)
    assert scored_labels(batches.open(0)) == [0, 2, 4]
    assert scored_labels(batches.open(1)) == [2, 4]


def test_too_many_undecodable_pictures_end_the_job(tmp_path):
    source = write_undecodable(tmp_path / "train-0", limit=1)
    with pytest.raises(errors.DataError, match="has more bad records than"):
        build_training(source).mark_undecodable(0)


def test_an_oversized_picture_is_bad(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 20 * 20)
    sizes = [(20, 20), (20, 21), (21, 20)]
    encoded = [pictures.encode(pictures.draw(*size), "png") for size in sizes]
    encoded += [pictures.encode(pictures.draw(*size)) for size in sizes]
    source = open_source(tmp_path / "a", [pictures.example(one, 1) for one in encoded])
    batches = build_training(source, batch_size=6)
    assert batches.mark_undecodable(0)
    assert [one["record"] for one in source.bad.describe()] == [1, 2, 4, 5]
    assert "{{" not in source.bad.describe()[0]["reason"]
    assert "more than 400 pixels" in source.bad.describe()[0]["reason"]


def damage(path):
    content = bytearray(path.read_bytes())
    content[12 + 40] ^= 1
    path.write_bytes(content)


def test_a_record_that_was_damaged_meanwhile_is_skipped(tmp_path):
    source = build_source(tmp_path / "a")
    damage(tmp_path / "a")
    assert scored_labels(evaluation(source)) == list(range(1, NUM_RECORDS))
    assert "is damaged: its checksum" in source.bad.describe()[0]["reason"]


def test_too_many_records_that_were_damaged_meanwhile_are_explained(tmp_path):
    source = open_source(tmp_path / "a", [pictures.example(b"jpeg", 1)], limit=0)
    damage(tmp_path / "a")
    with pytest.raises(tf.errors.OpError):
        evaluation(source)
    assert "has more bad records than" in str(source.read_error)
