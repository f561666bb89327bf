"""gcloud's --format, as far as scripts need it: json, yaml and value(KEY,...)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_VALUE = "value("


def format_content(content: Any, name: str) -> str:
    """Text of one or more objects.

    Args:
        content: A mapping, or a list of mappings: a line each for value(...).
        name: json, yaml or value(KEY,...); a dot leads into an object.
    """
    if name == "json":
        return json.dumps(content, indent=2, sort_keys=True) + "\n"
    if name.startswith(_VALUE):
        keys = name.removeprefix(_VALUE).removesuffix(")").split(",")
        objects = content if isinstance(content, list) else [content]
        return "".join(_format_values(one, keys) for one in objects)
    if isinstance(content, list):
        return "---\n".join(format_content(one, name) for one in content)
    return yaml.safe_dump(content, allow_unicode=True, width=1000)


def _format_values(content: Mapping[str, Any], keys: Sequence[str]) -> str:
    return "\t".join(_find(content, key.split(".")) for key in keys) + "\n"


def _find(content: Any, path: Sequence[str]) -> str:
    """The value at the end of a path; empty if there is none."""
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    if content is None:
        return ""
    return content if isinstance(content, str) else json.dumps(content)
