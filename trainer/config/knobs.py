"""How a config declares a field that is filled from the command line."""

import dataclasses
from typing import Any, ClassVar


class KnowsGiven:
    """A config that knows which flags its command had.

    A flag that was given counts as its user's wish, also where it has its default.

    Attributes:
        given: Names of its fields; set by flags.parse.
    """

    given: ClassVar[frozenset[str]] = frozenset()


def knob(default: Any, meaning: str, **limits: Any) -> Any:
    """Declares a field that becomes a flag.

    Args:
        default: Value when the flag is absent; `None` where the flag is required or
            its default depends on other flags (the meaning then says on which).
        meaning: Help text, one or two sentences.
        **limits: `minimum`, `above`, `maximum`, `below`: bounds of a number;
            `choices`: allowed strings; `required`: True if the flag must be given;
            `unless`: names of flags of which one makes it not required;
            `positional`: True for a field that takes arguments without a flag, in
            order of fields: one, or, if it is a `tuple[str, ...]`, all that are left;
            `alone`: value of the flag without a value.

    Returns:
        A dataclass field.
    """
    return dataclasses.field(
        default=default, metadata={"meaning": meaning, "limits": limits}
    )


def trailing(meaning: str) -> Any:
    """Declares the field, of type `tuple[str, ...]`, that takes all after a bare --.

    Args:
        meaning: Help text, one or two sentences.

    Returns:
        A dataclass field.
    """
    return dataclasses.field(
        default=(), metadata={"meaning": meaning, "limits": {}, "trailing": True}
    )
