"""The bytes of a config document to a `ProxyConfig`, or to sentences about what is wrong.  Pure.

A sentence names the file, the field and what to write; it never quotes a value, for a value may be
somebody's secret.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ostiary_proxy.config import FORMAT, ProxyConfig

MOST_SENTENCES: Final = 5
LONGEST_DOCUMENT: Final = 4 * 1024 * 1024
"""The operator stops at 900 KiB; the local role may hold many servers."""

_TAGS: Final = frozenset({"stdio", "streamableHTTP"})
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
    if role == "sidecar" and len(config.servers) != 1:
        yield f"servers: a sidecar holds exactly one, here are {len(config.servers)}"
    seen: set[str] = set()
    for number, server in enumerate(config.servers):
        if not server.path.startswith("/"):
            yield f"servers[{number}].path: must begin with a slash"
        if server.path in seen:
            yield f"servers[{number}].path: another server has the same path"
        seen.add(server.path)
    for number, issuer in enumerate(config.issuers):
        if issuer.kind == "local" and role != "local":
            yield f"issuers[{number}].kind: local tokens are taken by the local role alone"


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
