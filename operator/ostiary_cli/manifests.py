"""A folder of manifests as checked objects: or everything wrong with it, each with file and line.

Reads the folder itself, not what lies below it, as `kubectl apply -f DIR` does.  Decides nothing
about running: that is `local.py`'s.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar

from ostiary_operator.api import (
    API_VERSION,
    GROUP,
    LABEL_NAMESPACE_NAME,
    POLICY_KIND,
    SERVER_KIND,
    Invalid,
    MCPAccessPolicy,
    MCPServer,
    parse_policy,
    parse_server,
)

from .documents import LARGEST_FILE, Document, Path, Unreadable, parse_path, read_documents

SUFFIXES: Final = (".yaml", ".yml", ".json")
DEFAULT_NAMESPACE: Final = "default"
_KUSTOMIZE: Final = ("kustomization.yaml", "kustomization.yml")
Kind = TypeVar("Kind", MCPServer, MCPAccessPolicy)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, and where; reads as `time.yaml:7: MCPServer default/time: spec.x: ...`."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Source:
    """Where an object was written down."""

    document: Document

    def at(self, path: str = "") -> str:
        return f"{self.document.file}:{self.document.line(parse_path(path))}"


@dataclass(frozen=True, slots=True)
class Data:
    """A ConfigMap or a Secret: text by key."""

    values: Mapping[str, str]


@dataclass(slots=True)
class Manifests:
    """What the folder says.  With `problems` it is not to be used, only reported."""

    servers: dict[str, tuple[MCPServer, Source]] = field(default_factory=dict)
    """By `<namespace>/<name>`, as all below."""
    policies: dict[str, MCPAccessPolicy] = field(default_factory=dict)
    secrets: dict[str, Data] = field(default_factory=dict)
    config_maps: dict[str, Data] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    """Labels, of those that have a Namespace manifest."""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was left out, and why that is no error."""

    def labels(self, others: frozenset[str] = frozenset()) -> dict[str, dict[str, str]]:
        """Every namespace anybody names, each with at least its own name as a label."""
        objects = [key.partition("/")[0] for key in (*self.servers, *self.policies)]
        names = sorted({*objects, *others, *self.namespaces})
        return {
            name: {**self.namespaces.get(name, {}), LABEL_NAMESPACE_NAME: name} for name in names
        }


def read_folder(folder: FilePath) -> Manifests:
    """Blocking: a few small files."""
    found = Manifests()
    if not folder.is_dir():
        what = "is a file: name the folder it is in" if folder.exists() else "does not exist"
        found.problems.append(Problem(str(folder), what))
        return found
    try:
        files = [path for path in sorted(folder.iterdir()) if _is_manifest(path)]
    except OSError as err:
        found.problems.append(Problem(str(folder), f"cannot be read: {err.strerror}"))
        return found
    documents = [document for path in files for document in _read(path, found)]
    seen: dict[tuple[str, str], Source] = {}
    for document in documents:
        _take(document, found, seen)
    if not found.servers and not found.problems:
        found.problems.append(Problem(str(folder), _no_server(files)))
    return found


def _is_manifest(path: FilePath) -> bool:
    return path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _no_server(files: list[FilePath]) -> str:
    if not files:
        return f"holds no manifest: put a {SERVER_KIND} into a file that ends in .yaml"
    return (
        f"holds no {SERVER_KIND}: write one, with apiVersion: {API_VERSION}, kind: {SERVER_KIND}, "
        "metadata.name, spec.image and spec.command"
    )


def _read(path: FilePath, found: Manifests) -> list[Document]:
    if path.name in _KUSTOMIZE:
        found.notes.append(f"{path.name} is left out: `ostiary up` reads plain manifests")
        return []
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8-sig") if size <= LARGEST_FILE else ""
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "is not UTF-8 text"
        found.problems.append(Problem(path.name, f"cannot be read: {reason}"))
        return []
    if size > LARGEST_FILE:
        found.problems.append(Problem(path.name, f"is larger than {LARGEST_FILE} bytes"))
    documents = read_documents(path.name, text)
    if isinstance(documents, Unreadable):
        found.problems.append(Problem(f"{path.name}:{documents.line}", documents.message))
        return []
    return [item for document in documents for item in _items(document)]


def _items(document: Document) -> Iterator[Document]:
    """The members of a `kind: List`, or the document itself."""
    body = document.body
    if not (isinstance(body, dict) and body.get("kind") == "List" and "items" in body):
        yield document
        return
    for index, item in enumerate(body["items"] if isinstance(body["items"], list) else []):
        prefix: Path = ("items", index)
        lines = {path[2:]: line for path, line in document.lines.items() if path[:2] == prefix}
        yield Document(document.file, document.number, item, lines)


def _take(document: Document, found: Manifests, seen: dict[tuple[str, str], Source]) -> None:
    source = Source(document)
    body = document.body
    wrong = _unnamed(body)
    if wrong is not None:
        found.problems.append(Problem(source.at(), f"document {document.number} {wrong}"))
        return
    api, kind, metadata = str(body["apiVersion"]), str(body["kind"]), body["metadata"]
    namespace = "" if kind == "Namespace" else str(metadata.get("namespace") or DEFAULT_NAMESPACE)
    key = f"{namespace}/{metadata['name']}".removeprefix("/")
    identity = (f"{api.partition('/')[0] if '/' in api else ''}/{kind}", key)
    if identity in seen:
        first = seen[identity].at()
        found.problems.append(
            Problem(source.at("metadata.name"), f"{kind} {key} is there twice; the first: {first}")
        )
        return
    seen[identity] = source
    _dispatch(api, kind, key, source, found)


def _unnamed(body: Any) -> str | None:
    if not isinstance(body, dict):
        return "is no object: a manifest begins with apiVersion, kind and metadata"
    for name in ("apiVersion", "kind"):
        if not isinstance(body.get(name), str) or not body[name]:
            return f"has no {name}: every manifest begins with apiVersion, kind and metadata"
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return f"({body['kind']}) has no metadata.name: write metadata: {{name: ...}}"
    return None


def _dispatch(api: str, kind: str, key: str, source: Source, found: Manifests) -> None:
    body = source.document.body
    match (api, kind):
        case (_, "MCPServer") if api == API_VERSION:
            server = _checked(parse_server(body), key, kind, source, found)
            if server is not None:
                found.servers[key] = (server, source)
        case (_, "MCPAccessPolicy") if api == API_VERSION:
            policy = _checked(parse_policy(body), key, kind, source, found)
            if policy is not None:
                found.policies[key] = policy
        case ("v1", "Secret" | "ConfigMap"):
            _take_data(kind, key, source, found)
        case ("v1", "Namespace"):
            labels = body["metadata"].get("labels") or {}
            if isinstance(labels, dict):
                found.namespaces[key] = {str(k): str(v) for k, v in labels.items()}
        case _:
            _leave_out(api, kind, key, source, found)


def _leave_out(api: str, kind: str, key: str, source: Source, found: Manifests) -> None:
    if api.partition("/")[0] == GROUP:
        found.problems.append(
            Problem(
                source.at("kind"),
                f"{kind} of {api} is not known here: write kind: {SERVER_KIND} or {POLICY_KIND} "
                f"with apiVersion: {API_VERSION}",
            )
        )
    elif kind in (SERVER_KIND, POLICY_KIND):
        found.notes.append(
            f"{source.at('apiVersion')}: {kind} {key} is left out: apiVersion {api} is another "
            f"project's; Ostiary's is {API_VERSION}"
        )
    else:
        found.notes.append(
            f"{source.at()}: {kind} {key} is left out: it has a meaning on a cluster only"
        )


def _checked(
    parsed: Kind | Invalid, key: str, kind: str, source: Source, found: Manifests
) -> Kind | None:
    if not isinstance(parsed, Invalid):
        return parsed
    found.problems += [
        Problem(source.at(problem.path), f"{kind} {key}: {problem}") for problem in parsed.problems
    ]
    return None


def _take_data(kind: str, key: str, source: Source, found: Manifests) -> None:
    plain, encoded = ("stringData", "data") if kind == "Secret" else ("data", "binaryData")
    values: dict[str, str] = {}
    for name in (encoded, plain):  # a Secret's stringData wins over its data
        entries = source.document.body.get(name) or {}
        if not isinstance(entries, dict):
            found.problems.append(Problem(source.at(name), f"{kind} {key}: {name} is no mapping"))
            continue
        for entry, value in entries.items():
            text = _text(value, encoded=name == encoded)
            if isinstance(text, Refused):
                message = f"{kind} {key}: {name}.{entry}: {text.message}"
                found.problems.append(Problem(source.at(f"{name}.{entry}"), message))
            else:
                values[entry] = text
    target = found.secrets if kind == "Secret" else found.config_maps
    target[key] = Data(values)


@dataclass(frozen=True, slots=True)
class Refused:
    message: str


def _text(value: object, *, encoded: bool) -> str | Refused:
    """The message never repeats the value: it may be a password."""
    if not isinstance(value, str):
        return Refused("must be text: put it in quotes")
    if not encoded:
        return value
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return Refused("must be base64 of text: write it plain under stringData instead")
