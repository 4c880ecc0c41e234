"""A folder of manifests as checked objects: or everything wrong with it, each with file and line.

Reads the folder itself, not what lies below it, as `kubectl apply -f DIR` does.  Decides nothing
about running: that is `local.py`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar

from ostiary_operator.api import (
    API_VERSION,
    GROUP,
    GROUP_KIND,
    LABEL_NAMESPACE_NAME,
    POLICY_KIND,
    SERVER_KIND,
    TOKEN_KIND,
    Invalid,
    MCPAccessPolicy,
    MCPAccessToken,
    MCPGroup,
    MCPServer,
    parse_group,
    parse_policy,
    parse_server,
    parse_token,
)
from ostiary_operator.settings import SettingsInvalid
from ostiary_operator.trusted_issuers import TrustedIssuer

from . import folder_settings
from .documents import (
    LARGEST_FILE,
    Document,
    Path,
    Unreadable,
    parse_path,
    read_documents,
)
from .folder_data import Data, data_of

SUFFIXES: Final = (".yaml", ".yml", ".json")
DEFAULT_NAMESPACE: Final = "default"
OUR_KINDS: Final = (SERVER_KIND, GROUP_KIND, POLICY_KIND, TOKEN_KIND)
_KUSTOMIZE: Final = ("kustomization.yaml", "kustomization.yml")
Kind = TypeVar("Kind", MCPServer, MCPGroup, MCPAccessPolicy, MCPAccessToken)


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


@dataclass(slots=True)
class Manifests:
    """What the folder says.  With `problems` it is not to be used, only reported."""

    servers: dict[str, tuple[MCPServer, Source]] = field(default_factory=dict)
    """By `<namespace>/<name>`, as all below."""
    groups: dict[str, tuple[MCPGroup, Source]] = field(default_factory=dict)
    policies: dict[str, MCPAccessPolicy] = field(default_factory=dict)
    tokens: dict[str, tuple[MCPAccessToken, Source]] = field(default_factory=dict)
    secrets: dict[str, Data] = field(default_factory=dict)
    config_maps: dict[str, Data] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    """Labels, of those that have a Namespace manifest."""
    issuers: tuple[TrustedIssuer, ...] = ()
    """Of the settings document, where there is one."""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was left out, and why that is no error."""

    def labels(self, others: frozenset[str] = frozenset()) -> dict[str, dict[str, str]]:
        """Every namespace anybody names, each with at least its own name as a label."""
        keys = (*self.servers, *self.groups, *self.policies, *self.tokens)
        names = sorted({*(key.partition("/")[0] for key in keys), *others, *self.namespaces})
        return {
            name: {**self.namespaces.get(name, {}), LABEL_NAMESPACE_NAME: name} for name in names
        }


def read_folder(folder: FilePath) -> Manifests:
    """Blocking: a few small files."""
    found = Manifests()
    files = manifest_files(folder, found)
    take_files({path: path.name for path in files}, found)
    if not found.servers and not found.problems:
        found.problems.append(Problem(str(folder), _no_server(files)))
    return found


def manifest_files(folder: FilePath, found: Manifests) -> list[FilePath]:
    """Those of the folder itself; that it is none is one of the problems of `found`."""
    if not folder.is_dir():
        what = "is a file: name the folder it is in" if folder.exists() else "does not exist"
        found.problems.append(Problem(str(folder), what))
        return []
    try:
        return [path for path in sorted(folder.iterdir()) if _is_manifest(path)]
    except OSError as err:
        found.problems.append(Problem(str(folder), f"cannot be read: {err.strerror}"))
        return []


def take_files(files: Mapping[FilePath, str], found: Manifests) -> None:
    """`files`: with the name that a person is told of each."""
    seen: dict[tuple[str, str], Source] = {}
    for path, name in files.items():
        for document in _read(path, name, found):
            _take(document, found, seen)
    _take_settings(found)


def _take_settings(found: Manifests) -> None:
    data = {key: data.values for key, data in found.config_maps.items()}
    try:
        found.issuers = folder_settings.issuers_in(data)
    except SettingsInvalid as err:
        found.problems.append(Problem(f"ConfigMap {folder_settings.NAME}", str(err)))


def _is_manifest(path: FilePath) -> bool:
    return path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _no_server(files: list[FilePath]) -> str:
    if not files:
        return f"holds no manifest: put a {SERVER_KIND} into a file that ends in .yaml"
    return (
        f"holds no {SERVER_KIND}: write one, with apiVersion: {API_VERSION}, kind: {SERVER_KIND}, "
        "metadata.name, spec.image and spec.command"
    )


def _read(path: FilePath, name: str, found: Manifests) -> list[Document]:
    if path.name in _KUSTOMIZE:
        found.notes.append(f"{name} is left out: only plain manifests are read")
        return []
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8-sig") if size <= LARGEST_FILE else ""
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "is not UTF-8 text"
        found.problems.append(Problem(name, f"cannot be read: {reason}"))
        return []
    if size > LARGEST_FILE:
        found.problems.append(Problem(name, f"is larger than {LARGEST_FILE} bytes"))
    documents = read_documents(name, text)
    if isinstance(documents, Unreadable):
        found.problems.append(Problem(f"{name}:{documents.line}", documents.message))
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
    match (api, kind):
        case _ if api == API_VERSION and kind in OUR_KINDS:
            _take_ours(kind, key, source, found)
        case ("v1", "Secret" | "ConfigMap"):
            _take_data(kind, key, source, found)
        case ("v1", "Namespace"):
            labels = source.document.body["metadata"].get("labels") or {}
            if isinstance(labels, dict):
                found.namespaces[key] = {str(k): str(v) for k, v in labels.items()}
        case _:
            _leave_out(api, kind, key, source, found)


def _take_ours(kind: str, key: str, source: Source, found: Manifests) -> None:
    body = source.document.body
    if kind == SERVER_KIND:
        if server := _checked(parse_server(body), key, kind, source, found):
            found.servers[key] = (server, source)
    elif kind == GROUP_KIND:
        if group := _checked(parse_group(body), key, kind, source, found):
            found.groups[key] = (group, source)
    elif kind == POLICY_KIND:
        if policy := _checked(parse_policy(body), key, kind, source, found):
            found.policies[key] = policy
    elif token := _checked(parse_token(body), key, kind, source, found):
        found.tokens[key] = (token, source)


def _leave_out(api: str, kind: str, key: str, source: Source, found: Manifests) -> None:
    if api.partition("/")[0] == GROUP:
        found.problems.append(
            Problem(
                source.at("kind"),
                f"{kind} of {api} is not known here: write kind: {', '.join(OUR_KINDS[:-1])} "
                f"or {TOKEN_KIND} with apiVersion: {API_VERSION}",
            )
        )
    elif kind in OUR_KINDS:
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
    data, wrong = data_of(kind, source.document.body)
    found.problems += [
        Problem(source.at(it.field), f"{kind} {key}: {it.field}{it.message}") for it in wrong
    ]
    (found.secrets if kind == "Secret" else found.config_maps)[key] = data
