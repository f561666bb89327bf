import numpy as np
import pytest

from trainer.data import copies, label_range, verdict
from trainer.data.survey import RECORD, BadRecord, Split, Status


def build_split(name, labels, *, num_bad=0):
    records = np.zeros(len(labels), RECORD)
    records["label"] = labels
    records["orientation"] = 1
    records["status"][:num_bad] = Status.UNDECODABLE
    bad = [
        BadRecord(f"{name}-0", record, 0, Status.UNDECODABLE, "does not decode")
        for record in range(num_bad)
    ]
    return Split(
        name,
        f"{name}-*",
        paths=[f"{name}-0"],
        file_records=[len(labels)],
        bad_records=bad,
        records=records,
    )


def judge(*splits, exact=(), near=(), num_classes=None):
    labels = label_range.infer(
        [split.count_labels() for split in splits], num_classes=num_classes, names=()
    )
    found = copies.Copies(
        *(
            [
                copies.Group([copies.Copy(*member) for member in group])
                for group in groups
            ]
            for groups in (exact, near)
        )
    )
    return verdict.judge(splits, labels, found)


@pytest.mark.parametrize(("num_bad", "fails"), [(30, False), (31, True)])
def test_the_quota_grows_with_the_split(num_bad, fails):
    found = judge(build_split("train", [1, 2] * 15_000, num_bad=num_bad))
    assert bool(found.failures) is fails
    assert bool(found.warnings) is not fails


def test_bad_records_of_one_split_do_not_count_for_another():
    splits = [
        build_split(name, [1, 2] * 10, num_bad=8) for name in ("train", "validation")
    ]
    assert judge(*splits).failures == []


@pytest.mark.parametrize(
    ("exact", "near", "start"),
    [
        (1, 0, "1 picture is in both train and validation:"),
        (2, 0, "2 pictures are in both"),
        (0, 1, "1 near duplicate is in both"),
        (1, 2, "1 picture and 2 near duplicates are in both"),
    ],
)
def test_pictures_in_two_splits_are_counted(exact, near, start):
    across = [(0, 0, 1), (1, 0, 1)]
    splits = [build_split(name, [1, 2]) for name in ("train", "validation")]
    (warning,) = judge(*splits, exact=[across] * exact, near=[across] * near).warnings
    assert warning.startswith(start)


def test_pictures_twice_in_one_split_are_no_warning():
    twice = [(0, 0, 1), (0, 2, 1)]
    assert judge(build_split("train", [1, 2, 1]), exact=[twice]).warnings == []


@pytest.mark.parametrize(("side", "warns"), [(1199, False), (1200, True)])
def test_large_pictures_are_worth_a_warning(side, warns):
    split = build_split("train", [1, 2, 1])
    split.records["width"] = [100, side, 4000]
    split.records["height"] = 3000
    found = judge(split).warnings
    assert bool(found) is warns
    if warns:
        assert "1,200 pixels on the shorter side" in found[0]


def test_many_missing_classes_are_cut():
    (warning,) = judge(build_split("train", range(1, 40, 2)), num_classes=39).warnings
    assert "19 of 39 classes: 2, 4, 6, 8, 10 and 14 more;" in warning
