"""Read the hand-written YAML registries (published numbers, claims, equations) without forgiving anything.

Plain YAML loses information silently: a key written twice keeps its last value, and 0.770 becomes the float 0.77. Here
the first is an error, and numbers that must keep their printed form are written in quotes and checked by the callers.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from handlib.errors import BadInputError, MissingFileError


class _StrictLoader(yaml.SafeLoader):
    """``yaml.SafeLoader`` that refuses a key written twice in one mapping."""


def _construct_unique_mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for position, key in enumerate(keys):
        if key in keys[:position]:
            raise BadInputError(
                f"{node.start_mark.name}, line {node.value[position][0].start_mark.line + 1}: "
                f"the key {key!r} is written twice in one mapping; rename or remove one of them."
            )
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_unique_mapping)


def read_registry(path: Path) -> dict[str, Any]:
    """Read one YAML registry file into a dictionary.

    Args:
        path: a YAML file whose top level is a mapping.

    Returns:
        The mapping, in the file's order.

    Raises:
        MissingFileError: there is no such file.
        BadInputError: the file is not YAML, its top level is not a mapping, or a key is written twice.
    """
    if not path.is_file():
        raise MissingFileError(f"No registry file {path}: reinstall handlib, its YAML files are package data.")
    with path.open(encoding="utf-8") as file:
        try:
            content = yaml.load(file, Loader=_StrictLoader)
        except yaml.YAMLError as error:
            raise BadInputError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise BadInputError(f"{path}: the top level is a {type(content).__name__}, expected a mapping.")
    return content


def check_fields(entry: Any, where: str, required: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Raise ``BadInputError`` unless ``entry`` is a mapping with all required and no unknown fields.

    Args:
        entry: what YAML gave for one entry.
        where: the entry's address, for the message.
        required: fields that must be present.
        optional: fields that may be present.

    Raises:
        BadInputError: not a mapping, a field missing, or a field that nobody reads (most often a misspelling).
    """
    if not isinstance(entry, Mapping):
        raise BadInputError(f"{where}: met a {type(entry).__name__}, expected a mapping of fields.")
    required, optional = set(required), set(optional)
    if missing := required - entry.keys():
        raise BadInputError(f"{where}: missing {sorted(missing)}; add the field(s).")
    if unknown := entry.keys() - required - optional:
        raise BadInputError(
            f"{where}: unknown field(s) {sorted(map(str, unknown))}; known are {sorted(required | optional)}."
        )


def check_text(value: Any, where: str, choices: Iterable[str] | None = None) -> str:
    """Return ``value`` if it is a non-empty string (one of ``choices``, where these are given).

    Args:
        value: what YAML gave.
        where: the field's address, for the message.
        choices: the allowed strings, or None for any.

    Raises:
        BadInputError: a number, a date, an empty string, or a string that is not one of ``choices``.
    """
    if not isinstance(value, str) or not value.strip():
        raise BadInputError(f"{where}: met {value!r}, expected a string; put numbers and dates in quotes.")
    if choices is not None and value not in (allowed := sorted(choices)):
        raise BadInputError(f"{where}: met {value!r}, expected one of {allowed}.")
    return " ".join(value.split())
