"""Finds pictures that are there more than once. No TensorFlow.

Exact duplicates have the same bytes; near ones look the same. Nothing compares all
pairs: time and memory grow with the number of records (and its logarithm).
"""

import itertools
from collections.abc import Iterator

import numpy as np

# Perceptual hashes that differ in more bits are different pictures.
MAX_HASH_DISTANCE = 4
# So are those whose colours differ by more than this on average, of 255.
MAX_COLOUR_DISTANCE = 8.0
HASH_BITS = 64
# Four bits that differ lie in at most four of six bands, so two bands stay equal: every
# pair within the distance meets in a table that is keyed by those two.
NUM_BANDS = MAX_HASH_DISTANCE + 2
# In a table, a picture is compared with this many of the same key, the next in order of
# hash and brightness: keys are rarely shared, but one may be by a million scans.
MAX_NEIGHBOURS = 64


def group_equal(digests: np.ndarray) -> np.ndarray:
    """Groups records by content.

    Args:
        digests: uint64 [records, 2].

    Returns:
        int64 [records], the first record with the same content.
    """
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    in_order = digests[order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    # lexsort is stable, so each group starts with its first record.
    firsts = order[np.flatnonzero(is_new)]
    groups = np.empty(len(order), np.int64)
    groups[order] = firsts[np.cumsum(is_new) - 1]
    return groups


def group_similar(hashes: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Groups pictures that look the same, or are linked by others that do.

    Args:
        hashes: uint64 [pictures].
        colours: uint8 [pictures, channels].

    Returns:
        int64 [pictures], the first picture of the group.
    """
    brightness = colours.sum(axis=1, dtype=np.int64)
    order = np.lexsort((brightness, hashes))
    hashes, colours = hashes[order], colours[order].astype(np.int16)
    groups = np.arange(len(hashes))
    for key in _band_keys(hashes):
        _join_equal_keys(key, hashes, colours, groups)
    # From positions in sorted order to the first picture of each group.
    firsts = np.full(len(order), len(order))
    np.minimum.at(firsts, groups, order)
    found = np.empty(len(order), np.int64)
    found[order] = firsts[groups]
    return found


def _band_keys(hashes: np.ndarray) -> Iterator[np.ndarray]:
    """Yields, for each pair of bands, one key a picture: uint32 [pictures]."""
    edges = np.linspace(0, HASH_BITS, NUM_BANDS + 1).astype(np.uint64)
    bands = [
        (hashes >> low) & np.uint64((1 << int(high - low)) - 1)
        for low, high in itertools.pairwise(edges)
    ]
    for first, second in itertools.combinations(bands, 2):
        yield ((first << np.uint64(16)) | second).astype(np.uint32)


def _join_equal_keys(
    keys: np.ndarray, hashes: np.ndarray, colours: np.ndarray, groups: np.ndarray
) -> None:
    """Joins, in `groups`, pictures of one key that look the same."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    for shift in range(1, min(MAX_NEIGHBOURS, len(keys) - 1) + 1):
        left = np.flatnonzero(keys[shift:] == keys[:-shift])
        if not len(left):
            return
        first, second = order[left], order[left + shift]
        is_open = groups[first] != groups[second]
        first, second = first[is_open], second[is_open]
        differing = np.bitwise_count(hashes[first] ^ hashes[second])
        is_near = differing <= MAX_HASH_DISTANCE
        first, second = first[is_near], second[is_near]
        distances = np.abs(colours[first] - colours[second]).mean(axis=1)
        is_near = distances <= MAX_COLOUR_DISTANCE
        _join(groups, first[is_near], second[is_near])


def _join(groups: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    """Gives the groups of each pair one number, the smaller, in place."""
    while len(first):
        low = np.minimum(groups[first], groups[second])
        high = np.maximum(groups[first], groups[second])
        np.minimum.at(groups, high, low)
        # Follow the links to their end, so that each number is that of its own group.
        while (groups[groups] != groups).any():
            groups[:] = groups[groups]
        is_open = groups[first] != groups[second]
        first, second = first[is_open], second[is_open]


def list_groups(groups: np.ndarray) -> list[np.ndarray]:
    """Members of each group of two or more, in order of the first member.

    Args:
        groups: int64 [records], a number of each record's group, 0 or more.
    """
    if not len(groups):
        return []
    is_shared = np.bincount(groups)[groups] > 1
    members = np.flatnonzero(is_shared)
    members = members[np.argsort(groups[members], kind="stable")]
    edges = np.flatnonzero(np.diff(groups[members])) + 1
    return [group for group in np.split(members, edges) if len(group)]
