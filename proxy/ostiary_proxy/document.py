"""The bytes of a config document to a `ProxyConfig`, or to sentences about what is wrong.  Pure.

A sentence names the file, the field and what to write; it never quotes a value, for a value may be
somebody's secret.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_network
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ostiary_proxy.config import FORMAT, Backend, GroupBackend, HttpBackend, ProxyConfig, Server

MOST_SENTENCES: Final = 5
LONGEST_DOCUMENT: Final = 4 * 1024 * 1024
"""The operator stops at 900 KiB; the local role may hold many servers."""

_PATH: Final = re.compile(r"/[!-~]*")
_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,253}")
"""Both go into a request's head."""
_TAGS: Final = frozenset({"stdio", "streamableHTTP", "sse", "webSocket", "group"})
"""pydantic puts the tag of a union into the path, where no field of that name is."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a document is not taken."""

    sentences: tuple[str, ...]

    def __str__(self) -> str:
        shown = self.sentences[:MOST_SENTENCES]
        rest = len(self.sentences) - len(shown)
        return "; ".join(shown) + (f"; and {rest} more" if rest else "")


def parse_document(raw: bytes, source: str, role: str) -> ProxyConfig | Unusable:
    """`source`: what to call the document; `role`: of the proxy that reads it."""
    if len(raw) > LONGEST_DOCUMENT:
        return Unusable((f"{source}: is longer than {LONGEST_DOCUMENT} bytes",))
    try:
        config = ProxyConfig.model_validate_json(raw)
    except ValidationError as err:
        return Unusable(tuple(_sentence(source, detail) for detail in err.errors()))
    wrong = tuple(f"{source}: {sentence}" for sentence in check(config, role))
    return Unusable(wrong) if wrong else config


def check(config: ProxyConfig, role: str) -> Iterator[str]:
    """What the shapes cannot say."""
    if config.role != role:
        yield f"role: is {config.role}, and this proxy runs as {role}"
    if role != "local" and len(config.servers) != 1:
        yield f"servers: a {role} holds exactly one, here are {len(config.servers)}"
    yield from _check_servers(config.servers, role)
    if not all(_is_network(text) for text in config.hops):
        yield "hops: must be networks such as 10.0.0.0/8"
    for number, issuer in enumerate(config.issuers):
        if issuer.kind == "local" and role != "local":
            yield f"issuers[{number}].kind: local tokens are taken by the local role alone"


def _check_servers(servers: Sequence[Server], role: str) -> Iterator[str]:
    seen: set[str] = set()
    for number, server in enumerate(servers):
        if not server.path.startswith("/"):
            yield f"servers[{number}].path: must begin with a slash"
        if server.path in seen:
            yield f"servers[{number}].path: another server has the same path"
        seen.add(server.path)
        for sentence in _check_exposed(server):
            yield f"servers[{number}].exposed.{sentence}"
        for sentence in (*_check_outside(server.backend, role), *_check_group(server, role)):
            yield f"servers[{number}].backend.{sentence}"


def _check_exposed(server: Server) -> Iterator[str]:
    exposed = server.exposed
    if exposed is None:
        return
    if not _PATH.fullmatch(exposed.path) or not exposed.url.endswith(exposed.path):
        yield "path: must be the path of the url, and begin with a slash"
    # Both, or else a token or a Host for it is refused at the very place that names it.
    if exposed.url not in server.audiences:
        yield "url: must be one of the audiences"
    if exposed.host not in server.hosts:
        yield "host: must be one of the hosts"


def _check_group(server: Server, role: str) -> Iterator[str]:
    backend = server.backend
    if not isinstance(backend, GroupBackend):
        if role == "gateway":
            yield "kind: a gateway holds a group"
        return
    if role == "sidecar":
        yield "kind: a sidecar holds a server of its own, and no group"
    aliases = [member.alias for member in backend.members]
    if len(set(aliases)) < len(aliases):
        yield "members: two have one alias"
    for number, member in enumerate(backend.members):
        if bool(member.host) == (role == "local"):
            yield f"members[{number}].host: the local role alone holds its members itself"
        if not _PATH.fullmatch(member.path):
            yield f"members[{number}].path: must begin with a slash, and hold nothing but ASCII"


def _check_outside(backend: Backend, role: str) -> Iterator[str]:
    if not isinstance(backend, HttpBackend) or backend.outside is None:
        return
    outside = backend.outside
    if outside.loopback and role != "local":
        yield "outside.loopback: the local role alone reaches its own machine"
    if backend.command:
        yield "command: what runs elsewhere is not started here"
    if not _PATH.fullmatch(backend.path):
        yield "path: must begin with a slash, and hold no space and nothing but ASCII"
    if not _HOST.fullmatch(backend.host):
        yield "host: must be a host name or an address"
    if not all(_is_network(text) for text in outside.closed):
        yield "outside.closed: must be networks such as 10.0.0.0/8"
    names = [header.name for header in outside.headers]
    if len(set(names)) < len(names):
        yield "outside.headers: two have one name"


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def digest_of(raw: bytes) -> str:
    return "sha256:" + sha256(raw).hexdigest()


def _sentence(source: str, detail: ErrorDetails) -> str:
    path = _path(detail["loc"])
    return f"{source}: {path}: {_say(detail)}" if path else f"{source}: {_say(detail)}"


def _path(location: Sequence[int | str]) -> str:
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step not in _TAGS:
            path += f".{step}" if path else step
    return path


def _say(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "json_invalid":
            return f"is not JSON: {context.get('error', '')}"
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not a field that this proxy knows; is the operator newer than the proxy?"
        case "literal_error" if detail["loc"] == ("format",):
            return f"this proxy reads format {FORMAT} only; is the operator newer than the proxy?"
        case "literal_error":
            return f"must be {context.get('expected', '')}"
        case "union_tag_invalid" | "union_tag_not_found":
            return f"its kind must be one of {', '.join(sorted(_TAGS))}"
        case _:
            # pydantic's own words for the rest ("Input should be ...") quote no input.
            return detail["msg"].replace("Input should", "should", 1)
