import pytest

from tests import tuning
from trainer.jobs import parameters
from trainer.jobs.parameters import LINEAR, LOG, REVERSE_LOG

DOUBLES = {"low": 0.01, "high": 1.0}


@pytest.mark.parametrize(
    ("param", "unit", "value"),
    [
        (tuning.double(**DOUBLES, scale=LINEAR), 0.5, 0.505),
        (tuning.double(**DOUBLES, scale=parameters.NO_SCALE), 0.5, 0.505),
        (tuning.double(**DOUBLES, scale=LOG), 0.5, 0.1),
        (tuning.double(**DOUBLES, scale=LOG), 0.25, 0.01 * 100**0.25),
        # As far from the upper end as 0.1 is on a log scale, from the lower one.
        (tuning.double(**DOUBLES, scale=REVERSE_LOG), 0.5, 0.91),
        (tuning.double(**DOUBLES, scale=REVERSE_LOG), 0.0, 0.01),
        (tuning.double(**DOUBLES, scale=REVERSE_LOG), 1.0, 1.0),
        (tuning.integer(1, 4), 0.1, 1),
        (tuning.integer(1, 4), 0.99, 4),
        (tuning.integer(1, 4), 1.0, 4),
        (tuning.integer(8, 128, LOG), 0.5, 31),
        (tuning.integer(8, 128, REVERSE_LOG), 0.5, 105),
        (tuning.discrete(1, 10, 1000), 0.5, 10.0),
        (tuning.discrete(1, 10, 1000, scale=LINEAR), 0.5, 10.0),
        (tuning.discrete(1, 10, 1000, scale=LINEAR), 0.6, 1000.0),
        (tuning.discrete(1, 10, 1000, scale=LOG), 0.6, 10.0),
        (tuning.categorical("adam", "momentum"), 0.49, "adam"),
        (tuning.categorical("adam", "momentum"), 0.51, "momentum"),
    ],
)
def test_a_place_on_the_scale_has_its_value(param, unit, value):
    found = param.from_unit(unit)
    assert found == pytest.approx(value)
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "param",
    [
        *(tuning.double(scale=one) for one in (LINEAR, LOG, REVERSE_LOG)),
        *(tuning.integer(3, 77, one) for one in (LINEAR, LOG, REVERSE_LOG)),
        *(tuning.discrete(1, 2, 50, scale=one) for one in ("NONE", LINEAR, LOG)),
        tuning.categorical("adam", "momentum", "rmsprop"),
        tuning.double(0.5, 0.5),
        tuning.integer(5, 5),
        # At the ends of what numbers can hold.
        tuning.double(1e-300, 1e300, LOG),
        tuning.double(1e300, 1.0000000000000002e300, LOG),
        tuning.double(1.0, 2.0**53 + 4, REVERSE_LOG),
        tuning.discrete(0.1, 1, 10, scale=REVERSE_LOG),
    ],
)
def test_values_find_their_place_again(param):
    for step in range(101):
        value = param.from_unit(step / 100)
        assert 0.0 <= param.to_unit(value) <= 1.0
        assert param.from_unit(param.to_unit(value)) == pytest.approx(value)
        assert param.parse(param.format(value)) == value


def test_each_integer_has_the_same_share():
    found = [tuning.integer(1, 4).from_unit((step + 0.5) / 400) for step in range(400)]
    assert [found.count(value) for value in (1, 2, 3, 4)] == [100] * 4


def test_whole_discrete_values_are_written_as_integers():
    assert tuning.discrete(32, 64).format(32.0) == "32"
    assert tuning.discrete(0.5, 64).format(0.5) == "0.5"


@pytest.mark.parametrize(
    ("param", "text"),
    [
        (tuning.double(), "0.3"),
        (tuning.integer(1, 4), "5"),
        (tuning.integer(1, 4), "2.5"),
        (tuning.discrete(1, 2), "3"),
        (tuning.categorical("adam"), "sgd"),
    ],
)
def test_texts_of_other_values_are_refused(param, text):
    with pytest.raises(ValueError, match=text):
        param.parse(text)


@pytest.mark.parametrize(
    ("param", "sentence"),
    [
        (tuning.double(0.2, 0.1), "minValue must be at most maxValue, got 0.2"),
        (
            tuning.double(0.0, 0.1),
            "UNIT_LOG_SCALE needs values above 0, got 0 as",
        ),
        (
            tuning.double(-1, 1, REVERSE_LOG),
            "UNIT_REVERSE_LOG_SCALE needs values above",
        ),
        (tuning.double(0.1, float("inf")), "minValue and maxValue must be finite"),
        (tuning.double(-1e308, 1e308, LINEAR), "are too far apart"),
        (tuning.integer(1, 1e300), "maxValue of an INTEGER must be within 90071992547"),
        (tuning.integer(1.5, 4), "minValue of an INTEGER must be an integer, got 1.5."),
        (tuning.discrete(2, 1), "discreteValues must rise strictly, got 2, 1."),
        (tuning.discrete(1, 1), "discreteValues must rise strictly, got 1, 1."),
        (tuning.discrete(0, 1, scale=LOG), "got 0 as the first of discreteValues"),
        (tuning.discrete(1, float("nan")), "discreteValues must be finite numbers."),
        (tuning.discrete(*range(1, 1002)), "may be 1000 at most, got 1001."),
        (tuning.discrete(), "DISCRETE needs discreteValues; add it."),
        (tuning.categorical(), "CATEGORICAL needs categoricalValues; add it."),
        (tuning.categorical("a", "a"), "categoricalValues must differ"),
        (tuning.double(None), "DOUBLE needs minValue; add it."),
        (
            parameters.ParameterSpec("a", "CATEGORICAL", 1, categorical_values=("a",)),
            "CATEGORICAL takes no minValue; remove it, or correct type.",
        ),
        (
            parameters.ParameterSpec(
                "a", "CATEGORICAL", categorical_values=("a",), scale_type=LINEAR
            ),
            "CATEGORICAL has no scale; remove scaleType UNIT_LINEAR_SCALE.",
        ),
    ],
)
def test_a_parameter_that_can_not_work_is_told_so(param, sentence):
    assert any(sentence in found for found in param.problems())


@pytest.mark.parametrize(
    "param",
    [
        tuning.double(),
        tuning.double(-1, 1, LINEAR),
        tuning.integer(1, 1),
        tuning.discrete(-1, 0.5, scale=LINEAR),
        tuning.categorical("adam"),
    ],
)
def test_one_that_can_work_is_not(param):
    assert list(param.problems()) == []
