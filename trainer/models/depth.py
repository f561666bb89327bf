"""How deep in its network a variable is, counted in blocks."""

import re
from collections.abc import Sequence

import keras

# A block of a ResNet, else the first word: a block of an EfficientNet, a stem, a head.
_BLOCK = re.compile(r"conv\d+_block\d+|[^_/]+")
HEAD = "predictions"


def count_blocks_above(model: keras.Model) -> list[int]:
    """Counts the blocks between each trainable variable and the logits.

    Args:
        model: Of factory.build_model.

    Returns:
        One number a trainable variable, in their order: 0 for the classifier, 1 for
        the block below it, and so on to the stem.
    """
    blocks = [_block_of(variable) for variable in model.trainable_variables]
    order = list(dict.fromkeys(blocks))
    return [len(order) - 1 - order.index(block) for block in blocks]


def list_head_variables(model: keras.Model) -> Sequence[keras.Variable]:
    """The classifier's kernel and bias."""
    return [one for one in model.trainable_variables if _block_of(one) == HEAD]


def _block_of(variable: keras.Variable) -> str:
    match = _BLOCK.match(variable.path)
    return match[0] if match else variable.path
