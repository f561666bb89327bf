"""Values that are lists: "momentum=0.9,use_nesterov=False" and the like."""

from typing import Any


def parse_optimizer_arguments(text: str) -> dict[str, float | bool]:
    """Parses "momentum=0.9,use_nesterov=False".

    Raises:
        ValueError: If a part is not name=number, name=True or name=False.
    """
    arguments: dict[str, float | bool] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if value.lower() in ("true", "false"):
            arguments[name] = value.lower() == "true"
            continue
        try:
            arguments[name] = float(value)
        except ValueError:
            raise ValueError(
                f"expected name=value,name=value with numbers, True or False, "
                f"got {part!r}"
            ) from None
    return arguments


def parse_numbers(text: str, kind: type) -> list[Any]:
    """Parses a comma list of numbers.

    Raises:
        ValueError: If an entry is no number of that kind, or there is none.
    """
    try:
        numbers = [kind(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"expected a comma list of {kind.__name__}s, got {text!r}"
        ) from None
    return numbers


def parse_split(text: str) -> dict[str, float]:
    """Parses "train:0.9,validation:0.1" into shares that add up to 1.

    Raises:
        ValueError: If a part is not name:share or the shares do not add up to 1.
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.partition(":")
        try:
            shares[name.strip()] = float(share)
        except ValueError:
            raise ValueError(f"expected name:share, got {part!r}") from None
    if abs(sum(shares.values()) - 1) > 1e-6 or min(shares.values()) <= 0:
        raise ValueError(f"shares must be positive and add up to 1, got {text!r}")
    return shares
