"""How a config declares a field that becomes a flag."""

import dataclasses
from typing import Any


def knob(default: Any, meaning: str, **limits: Any) -> Any:
    """Declares a field that becomes a flag.

    Args:
        default: Value when the flag is absent; `None` where the flag is required or
            its default depends on other flags (the meaning then says on which).
        meaning: Help text, one or two sentences.
        **limits: `minimum`, `above`, `maximum`, `below`: bounds of a number;
            `choices`: allowed strings; `required`: True if the flag must be given;
            `positional`: True for the one field, of type `tuple[str, ...]`, that takes
            arguments without a flag; `alone`: value of the flag without a value.

    Returns:
        A dataclass field.
    """
    return dataclasses.field(
        default=default, metadata={"meaning": meaning, "limits": limits}
    )
