"""`ostiary allow`: the MCPAccessPolicy to commit.  Pure.

The entry is the one that the proxy's own refusal prints; what is asked for stands in its place.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml

from ostiary_cli.endpoint import WRONG, CallFailed
from ostiary_operator.api import (
    LABEL_NAMESPACE_NAME,
    Invalid,
    MCPAccessPolicy,
    MCPServer,
    parse_policy,
)
from ostiary_proxy.callers import ANONYMOUS, Caller
from ostiary_proxy.policy import Deny, Target
from ostiary_proxy.remedy import manifest

from .asked import parse_principal
from .engine import Engine
from .standing import Standing
from .witnesses import EVERY

LONGEST_RULE: Final = 63
_NOT_IN_NAMES: Final = re.compile("[^a-z0-9]+")
_OF_OBJECTS: Final = re.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PLAIN: Final = "x"


@dataclass(frozen=True, slots=True)
class Wish:
    namespace: str
    server: str
    subjects: tuple[str, ...]
    tools: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()


def policy_for(wish: Wish) -> dict[str, Any]:
    """A manifest that the API server takes.  Raises CallFailed."""
    lists = {"tools": wish.tools, "resources": wish.resources, "prompts": wish.prompts}
    allow = {kind: list(globs) for kind, globs in lists.items() if globs} or {"tools": ["*"]}
    callers = [parse_principal(it, "--to") for it in dict.fromkeys(wish.subjects)]
    _check(wish, callers)
    found = _of(Caller.anonymous(), wish)
    rule = found["spec"]["rules"][0]
    rule["from"] = [_entry(it, wish) for it in callers]
    rule["allow"] = allow
    rule["name"] = _label(callers[0])
    found["metadata"]["name"] = f"{wish.server}-{rule['name']}"
    parsed = parse_policy(found)
    if isinstance(parsed, Invalid):
        raise CallFailed("\n".join(f"--to, --tools: {it}" for it in parsed.problems), code=WRONG)
    return found


def _check(wish: Wish, callers: Sequence[Caller]) -> None:
    named = [wish.namespace, *(it.namespace for it in callers if it.namespace not in ("", EVERY))]
    for option, texts in (("a namespace", named), ("a server", [wish.server])):
        for text in texts:
            if not _OF_OBJECTS.fullmatch(text):
                raise CallFailed(f"{text}: {option} has a name such as tools-2", code=WRONG)


def _of(caller: Caller, wish: Wish) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(manifest(caller, wish.namespace, wish.server))
    return found


def _entry(caller: Caller, wish: Wish) -> dict[str, Any]:
    # A refusal's words are made for names that are names: a pattern is put in afterwards.
    plain = replace(caller, name=_PLAIN, namespace=caller.namespace.replace(EVERY, _PLAIN))
    entry: dict[str, Any] = _of(plain, wish)["spec"]["rules"][0]["from"][0]
    for who in entry.values():
        if "names" in who:
            who["names"] = [caller.name]
        if caller.namespace == EVERY:
            who["namespaces"] = {"from": "All"}
    return entry


def _label(caller: Caller) -> str:
    """A rule's name."""
    text = caller.kind if caller.kind == ANONYMOUS else caller.name
    found = _NOT_IN_NAMES.sub("-", text.lower()).strip("-")[:LONGEST_RULE].strip("-")
    return found or "callers"


def still_missing(standing: Standing, server: MCPServer, wish: Wish) -> Sequence[str]:
    """Sentences on what refuses them even with the policy."""
    policy = parse_policy(policy_for(wish))
    assert isinstance(policy, MCPAccessPolicy), "it was parsed when it was made"
    place = policy.metadata
    before = standing.policies.get(f"{place.namespace}/{place.name}")
    name = f"{place.namespace}/{place.name}"
    said = []
    if before is not None:
        said.append(f"MCPAccessPolicy {name} is there already: applying this one replaces it.")
    callers = [parse_principal(it, "--to") for it in dict.fromkeys(wish.subjects)]
    places = {it.namespace for it in callers} - {"", EVERY} - set(standing.namespaces)
    said += [f"There is no namespace {it} yet." for it in sorted(places)]
    standing = standing.with_namespaces({it: {LABEL_NAMESPACE_NAME: it} for it in places})
    engine = Engine(standing.with_policy(name, policy).as_pinned(server))
    for caller in callers:
        for target in _targets(wish):
            decision = engine.ask(target, caller)
            if isinstance(decision, Deny):
                by = f"{decision.policy} {decision.rule}".strip() or decision.reason
                said.append(
                    f"{caller.principal} will still be refused {target.kind} {target.name}: {by}."
                )
    return said


def _targets(wish: Wish) -> list[Target]:
    tools = wish.tools or (() if wish.resources or wish.prompts else ("*",))
    return [
        *(Target("tool", it) for it in tools),
        *(Target("resource", it) for it in wish.resources),
        *(Target("prompt", it) for it in wish.prompts),
    ]
