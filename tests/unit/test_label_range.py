import pytest

from trainer.data import label_range


def infer(*splits, num_classes=None, names=()):
    counts = [dict.fromkeys(labels, 1) for labels in splits]
    return label_range.infer(counts, num_classes=num_classes, names=names)


@pytest.mark.parametrize(
    ("splits", "options", "first", "num_classes"),
    [
        ([[1, 2, 5]], {}, 1, 5),
        ([[0, 2, 5]], {}, 0, 6),
        ([[1, 2], [4]], {}, 1, 4),
        ([[1, 2]], {"num_classes": 7}, 1, 7),
        ([[1, 2]], {"names": "abc"}, 1, 3),
        ([[1, 2]], {"names": "abc", "num_classes": 2}, 1, 2),
        ([[]], {}, 1, 0),
        ([[-3]], {}, 1, 0),
        ([[1, 2, 2**60]], {}, 1, 2),
    ],
)
def test_the_range_of_the_labels(splits, options, first, num_classes):
    found = infer(*splits, **options)
    assert (found.first, found.num_classes) == (first, num_classes)
    assert not found.is_mixed


@pytest.mark.parametrize(
    ("splits", "options"),
    [
        ([[0, 1, 2]], {"num_classes": 2}),
        ([[0, 1, 2]], {"names": "ab"}),
        ([[1, 2, 3], [0, 1, 2]], {}),
        ([[0, 1], [1, 3]], {"num_classes": 3}),
    ],
)
def test_labels_0_and_the_last_are_mixed(splits, options):
    assert infer(*splits, **options).is_mixed


def test_runs_of_missing_labels_are_found_without_counting_each():
    labels = infer([2, 3, 7], num_classes=1_000_000)
    assert labels.find_missing({2: 1, 3: 4, 7: 1, 2**60: 1}) == [
        (1, 1),
        (4, 6),
        (8, 1_000_000),
    ]


def test_a_label_is_described_with_the_name_of_its_class():
    assert infer([0, 1], names=["cat", "dog"]).describe(1) == "1 dog"
    assert infer([1, 2], names=["cat", "dog"]).describe(1) == "1 cat"
    assert infer([1, 2], names=["cat", "dog"]).describe(9) == "9"
    assert infer([1, 2]).describe(1) == "1"
