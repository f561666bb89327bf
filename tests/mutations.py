"""Strategies of hypothesis: good inputs, damaged here and there."""

import functools
import time

from hypothesis import strategies

MAX_CHANGES = 4
# Of the processor, of which other processes may take a share, for one input.
MAX_SECS = 20.0
# What a number, a length or a text is replaced by.
ODD_BYTES = [
    b"\x00",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
]
ODD_TEXTS = [
    *(
        "",
        " ",
        "\0",
        "\ud800",
        "\N{ARABIC-INDIC DIGIT THREE}",
        "%s",
        "../../x",
        "a" * 300,
    ),
    *(
        "nan",
        "inf",
        "-inf",
        "1e400",
        "-1",
        "0",
        "1" * 400,
        "1" * 5000,
        "1e-400",
        "0x10",
    ),
    *("1_000", "true", "null", "None", "''", '"', "=", "--", "--help", "[", "{}", "*"),
]


def in_time(test):
    """Decorates a test: an input that takes too long is a finding."""

    @functools.wraps(test)
    def timed(*arguments, **named):
        started_at = time.process_time()
        test(*arguments, **named)
        assert time.process_time() - started_at < MAX_SECS

    return timed


@strategies.composite
def damaged(draw, originals, extra=()):
    """Bytes of one of the originals with a few changes."""
    data = bytearray(draw(strategies.sampled_from(originals)))
    for _ in range(draw(strategies.integers(1, MAX_CHANGES))):
        place = draw(strategies.integers(0, len(data)))
        kind = draw(strategies.sampled_from(KINDS))
        kind(draw, data, place, [*ODD_BYTES, *extra])
    return bytes(data)


def _flip(draw, data, place, _odd):
    if place < len(data):
        data[place] ^= 1 << draw(strategies.integers(0, 7))


def _set(draw, data, place, _odd):
    if place < len(data):
        data[place] = draw(strategies.integers(0, 255))


def _cut(_draw, data, place, _odd):
    del data[place:]


def _remove(draw, data, place, _odd):
    del data[place : place + draw(strategies.integers(1, 8))]


def _insert(draw, data, place, odd):
    data[place:place] = draw(strategies.sampled_from(odd))


def _overwrite(draw, data, place, odd):
    new = draw(strategies.sampled_from(odd))
    data[place : place + len(new)] = new


def _repeat(draw, data, place, _odd):
    part = bytes(data[place : place + draw(strategies.integers(1, 64))])
    data[place:place] = part * draw(strategies.integers(1, 50))


KINDS = [_flip, _set, _cut, _remove, _insert, _overwrite, _repeat]

texts = strategies.one_of(
    strategies.sampled_from(ODD_TEXTS),
    strategies.text(max_size=20),
    strategies.integers().map(str),
    strategies.floats().map(str),
)
