import numpy as np
import pytest

from tests import pictures
from trainer import config, errors
from trainer.serving.predictor import Prediction, Predictor, Undecodable
from trainer.serving.server.metrics import Metrics
from trainer.serving.server.service import NotReadyError, Service


@pytest.fixture
def service():
    service = Service(config.ServeConfig(), Metrics())
    yield service
    service.close()


def test_a_model_answers_for_a_picture_of_its_own_before_others(service):
    seen = []

    class Recorder:
        def predict(self, encoded):
            assert not service.is_ready
            seen.extend(encoded)
            return [Prediction(0, np.ones(1))]

        def name_class(self, index):
            return str(index)

    service.open(Recorder(), num_workers=1)
    assert service.is_ready
    assert seen[0].startswith(b"\xff\xd8")


def test_a_model_that_does_not_answer_is_not_served(service):
    class Broken:
        def predict(self, _):
            return [Undecodable("holds a picture that does not decode (why)")]

    with pytest.raises(
        errors.DataError, match=r"must answer for a grey JPEG .*\(why\)"
    ):
        service.open(Broken(), num_workers=1)
    assert not service.is_ready


def test_before_and_after_there_are_no_answers(service, colour_model_dir):
    with pytest.raises(NotReadyError):
        service.submit([b"any"])
    service.open(Predictor(colour_model_dir), num_workers=2)
    service.close()
    with pytest.raises(NotReadyError):
        service.submit([b"any"])


def test_answers_are_those_of_the_model(service, colour_model_dir):
    service.open(Predictor(colour_model_dir), num_workers=2)
    assert service.labels == ["red", "green", "blue"]
    encoded = [pictures.encode(pictures.draw_class(label, 3)) for label in (2, 0, 1)]
    found = service.submit([*encoded, b"no picture"]).result(60)
    assert [one.class_index for one in found[:3]] == [2, 0, 1]
    assert isinstance(found[3], Undecodable)


@pytest.mark.parametrize(("num_workers", "expected"), [(1, 16), (2, 8), (3, 5)])
def test_batches_that_run_at_once_share_the_largest_size(
    service, num_workers, expected
):
    sizes = []

    class Recorder:
        def predict(self, encoded):
            sizes.append(len(encoded))
            return [Prediction(0, np.ones(1))] * len(encoded)

        def name_class(self, index):
            return str(index)

    service.open(Recorder(), num_workers=num_workers)
    service.submit([b"any"] * 200).result(60)
    assert max(sizes) == expected
