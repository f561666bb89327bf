import numpy as np

from trainer.data import copies
from trainer.data.survey import RECORD, Split, Status


def build_split(digests, *, hashes=None, bad=()):
    records = np.zeros(len(digests), RECORD)
    records["digest"][:, 0] = digests
    records["label"] = 1
    # Hashes that differ in many bits, unless given.
    records["perceptual"] = (
        np.array(digests, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        if hashes is None
        else hashes
    )
    records["status"][list(bad)] = Status.UNDECODABLE
    return Split("split", "", records=records)


def places_of(groups):
    return [[(one.split, one.record) for one in group.members] for group in groups]


def test_bad_records_are_not_compared():
    found = copies.find([build_split([7, 7, 7], bad=[1]), build_split([7], bad=[0])])
    assert places_of(found.exact) == [[(0, 0), (0, 2)]]


def test_splits_without_records_are_no_trouble():
    assert copies.find([build_split([]), build_split([])]) == copies.Copies([], [])


def test_near_groups_have_the_exact_copies_of_their_members():
    found = copies.find([build_split([1, 2, 1, 3], hashes=[5, 5, 5, 2**40 - 1])])
    assert places_of(found.exact) == [[(0, 0), (0, 2)]]
    assert places_of(found.near) == [[(0, 0), (0, 1), (0, 2)]]


def test_groups_are_counted_within_each_split_and_between_each_two():
    groups = [
        copies.Group([copies.Copy(split, record, 1) for record, split in enumerate(of)])
        for of in ([0, 0], [0, 0, 1], [0, 1, 2])
    ]
    assert +copies.count_by_place(groups) == {
        (0,): 2,
        (0, 1): 2,
        (0, 2): 1,
        (1, 2): 1,
    }
