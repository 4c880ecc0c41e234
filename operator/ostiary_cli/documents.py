"""YAML and JSON manifests as plain data, with the line on which each field stands.

Knows no kind: what a document means is `manifests.py`'s.  Reads as the cluster's own tools do:
a date stays text, a key that is there twice is an error.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

Path = tuple[str | int, ...]
"""Steps from the document's root to a field."""

LARGEST_FILE: Final = 4 * 1024 * 1024
_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class Document:
    """One document of one file."""

    file: str
    number: int
    """Place in its file, from 1."""
    body: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """Where the field stands, or else the nearest field around it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that holds no documents, and why."""

    file: str
    line: int
    message: str


class _Loader(yaml.SafeLoader):
    """Plain scalars as kubectl reads them: no dates, no numbers to base 60."""


_NUMBERS: Final = {
    "tag:yaml.org,2002:int": re.compile(
        r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$"
    ),
    "tag:yaml.org,2002:float": re.compile(
        r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, _NUMBERS.get(tag, pattern))
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:timestamp"
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Refused(Exception):
    def __init__(self, node: yaml.Node, message: str) -> None:
        super().__init__(message)
        self.line = node.start_mark.line + 1
        self.message = message


def read_documents(file: str, text: str) -> list[Document] | Unreadable:
    """Every document of the text, empty ones left out."""
    if file.endswith(".json"):
        text = text.replace("\t", " ")  # YAML has no tabs between tokens, JSON none inside strings
    try:
        return list(_documents(file, _Loader(text)))
    except _Refused as err:
        return Unreadable(file, err.line, err.message)
    except yaml.reader.ReaderError as err:
        line = text.count("\n", 0, err.position) + 1
        return Unreadable(file, line, f"not YAML: a control character (0x{err.character:02x})")
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        return Unreadable(file, mark.line + 1 if mark else 1, _plain(err))
    except (yaml.YAMLError, RecursionError) as err:
        return Unreadable(file, 1, f"not YAML: {err}")


def _documents(file: str, loader: _Loader) -> Iterator[Document]:
    number = 0
    while loader.check_node():
        node = loader.get_node()
        number += 1
        if node is None:
            continue
        lines: dict[Path, int] = {}
        body = _value(loader, node, (), lines, ())
        if body is not None:
            yield Document(file, number, body, lines)


def _value(
    loader: _Loader,
    node: yaml.Node,
    path: Path,
    lines: dict[Path, int],
    above: tuple[yaml.Node, ...],
) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if node in above:
        raise _Refused(node, "an alias stands inside what it names: write the value out")
    above = (*above, node)
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, lines, above)
    if isinstance(node, yaml.SequenceNode):
        return [
            _value(loader, item, (*path, index), lines, above)
            for index, item in enumerate(node.value)
        ]
    if not node.tag.startswith("tag:yaml.org,2002:"):
        raise _Refused(node, f"the tag {node.tag} means nothing in a manifest: leave it out")
    try:
        return loader.construct_object(node)
    except ValueError as err:
        raise _Refused(node, f"not YAML: {err}") from err


def _mapping(
    loader: _Loader,
    node: yaml.MappingNode,
    path: Path,
    lines: dict[Path, int],
    above: tuple[yaml.Node, ...],
) -> dict[str, Any]:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _Refused(key, "a key is a word, not a list or a mapping")
        if key.value in seen:
            raise _Refused(
                key, f"{key.value!r} is there twice; the first is on line {seen[key.value]}"
            )
        seen[key.value] = key.start_mark.line + 1
    loader.flatten_mapping(node)
    found: dict[str, Any] = {}
    for key, item in node.value:
        inner = (*path, str(key.value))
        lines[inner] = key.start_mark.line + 1
        found[str(key.value)] = _value(loader, item, inner, lines, above)
    return found


def _plain(err: yaml.MarkedYAMLError) -> str:
    problem = err.problem or "cannot be read"
    if "'\\t'" in problem:
        problem = "a tab stands where YAML wants spaces"
    context = f" ({err.context})" if err.context else ""
    return f"not YAML: {problem}{context}"


def parse_path(text: str) -> Path:
    """`spec.env[0].name` as steps."""
    return tuple(int(index) if index else name for index, name in _STEP.findall(text))


@dataclass(frozen=True, slots=True)
class Refused:
    message: str


def text_of(value: object, *, encoded: bool) -> str | Refused:
    """An entry of a ConfigMap or a Secret.  The message never repeats it: it may be a secret."""
    if not isinstance(value, str):
        return Refused("must be text: put it in quotes")
    if not encoded:
        return value
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return Refused("must be base64 of text: write it plain under stringData instead")
