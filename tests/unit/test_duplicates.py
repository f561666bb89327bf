import time

import numpy as np
import pytest

from trainer.data import duplicates


def random_hashes(count, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, count, np.uint64)


def colours_of(*levels):
    return np.repeat(np.array(levels, np.uint8)[:, np.newaxis], 12, axis=1)


def flip_bits(value, positions):
    for position in positions:
        value ^= np.uint64(1) << np.uint64(position)
    return value


def test_records_of_one_content_get_the_number_of_the_first():
    digests = np.array([[5, 1], [2, 9], [5, 2], [5, 1], [2, 9], [5, 1]], np.uint64)
    assert duplicates.group_equal(digests).tolist() == [0, 1, 2, 0, 1, 0]


def test_no_records_are_no_groups():
    assert len(duplicates.group_equal(np.empty([0, 2], np.uint64))) == 0
    none = duplicates.group_similar(np.empty(0, np.uint64), np.empty([0, 12], np.uint8))
    assert duplicates.list_groups(none) == []


def test_every_pair_within_the_distance_is_found_wherever_its_bits_differ():
    random = np.random.default_rng(1)
    hashes = random_hashes(2000)
    copies = np.array(
        [flip_bits(value, random.choice(64, 4, replace=False)) for value in hashes]
    )
    colours = random.integers(0, 256, [2000, 12]).astype(np.uint8)
    groups = duplicates.group_similar(
        np.concatenate([hashes, copies]), np.concatenate([colours, colours])
    )
    assert groups.tolist() == 2 * list(range(2000))


def test_one_bit_too_many_is_another_picture():
    hashes = random_hashes(1)
    other = flip_bits(hashes[0], [3, 17, 28, 40, 63])
    groups = duplicates.group_similar(np.append(hashes, other), colours_of(90, 90))
    assert groups.tolist() == [0, 1]


@pytest.mark.parametrize(("level", "expected"), [(98, [0, 0]), (99, [0, 1])])
def test_other_colours_are_another_picture(level, expected):
    hashes = np.repeat(random_hashes(1), 2)
    groups = duplicates.group_similar(hashes, colours_of(90, level))
    assert groups.tolist() == expected


def test_pictures_that_are_linked_by_a_third_are_one_group():
    first = random_hashes(1)[0]
    second = flip_bits(first, [0, 1, 2, 3])
    third = flip_bits(second, [10, 20, 30, 40])
    hashes = np.array([third, random_hashes(1, seed=5)[0], first, second])
    groups = duplicates.group_similar(hashes, colours_of(9, 9, 9, 9))
    assert groups.tolist() == [0, 1, 0, 0]


def test_groups_of_two_or_more_are_listed_in_order():
    groups = np.array([0, 1, 0, 3, 1, 0])
    listed = [members.tolist() for members in duplicates.list_groups(groups)]
    assert listed == [[0, 2, 5], [1, 4]]


def test_all_pictures_alike_take_no_time_of_all_pairs():
    hashes = np.repeat(random_hashes(1), 50_000)
    started = time.monotonic()
    groups = duplicates.group_similar(hashes, colours_of(*[7] * 50_000))
    assert not groups.any()
    # All pairs are 1.25 billion.
    assert time.monotonic() - started < 10
