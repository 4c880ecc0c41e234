"""Objects from the API server, or from a folder, to models: or a list of what to write instead.

An invalid rule of a policy grants nothing while the rest of the policy stands: `Invalid.usable`.
"""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .fields import DNS_LABEL_PATTERN, SUBDOMAIN_PATTERN
from .group import MCPGroup
from .names import GROUP_KIND
from .object_names import NAME_PATTERN
from .policy import MCPAccessPolicy
from .schema import RULE_ERROR
from .server import MCPServer
from .token import MCPAccessToken

Kind = TypeVar("Kind", MCPServer, MCPGroup, MCPAccessPolicy, MCPAccessToken)

TOP_LEVEL: Final = ("apiVersion", "kind", "metadata", "spec")
LONGEST_QUOTED: Final = 128
_ENV_VALUE: Final = re.compile(r"\benv\[\d+\]\.value")
_DASHES: Final = "dashes, but none at an end"
_PATTERNS: Final = {
    NAME_PATTERN: f"write small letters, digits and {_DASHES}, a letter first",
    DNS_LABEL_PATTERN: f"write small letters, digits and {_DASHES}",
    SUBDOMAIN_PATTERN: f"write small letters, digits, dots and {_DASHES}",
}
DENY_ALL: Final = {"tools": ["*"], "resources": ["*"], "prompts": ["*"]}


@dataclass(frozen=True, slots=True)
class Problem:
    path: str
    """For example spec.transport.streamableHTTP.port."""
    message: str
    """What is wrong, and what to write instead."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True)
class Invalid:
    problems: tuple[Problem, ...]
    usable: MCPAccessPolicy | None = None
    """A policy less its invalid rules; an invalid deny in it denies everything."""

    def __str__(self) -> str:
        return "; ".join(str(problem) for problem in self.problems)


def parse_server(obj: Mapping[str, Any]) -> MCPServer | Invalid:
    return _parse(MCPServer, obj)


def parse_group(obj: Mapping[str, Any]) -> MCPGroup | Invalid:
    return _parse(MCPGroup, obj)


def parse_policy(obj: Mapping[str, Any]) -> MCPAccessPolicy | Invalid:
    parsed = _parse(MCPAccessPolicy, obj)
    if isinstance(parsed, Invalid):
        return Invalid(parsed.problems, _without_invalid_parts(obj))
    return parsed


def parse_token(obj: Mapping[str, Any]) -> MCPAccessToken | Invalid:
    return _parse(MCPAccessToken, obj)


def _parse(model: type[Kind], obj: Mapping[str, Any]) -> Kind | Invalid:
    known = {key: obj[key] for key in TOP_LEVEL if key in obj}
    extra = [
        Problem(str(key), _unknown(str(key), TOP_LEVEL))
        for key in obj
        if key not in TOP_LEVEL and key != "status"
    ]
    try:
        # As JSON, because there strictness means JSON's own types, lists and tuples alike.
        parsed = model.model_validate_json(json.dumps(known, default=str))
    except ValidationError as err:
        errors = err.errors(include_url=False)
        problems = [
            problem
            for error in errors
            if not _is_echo(error, errors)
            for problem in _problems(model, error)
        ]
        return Invalid(tuple(extra + problems))
    return Invalid(tuple(extra)) if extra else parsed


def _without_invalid_parts(obj: Mapping[str, Any]) -> MCPAccessPolicy | None:
    reduced = copy.deepcopy(dict(obj))
    spec = reduced.get("spec")
    if not isinstance(spec, dict):
        return None
    rules = spec.get("rules")
    deny = spec.get("deny")
    spec["rules"] = [rule for rule in _items(rules) if _stands(obj, {"rules": [rule]})]
    spec["deny"] = [item if _stands(obj, {"deny": [item]}) else DENY_ALL for item in _items(deny)]
    if deny is not None and not isinstance(deny, list):
        spec["deny"] = [DENY_ALL]
    ceiling = spec.get("scope") == "Cluster"
    if ceiling and rules and not spec["rules"]:
        # Without a rule it would not be a ceiling any more: closed, as its rules admit nobody.
        spec["deny"] = [DENY_ALL]
    if not spec["rules"] and not spec["deny"]:
        return None
    parsed = _parse(MCPAccessPolicy, reduced)
    if isinstance(parsed, Invalid) and ceiling:
        spec.clear()
        spec |= {"scope": "Cluster", "namespaces": {"from": "All"}, "deny": [DENY_ALL]}
        parsed = _parse(MCPAccessPolicy, reduced)
    return None if isinstance(parsed, Invalid) else parsed


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _stands(obj: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    """Whether the part would be valid in a policy that has nothing else wrong with it."""
    alone = {
        "apiVersion": obj.get("apiVersion"),
        "kind": obj.get("kind"),
        "metadata": obj.get("metadata"),
        "spec": {**_targets(obj), **part},
    }
    return not isinstance(_parse(MCPAccessPolicy, alone), Invalid)


def _targets(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of a policy that has nothing wrong with it: rules may name members of groups on groups
    alone."""
    refs = _items(obj["spec"].get("targetRefs"))
    kinds = {it.get("kind") for it in refs if isinstance(it, dict)}
    if kinds == {GROUP_KIND}:
        return {"targetRefs": [{"kind": GROUP_KIND, "name": "any"}]}
    return {"selector": {}}


def _is_echo(error: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """A list counts as too short when its items were refused; their own errors say why."""
    steps = error["loc"]
    return error["type"] == "too_short" and any(
        len(other["loc"]) > len(steps) and other["loc"][: len(steps)] == steps for other in errors
    )


def _problems(model: type[BaseModel], error: ErrorDetails) -> list[Problem]:
    steps = list(error["loc"])
    path = _path(steps)
    if error["type"] == RULE_ERROR:
        violations = error.get("ctx", {}).get("violations", [])
        return [
            Problem(".".join(part for part in (path, field) if part), message)
            for field, message in violations
        ]
    if error["type"] == "extra_forbidden":
        return [Problem(path, _unknown(str(steps[-1]), _siblings(model, steps[:-1])))]
    if error["type"] == "model_type":
        fields = ", ".join(sorted(_siblings(model, steps)))
        return [Problem(path, f"must be an object; its fields are {fields}")]
    return [Problem(path, _sentence(error, secret=_ENV_VALUE.search(path) is not None))]


def _path(steps: list[int | str]) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{_plain(step)}"
    return text


def _plain(key: str) -> str:
    """A key is somebody's own word: it adds no line and turns no text around."""
    return _cut(key if key.isprintable() else repr(key)[1:-1])


def _sentence(error: ErrorDetails, *, secret: bool) -> str:
    """`secret`: what was given is not repeated, as the sentence goes into status and Events."""
    given = error.get("input")
    match error["type"]:
        case "missing":
            return "is required"
        case "too_short":
            return "must have at least one item"
        case "string_type":
            what = "it" if secret else json.dumps(_cut(str(given)))
            return f"must be text: write {what} in quotes"
        case "string_pattern_mismatch":
            what = "it" if secret else repr(_cut(str(given)))
            pattern = error.get("ctx", {}).get("pattern", "")
            words = _PATTERNS.get(pattern)
            return f"{what} does not match {pattern}" + (f": {words}" if words else "")
        case _:
            message = error["msg"]
            return message[:1].lower() + message[1:]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTED else f"{text[: LONGEST_QUOTED - 3]}..."


def _unknown(name: str, names: tuple[str, ...]) -> str:
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"no such field: did you mean {near[0]}?"
    return f"no such field: the fields here are {', '.join(sorted(names))}"


def _siblings(model: type[BaseModel], steps: list[int | str]) -> tuple[str, ...]:
    """Field names of the model that the steps lead to."""
    current: type[BaseModel] = model
    for step in steps:
        if isinstance(step, int):
            continue
        field = next(
            (info for name, info in current.model_fields.items() if (info.alias or name) == step),
            None,
        )
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return ()
        current = inner
    return tuple(info.alias or name for name, info in current.model_fields.items())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None
