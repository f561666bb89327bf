"""YAML -> frozen dataclasses, with the line of whatever is wrong.

A field is declared with `entry`; its key is the field's name in the API's camelCase.
All problems of a file are gathered, so that one run names them all.
"""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import yaml

EntryT = TypeVar("EntryT")

_KINDS = {int: "an integer", float: "a number", bool: "true or false"}
_BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False}
THE_FILE = "the file"
# Of 64 bits, as the API has them.
MAX_INTEGER = 2**63 - 1
_NULL = "tag:yaml.org,2002:null"
# Values of a file, those counted again that aliases repeat: a few hundred bytes of
# aliases can stand for more than any memory.
MAX_VALUES = 100_000
MAX_SENTENCES = 20
MAX_SHOWN = 80


def entry(default: Any = None, **limits: Any) -> Any:
    """Declares a field that is read from a key.

    Args:
        default: Value where the key is absent.
        **limits: `choices`: allowed texts; `minimum`: of a number; `required`: True
            if the key must be there.

    Returns:
        A dataclass field.
    """
    return dataclasses.field(default=default, metadata={"limits": limits})


def spell(name: str) -> str:
    """The API's spelling of a field: max_trials is maxTrials."""
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)


class Problems:
    """Sentences about a file, each with its line."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._found: list[tuple[int, str]] = []

    def add(self, line: int, sentence: str) -> None:
        """Takes a sentence about a line, which counts from 1."""
        self._found.append((line, sentence))

    def sentences(self) -> list[str]:
        """The first of them, in order of lines."""
        first = sorted(self._found)[:MAX_SENTENCES]
        more = len(self._found) - len(first)
        return [
            *(f"{self._path}, line {line}: {text}" for line, text in first),
            *([f"{self._path}: and {more} more such things."] if more else []),
        ]


def compose(text: str, path: str, problems: Problems) -> yaml.Node | None:
    """The document's node; None after adding why there is none."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problems.add(line, f"this is no YAML ({error.problem}); correct it.")
        return None
    except yaml.YAMLError as error:
        problems.add(
            1, f"this is no YAML ({' '.join(str(error).split())}); correct it."
        )
        return None
    except RecursionError:
        problems.add(1, "this is nested too deeply for a config.yaml; correct it.")
        return None
    if node is None:
        problems.add(1, f"{path} is empty; expected a mapping with trainingInput.")
    elif _count_values(node, {}) > MAX_VALUES:
        problems.add(1, f"this has more than {MAX_VALUES:,} values; write fewer.")
        return None
    return node


def _count_values(node: yaml.Node, counted: dict[int, int]) -> int:
    """Counts what reading goes through, without going through it."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in counted:
        # Of one that holds itself there is no end.
        counted[id(node)] = MAX_VALUES + 1
        parts = [part for one in node.value for part in _parts_of(one)]
        counted[id(node)] = 1 + sum(_count_values(part, counted) for part in parts)
    return counted[id(node)]


def _parts_of(one: Any) -> tuple[yaml.Node, ...]:
    """Key and value of a mapping, or an item of a list."""
    return one if isinstance(one, tuple) else (one,)


def read_mapping(
    node: yaml.Node, kind: type[EntryT], where: str, problems: Problems
) -> EntryT:
    """Reads a mapping into a dataclass.

    Args:
        node: What stands in the file.
        kind: A dataclass whose fields are entries. If it has a field `line`, that
            takes the line on which the mapping starts; if it has a method `problems`,
            what that yields is added.
        where: Name of the mapping in sentences; empty for the whole file.
        problems: Takes what is wrong; such keys count with their default.
    """
    if not isinstance(node, yaml.MappingNode):
        problems.add(
            _line(node), f"{where or THE_FILE} must be a mapping of keys and values."
        )
        return kind()
    fields = _fields_by_key(kind)
    values, wrong = _read_fields(node, fields, where, problems)
    _check_required(fields, values.keys() | wrong, where, _line(node), problems)
    if "line" in typing.get_type_hints(kind):
        values["line"] = _line(node)
    made = kind(**values)
    # A check across keys that are themselves wrong would say nothing new.
    if not wrong and hasattr(made, "problems"):
        for sentence in made.problems():
            problems.add(_line(node), f"{where}: {sentence}")
    return made


def _fields_by_key(kind: type[Any]) -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """Each entry of a dataclass and its type, by its key in the file."""
    hints = typing.get_type_hints(kind)
    return {
        spell(field.name): (field, hints[field.name])
        for field in dataclasses.fields(kind)
        if "limits" in field.metadata
    }


def _read_fields(
    node: yaml.MappingNode,
    fields: dict[str, tuple[dataclasses.Field[Any], Any]],
    where: str,
    problems: Problems,
) -> tuple[dict[str, Any], set[str]]:
    """Values by name of field, and the names of those that are wrong."""
    values: dict[str, Any] = {}
    wrong: set[str] = set()
    for key, value in _keys_once(node, where, problems):
        if key.value not in fields:
            problems.add(_line(key), _describe_unknown(key.value, where, list(fields)))
        elif value.tag != _NULL:
            field, hint = fields[key.value]
            name = f"{where}.{key.value}".lstrip(".")
            found = _read_value(value, hint, name, problems)
            if found is None or not _is_allowed(found, field, name, value, problems):
                wrong.add(field.name)
            else:
                values[field.name] = found
    return values, wrong


def _keys_once(
    node: yaml.MappingNode, where: str, problems: Problems
) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            problems.add(_line(key), f"{where or THE_FILE} has a key that is no text.")
            continue
        if key.value in seen:
            problems.add(
                _line(key),
                f"{_cut(key.value)} is in {where or THE_FILE} twice, first in "
                f"line {seen[key.value]}; keep one.",
            )
            continue
        seen[key.value] = _line(key)
        yield key, value


def _describe_unknown(key: str, where: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}."
    return f"unknown key {_cut(key)} in {where or THE_FILE}; {hint}"


def _check_required(
    fields: dict[str, tuple[dataclasses.Field[Any], Any]],
    given: set[str],
    where: str,
    line: int,
    problems: Problems,
) -> None:
    for key, (field, _) in fields.items():
        if field.metadata["limits"].get("required") and field.name not in given:
            problems.add(line, f"{where or THE_FILE} lacks {key}; add it.")


def _read_value(node: yaml.Node, hint: Any, where: str, problems: Problems) -> Any:
    """The typed value, or None after adding why there is none."""
    hint = _without_none(hint)
    if dataclasses.is_dataclass(hint):
        return read_mapping(node, hint, where, problems)  # type: ignore[arg-type]
    if typing.get_origin(hint) is tuple:
        return _read_items(node, typing.get_args(hint)[0], where, problems)
    if typing.get_origin(hint) is dict:
        return _read_texts(node, where, problems)
    return _read_scalar(node, hint, where, problems)


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return next(one for one in typing.get_args(hint) if one is not type(None))
    return hint


def _read_items(
    node: yaml.Node, kind: Any, where: str, problems: Problems
) -> tuple[Any, ...] | None:
    if not isinstance(node, yaml.SequenceNode):
        problems.add(_line(node), f"{where} must be a list.")
        return None
    items = [
        _read_value(item, kind, f"{where}[{number}]", problems)
        for number, item in enumerate(node.value)
    ]
    return None if any(item is None for item in items) else tuple(items)


def _read_texts(
    node: yaml.Node, where: str, problems: Problems
) -> dict[str, str] | None:
    if not isinstance(node, yaml.MappingNode):
        problems.add(_line(node), f"{where} must be a mapping of keys and values.")
        return None
    return {
        key.value: str(_read_scalar(value, str, f"{where}.{key.value}", problems))
        for key, value in _keys_once(node, where, problems)
    }


def _read_scalar(
    node: yaml.Node, kind: type[Any], where: str, problems: Problems
) -> Any:
    """Reads text as written: the version 1.10 stays 1.10, and "8" is a number."""
    if not isinstance(node, yaml.ScalarNode):
        expected = _KINDS.get(kind, "one text")
        problems.add(_line(node), f"{where} must be {expected}.")
        return None
    parsers: dict[type[Any], Callable[[str], Any]] = {
        bool: _parse_bool,
        int: _parse_integer,
    }
    try:
        return parsers.get(kind, kind)(node.value)
    except ValueError:
        problems.add(
            _line(node),
            f"{where} must be {_KINDS[kind]}, got {_cut(repr(node.value))}.",
        )
        return None


def _parse_integer(text: str) -> int:
    value = int(text)
    if abs(value) > MAX_INTEGER:
        raise ValueError(text)
    return value


def _parse_bool(text: str) -> bool:
    if text.lower() not in (*_BOOLS, "off"):
        raise ValueError(text)
    return _BOOLS.get(text.lower(), False)


def _is_allowed(
    value: Any,
    field: dataclasses.Field[Any],
    where: str,
    node: yaml.Node,
    problems: Problems,
) -> bool:
    limits = field.metadata["limits"]
    if "choices" in limits and value not in limits["choices"]:
        near = difflib.get_close_matches(str(value), limits["choices"], n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        expected = ", ".join(limits["choices"])
        problems.add(
            _line(node), f"{where} must be one of {expected}, got {_cut(value)}{hint}"
        )
        return False
    if "minimum" in limits and value < limits["minimum"]:
        least = limits["minimum"]
        problems.add(_line(node), f"{where} must be {least} or more, got {value}.")
        return False
    if limits.get("required") and value in ("", ()):
        problems.add(_line(node), f"{where} must not be empty.")
        return False
    return True


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
