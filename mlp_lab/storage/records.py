"""JSON and YAML files that are read back: with limits, and with a digest of their content.

The digest detects damage; it does not prove who wrote a file. It is the last key of a JSON object
and the first line of a YAML file, so that a file and its digest are replaced together, and that a
truncated file does not match. Files without a digest are read as well: earlier versions wrote them,
and users edit them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mlp_lab.config.command_line import INTERPOLATION, RESOLVER
from mlp_lab.errors import UserError, first_line
from mlp_lab.storage.files import json_text

# libyaml, if PyYAML was built with it: a comparison reads hundreds of configs.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# The largest config of a sweep has some kilobytes.
_MAX_YAML_BYTES = 2**20
_MAX_JSON_BYTES = 2**26
_MAX_DEPTH = 32
_DIGEST = "sha256"
_EDITED = f"damaged or edited: the content does not match the {_DIGEST}"


def sha256(content: bytes) -> str:
    """Return the hexadecimal SHA-256 digest of bytes."""
    return hashlib.sha256(content).hexdigest()


def json_with_digest(content: Mapping[str, Any]) -> str:
    """Return an object as JSON, with a digest as its last key."""
    return json_text(with_digest(content))


def with_digest(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object of a JSON file with a digest as its last key."""
    return {**content, _DIGEST: sha256(json_text(content).encode())}


def yaml_with_digest(text: str) -> str:
    """Return the text of a YAML file after a line with its digest, which is a comment."""
    return f"{_digest_line(text)}\n{text}"


def read_json(path: Path) -> Any:
    """Return the content of a JSON file: an object, or a list of objects, without their digests.

    Raises UserError if the file is damaged.
    """
    try:
        content = json.loads(read_text(path, _MAX_JSON_BYTES))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged: {error}") from error
    for entry in content if isinstance(content, list) else [content]:
        digest = entry.pop(_DIGEST, None) if isinstance(entry, dict) else None
        if digest not in (None, sha256(json_text(entry).encode())):
            raise UserError(f"{path}: {_EDITED} in it; delete that key if you edited the file")
    return content


def read_yaml(path: Path, *, references: bool = False) -> Any:
    """Return the content of a YAML file of plain values without aliases.

    Args:
        path: the file.
        references: whether values may refer to keys of the config, as in ``${data.size}``. Other
            interpolations, such as ``${oc.env:HOME}``, are never allowed.

    Raises:
        UserError: the file is damaged or too large, or it has aliases or interpolations.
    """
    text = read_text(path, _MAX_YAML_BYTES)
    head, _, rest = text.partition("\n")
    if head.startswith("#") and head != _digest_line(rest):
        raise UserError(
            f"{path}: {_EDITED} in its first line; delete that line if you edited the file"
        )
    try:
        _check_structure(text)
        content = yaml.load(text, _LOADER)
    except (yaml.YAMLError, ValueError, TypeError) as error:  # such as a date with 99 months
        raise UserError(f"{path}: damaged: {first_line(error)}") from error
    refused = RESOLVER if references else INTERPOLATION
    for value in _strings(content):
        if refused.search(value):
            raise UserError(f"{path}: {value}: must be a plain value, not an interpolation")
    return content


def read_text(path: Path, most: int) -> str:
    """Return the text of a file. Raises UserError if it is not UTF-8 or has more than ``most``."""
    if (size := path.stat().st_size) > most:
        raise UserError(f"{path}: has {size:,} bytes; must have at most {most:,}")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: damaged: not a text in UTF-8: {error}") from error


def _digest_line(text: str) -> str:
    return f"# {_DIGEST}: {sha256(text.encode())}"


def _check_structure(text: str) -> None:
    """Raise ValueError for aliases, which can stand for millions of nodes, or for many levels.

    The parser's events have neither been expanded nor nested yet. The loader would crash.
    """
    depth = 0
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"aliases (*{event.anchor}) are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ValueError(f"more than {_MAX_DEPTH} levels")


def _strings(node: Any) -> Iterator[str]:
    """Yield all strings in nested containers, also those of keys."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _strings(key)
            yield from _strings(value)
    elif isinstance(node, list | tuple | set):
        for value in node:
            yield from _strings(value)
