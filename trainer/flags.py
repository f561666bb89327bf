"""Command line -> frozen config. The only module that defines flags.

Accepts what the documented commands hold: `--name=value` and `--name value`, hyphens
for underscores (`--job-dir`), stray quotes around values, repeated flags (the last
one wins, since the tuning service appends its own; a field of type `tuple[str, ...]`
takes them all). A word may take bare arguments, such as files, and flags that mean
something without a value. A bare `--` says nothing, unless the config has a field for
what comes after it, as those of words have that hand training flags on. All that is
wrong is named at once. Nothing here imports TensorFlow.
"""

import dataclasses
import difflib
import itertools
import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from absl import flags

from trainer import errors
from trainer.config.knobs import KnowsGiven

ConfigT = TypeVar("ConfigT")

HELP_FLAGS = ("--help", "-h", "--helpfull", "--helpshort")
_REPEATED = tuple[str, ...]
_DEFINE = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_bool,
    str: flags.DEFINE_string,
    _REPEATED: flags.DEFINE_multi_string,
}
_KINDS = {int: "an integer", float: "a number", bool: "true or false"}
_HELP_WIDTH = 80
# Of 64 bits, which TensorFlow counts with.
_MAX_INTEGER = 2**63 - 1


def parse(argv: Sequence[str], config_class: type[ConfigT]) -> ConfigT:
    """Turns arguments into a config.

    Args:
        argv: Arguments, without the program's name and the word.
        config_class: A dataclass of config.py whose fields are knobs.

    Returns:
        The config, in range and consistent.

    Raises:
        ConfigError: If anything is wrong; the message has a line for each thing.
    """
    known = _define_flags(config_class)
    problems: list[str] = []
    own, handed_on = _split_trailing(argv, config_class)
    texts = _collect(_split_arguments(own, known, config_class, problems), config_class)
    parsed = {
        name: _parse_value(known, name, text, problems) for name, text in texts.items()
    }
    limits = dict(_check_limits(config_class, parsed))
    problems += limits.values()
    # Flags with a wrong value count with their default, so that one run shows all.
    config = config_class(
        **{
            name: value
            for name, value in parsed.items()
            if value is not None and name not in limits
        },
        **handed_on,
    )
    if isinstance(config, KnowsGiven):
        object.__setattr__(config, "given", frozenset(texts))
    problems += config.problems()  # type: ignore[attr-defined]
    if problems:
        raise errors.ConfigError("\n".join(problems))
    return config


def format_help(config_class: type[Any]) -> str:
    """Describes every flag of a config with its default, range and meaning."""
    lines = []
    fields = dataclasses.fields(config_class)
    for field in sorted(fields, key=lambda field: not _is_positional(field)):
        head = f"  {_title(field)}  ({_summary(field)})"
        if _is_trailing(field):
            head = "  -- --flag=value ..."
        lines += [*_wrap(head, 2), *_wrap(field.metadata["meaning"], 6)]
    return "\n".join(lines)


def _wrap(text: str, indent: int) -> list[str]:
    """Lines of text under an indent, flags and model types unbroken."""
    return textwrap.wrap(
        text.strip(),
        _HELP_WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * 6,
        break_on_hyphens=False,
    )


def _title(field: dataclasses.Field[Any]) -> str:
    """For example "--max_steps", or "JOB_ID" for an argument without a flag."""
    if _is_positional(field) and field.type is str:
        return field.name.upper()
    return f"--{_spelled(field.name)}"


def _spelled(name: str) -> str:
    """The contract's spelling: only job-dir has a hyphen."""
    return "job-dir" if name == "job_dir" else name


def _summary(field: dataclasses.Field[Any]) -> str:
    """For example "int, 1 or more; default 32"."""
    limits = field.metadata["limits"]
    parts = [getattr(field.type, "__name__", str(field.type))]
    if field.type == _REPEATED:
        parts = ["str, may be repeated"]
        if _is_positional(field):
            parts.append("also bare")
    if "alone" in limits:
        parts.append(f"alone {limits['alone']}")
    if "choices" in limits:
        parts = ["one of " + " ".join(limits["choices"])]
    bounds = _describe_bounds(limits)
    summary = ", ".join(filter(None, [*parts, bounds]))
    if limits.get("required"):
        return f"{summary}; required"
    if field.default in (None, "", ()):
        return summary
    return f"{summary}; default {field.default}"


def _describe_bounds(limits: dict[str, Any]) -> str:
    """For example "2 or more" or "0.0 or more, below 1.0"."""
    texts = {
        "minimum": "{} or more",
        "above": "above {}",
        "maximum": "at most {}",
        "below": "below {}",
    }
    return ", ".join(
        text.format(limits[name]) for name, text in texts.items() if name in limits
    )


def _define_flags(config_class: type[Any]) -> flags.FlagValues:
    """Defines one absl flag a field."""
    known = flags.FlagValues()
    for field in dataclasses.fields(config_class):
        if not _is_trailing(field):
            _DEFINE[field.type](  # type: ignore[index]
                field.name,
                field.default,
                field.metadata["meaning"],
                flag_values=known,
            )
    return known


def _is_positional(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata["limits"].get("positional"))


def _is_trailing(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("trailing"))


def _split_trailing(
    argv: Sequence[str], config_class: type[Any]
) -> tuple[Sequence[str], dict[str, tuple[str, ...]]]:
    """The word's own arguments, and the field with those after a bare --."""
    names = [
        field.name for field in dataclasses.fields(config_class) if _is_trailing(field)
    ]
    if not names or "--" not in argv:
        return argv, {}
    place = list(argv).index("--")
    return argv[:place], {names[0]: tuple(argv[place + 1 :])}


def _split_arguments(
    argv: Sequence[str],
    known: flags.FlagValues,
    config_class: type[Any],
    problems: list[str],
) -> Iterator[tuple[str, str]]:
    """Yields (flag name, text of its value), in order; adds what it can't read."""
    alone = dict(_find_alone(config_class))
    places = _bare_places(config_class)
    rest = [argument for argument in argv if argument != "--"]
    while rest:
        argument = rest.pop(0)
        spelled, has_value, text = argument.lstrip("-").partition("=")
        name = spelled.replace("-", "_")
        if not argument.startswith("-"):
            yield from _name_bare(argument, places, problems)
        elif name not in known:
            problems.append(_describe_unknown(spelled, known))
            if not has_value:
                _take_value(rest)
        elif has_value:
            yield name, _unquote(text)
        elif name in alone:
            yield name, alone[name]
        elif (value := _take_value(rest)) is not None:
            yield name, _unquote(value)
        else:
            problems.append(f"--{spelled} needs a value: --{spelled}=VALUE.")


def _find_alone(config_class: type[Any]) -> Iterator[tuple[str, str]]:
    """Yields flags that need no value, and the one that they have then."""
    for field in dataclasses.fields(config_class):
        if field.type is bool:
            yield field.name, "true"
        elif "alone" in field.metadata["limits"]:
            yield field.name, field.metadata["limits"]["alone"]


def _bare_places(config_class: type[Any]) -> Iterator[str]:
    """Yields the field that each argument without a flag is for, in their order."""
    for field in dataclasses.fields(config_class):
        if _is_positional(field):
            yield field.name
            if field.type == _REPEATED:
                yield from itertools.repeat(field.name)


def _name_bare(
    argument: str, places: Iterator[str], problems: list[str]
) -> Iterator[tuple[str, str]]:
    """Yields an argument without a flag as a value of the next field for such."""
    name = next(places, None)
    if name:
        yield name, argument
    else:
        problems.append(
            f"Unexpected argument {argument!r}; flags are written --name=value."
        )


def _collect(
    arguments: Iterable[tuple[str, str]], config_class: type[Any]
) -> dict[str, str | tuple[str, ...]]:
    """Gathers the values of flags that may be repeated; of others the last counts."""
    repeated = {
        field.name
        for field in dataclasses.fields(config_class)
        if field.type == _REPEATED
    }
    collected: dict[str, Any] = {}
    for name, text in arguments:
        if name in repeated:
            collected[name] = (*collected.get(name, ()), text)
        else:
            collected[name] = text
    return collected


def _take_value(rest: list[str]) -> str | None:
    """Takes the next argument, if it is no flag."""
    return rest.pop(0) if rest and not rest[0].startswith("--") else None


def _describe_unknown(spelled: str, known: flags.FlagValues) -> str:
    """Names the nearest flag, as the reader probably meant it."""
    name = spelled.replace("-", "_")
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"did you mean --{_spelled(near[0])}?" if near else "see --help."
    return f"Unknown flag --{spelled}; {hint}"


def _unquote(text: str) -> str:
    """Drops a pair of quotes that a shell or a YAML file left around a value."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


def _parse_value(
    known: flags.FlagValues,
    name: str,
    text: str | tuple[str, ...],
    problems: list[str],
) -> Any:
    """The typed value, or None after adding why there is none."""
    if isinstance(text, tuple):
        return text
    flag = known[name]
    try:
        return flag.parser.parse(text)
    except (ValueError, TypeError):
        kind = _KINDS[type(flag.parser.parse("1"))]
        problems.append(f"--{_spelled(name)} must be {kind}, got {text!r}.")
        return None


def _check_limits(
    config_class: type[Any], values: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yields (flag name, sentence) for each missing flag and value out of range.

    A value of None could not be parsed, which is said elsewhere.
    """
    for field in dataclasses.fields(config_class):
        limits = field.metadata["limits"]
        if field.name not in values:
            if limits.get("required") and not {*limits.get("unless", ())} & {*values}:
                meaning = field.metadata["meaning"]
                yield field.name, f"{_title(field)} is required: {meaning}"
        elif values[field.name] is not None:
            for problem in _check_value(values[field.name], limits):
                yield field.name, f"{_title(field)} must {problem}"


def _check_value(value: Any, limits: dict[str, Any]) -> Iterator[str]:
    """Yields what one value must be instead, if it is wrong."""
    if limits.get("required") and (
        "" in (value if isinstance(value, tuple) else [value])
    ):
        yield "not be empty; see --help."
    elif "choices" in limits and value not in limits["choices"]:
        near = difflib.get_close_matches(value, limits["choices"], n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        yield f"be one of {', '.join(limits['choices'])}, got {value!r}{hint}"
    elif isinstance(value, int) and abs(value) > _MAX_INTEGER:
        yield f"be an integer of 64 bits, got one of {len(str(value))} characters."
    elif not _is_in_range(value, limits):
        yield f"be {_describe_bounds(limits)}, got {value}."


def _is_in_range(value: Any, limits: dict[str, Any]) -> bool:
    """True for text, and for finite numbers inside all bounds."""
    if not isinstance(value, int | float):
        return True
    return (
        math.isfinite(value)
        and value >= limits.get("minimum", -math.inf)
        and value > limits.get("above", -math.inf)
        and value <= limits.get("maximum", math.inf)
        and value < limits.get("below", math.inf)
    )
