"""A tf.train.Example as bytes, without TensorFlow, which takes seconds to import.

Source: tensorflow/core/example/{example,feature}.proto, and the wire format of
protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Mapping

# Numbers of the fields, each of a kind that has a length.
BYTES_LIST = 1
INT64_LIST = 3


def encode_example(features: Mapping[str, bytes | int]) -> bytes:
    """Serializes an Example whose features hold one value each.

    Args:
        features: Feature name to bytes, or to an integer of 0 or more.

    Returns:
        What `Example.SerializeToString(deterministic=True)` gives: names are sorted.
    """
    entries = (
        _field(1, _field(1, name.encode()) + _field(2, _encode_feature(value)))
        for name, value in sorted(features.items())
    )
    return _field(1, b"".join(entries))


def _encode_feature(value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _field(INT64_LIST, _field(1, _varint(value)))
    return _field(BYTES_LIST, _field(1, value))


def _field(number: int, content: bytes) -> bytes:
    """A field of the kind that has a length."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    # Negative numbers are written as 64 bits in two's complement.
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
