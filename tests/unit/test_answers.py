import numpy as np
import pytest
import tensorflow as tf

from tests import pictures
from trainer import errors, storage
from trainer.data import labels
from trainer.data.index_cache import IndexCache
from trainer.serving import answers
from trainer.serving.predictor import Predictor

ENCODED = [pictures.encode(pictures.draw_class(label, 3)) for label in (0, 1, 2)]


@pytest.fixture
def split(tmp_path):
    """Red, a record that does not decode, green, blue, and a damaged one."""
    records = [pictures.example(one, n + 1) for n, one in enumerate(ENCODED)]
    records.insert(1, pictures.example(b"no picture", 1))
    path = pictures.write_records(tmp_path / "test-0", [*records, records[0]])
    content = bytearray((tmp_path / "test-0").read_bytes())
    content[-20] ^= 1
    (tmp_path / "test-0").write_bytes(content)
    return labels.read_split(
        storage.find_files(path, "data_path"),
        flag="data_path",
        max_bad_records=lambda _: 2,
        cache=IndexCache(None),
    )


def ask(model_dir, split, records, batch_size=2):
    found = answers.answer_records(
        Predictor(model_dir),
        split,
        np.array(records),
        label_offset=1,
        batch_size=batch_size,
    )
    return list(found)


def test_good_records_are_answered_and_bad_ones_left_out(colour_model_dir, split):
    found = ask(colour_model_dir, split, range(5))
    assert [one.num_read for one in found] == [2, 2, 1]
    assert [one.records.tolist() for one in found] == [[0], [2, 3], []]
    assert [one.labels.tolist() for one in found] == [[0], [1, 2], []]
    assert [one.predicted.tolist() for one in found] == [[0], [1, 2], []]
    assert found[1].encoded == ENCODED[1:]
    assert [one["record"] for one in split.bad.describe()] == [1, 4]


def test_only_the_records_that_were_asked_for_are_read(colour_model_dir, split):
    (found,) = ask(colour_model_dir, split, [3])
    assert found.records.tolist() == [3]
    assert found.probabilities.shape == (1, 3)
    assert found.probabilities.argmax() == 2


def test_a_record_that_was_damaged_since_is_left_out(colour_model_dir, split, tmp_path):
    path = tmp_path / "test-0"
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    found = ask(colour_model_dir, split, [0, 2])
    assert found[0].records.tolist() == [2]
    assert "is damaged" in split.bad.describe()[0]["reason"]


def test_lack_of_memory_names_the_flag(split):
    class Predictor:
        def predict(self, _):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    with pytest.raises(
        errors.ConfigError, match="memory with 2 pictures at once; lower --batch_size"
    ):
        list(
            answers.answer_records(
                Predictor(), split, np.array([0, 2]), label_offset=1, batch_size=2
            )
        )
