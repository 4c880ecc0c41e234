"""Runs a command of the answers: reads, asks, prints.  Exit codes are each command's own."""

import argparse
import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import yaml

from ostiary_cli import kubectl
from ostiary_cli.endpoint import IMPOSSIBLE, WRONG, CallFailed
from ostiary_cli.manifests import DEFAULT_NAMESPACE
from ostiary_cli.terminal import shown
from ostiary_operator.api import MCPServer

from . import words
from .allow import Wish, policy_for, still_missing
from .asked import Asker, arguments_of, asker, parse_principal, target_of
from .can_i import Answer, can_i
from .cluster import read_cluster
from .diff import diff
from .folders import read_folders
from .review import review
from .standing import Standing
from .through import Way, as_listed, can_i_through, group_named, ways
from .who_can import Who, who_can
from .who_through import who_can_through

NO: Final = 1
TROUBLE: Final = 2


def run(arguments: argparse.Namespace, now: datetime) -> int:
    """Raises CallFailed."""
    command: Callable[[argparse.Namespace, datetime], int] = {
        "who-can": _who_can,
        "can-i": _can_i,
        "allow": _allow,
        "review": _review,
        "diff": _diff,
    }[arguments.command]
    try:
        return command(arguments, now)
    except CallFailed as err:
        if arguments.command in ("can-i", "diff"):
            raise CallFailed(str(err), code=TROUBLE) from err
        raise


def _standing(
    arguments: argparse.Namespace, now: datetime, namespaces: Collection[str] = ()
) -> Standing:
    if not arguments.folders:
        found = read_cluster(now)
    else:
        found = read_folders(
            arguments.folders, now, recursive=arguments.recursive, namespaces=namespaces
        )
    _tell(found.notes)
    return found


def _namespace(arguments: argparse.Namespace) -> str:
    if arguments.namespace:
        return str(arguments.namespace)
    return DEFAULT_NAMESPACE if arguments.folders else kubectl.own_namespace()


def _who_can(arguments: argparse.Namespace, now: datetime) -> int:
    standing = _standing(arguments, now)
    found = _who(arguments, standing)
    body = {
        "verb": arguments.verb,
        "name": arguments.name,
        "servers": [it.as_json() for it in found],
    }
    _print(arguments, body, words.of_who(found, f"{arguments.verb} {arguments.name}"))
    return 0


def _who(arguments: argparse.Namespace, standing: Standing) -> list[Who]:
    if arguments.via:
        listed = _ways(arguments, standing)
        target = target_of(arguments.verb, arguments.name)
        having = [
            it for it in listed if _may_have(standing, standing.servers.get(it.place), arguments)
        ]
        return [who_can_through(standing, it, target) for it in having or listed]
    target = target_of(arguments.verb, arguments.name)
    servers = standing.chosen(_namespace(arguments), arguments.server)
    asked = [it for it in servers if _may_have(standing, it, arguments)] or list(servers)
    return [who_can(standing, it, target) for it in asked]


def _ways(arguments: argparse.Namespace, standing: Standing) -> tuple[Way, ...]:
    """What is asked about may bear its name in the group, where no member is named."""
    group = group_named(standing, arguments.via, _namespace(arguments))
    found = ways(standing, group, arguments.namespace, arguments.server)
    if arguments.server is None and not any(
        _has(standing, standing.servers.get(it.place), arguments) for it in found
    ):
        listed = as_listed(found, arguments.verb, arguments.name)
        if listed is not None:
            way, arguments.name = listed
            return (way,)
    return found


def _may_have(standing: Standing, server: MCPServer | None, arguments: argparse.Namespace) -> bool:
    if server is None or arguments.verb != "call" or "*" in arguments.name:
        return True
    tools = standing.tools_of(server)
    return tools is None or arguments.name in tools


def _can_i(arguments: argparse.Namespace, now: datetime) -> int:
    args = arguments_of(arguments.args)
    namespace = parse_principal(arguments.who, "--as").namespace
    standing = _standing(arguments, now, {namespace} - {""})
    if arguments.via:
        return _can_i_through(arguments, standing, args)
    servers = standing.chosen(_namespace(arguments), arguments.server)
    if len(servers) > 1:
        servers = tuple(it for it in servers if _has(standing, it, arguments)) or servers
    if len(servers) > 1:
        names = ", ".join(it.metadata.name for it in servers)
        raise CallFailed(f"Which server? Write --server; there are {names}.", code=WRONG)
    who = asker(arguments.who, arguments.groups, arguments.claims, standing)
    target = target_of(arguments.verb, arguments.name, args)
    return _answered(arguments, who, can_i(standing, servers[0], who, target))


def _can_i_through(
    arguments: argparse.Namespace, standing: Standing, args: Mapping[str, object] | None
) -> int:
    found = _ways(arguments, standing)
    if len(found) > 1:
        having = (it for it in found if _has(standing, standing.servers.get(it.place), arguments))
        found = tuple(having) or found
    if len(found) > 1:
        names = ", ".join(it.place for it in found)
        raise CallFailed(f"Which member? Write -n and --server; there are {names}.", code=WRONG)
    who = asker(arguments.who, arguments.groups, arguments.claims, standing)
    target = target_of(arguments.verb, arguments.name, args)
    return _answered(arguments, who, can_i_through(standing, found[0], who, target))


def _answered(arguments: argparse.Namespace, who: Asker, answer: Answer) -> int:
    body = {
        "verb": arguments.verb,
        "name": arguments.name,
        "as": who.caller.principal,
        **answer.as_json(),
    }
    what = f"{arguments.verb} {arguments.name}"
    _print(arguments, body, words.of_can([answer], arguments.who, what))
    return 0 if answer.allowed else NO


def _has(standing: Standing, server: MCPServer | None, arguments: argparse.Namespace) -> bool:
    tools = standing.tools_of(server) if server is not None else None
    return arguments.verb == "call" and tools is not None and arguments.name in tools


def _allow(arguments: argparse.Namespace, now: datetime) -> int:
    wish = Wish(
        _namespace(arguments),
        arguments.server,
        tuple(arguments.to),
        tuple(arguments.tools),
        tuple(arguments.resources),
        tuple(arguments.prompts),
    )
    manifest = policy_for(wish)
    places = {parse_principal(it, "--to").namespace for it in wish.subjects} - {""}
    try:
        standing = _standing(arguments, now, places)
    except CallFailed as err:
        if arguments.folders or err.code != IMPOSSIBLE:
            raise
        _tell([f"It was not tried on the cluster: {err}"])
    else:
        (server,) = standing.chosen(wish.namespace, wish.server)
        _tell(still_missing(standing, server, wish))
    _print(arguments, manifest, [yaml.safe_dump(manifest, sort_keys=False).rstrip("\n")])
    return 0


def _review(arguments: argparse.Namespace, now: datetime) -> int:
    standing = _standing(arguments, now)
    everywhere = arguments.every or (arguments.folders and not arguments.namespace)
    found = review(standing, None if everywhere else _namespace(arguments), now)
    _print(arguments, {"findings": [it.as_json() for it in found]}, words.of_findings(found))
    return 0


def _diff(arguments: argparse.Namespace, now: datetime) -> int:
    old, new = (
        read_folders([folder], now, recursive=arguments.recursive)
        for folder in (arguments.old, arguments.new)
    )
    found = diff(old, new)
    _print(arguments, found.as_json(), words.of_difference(found))
    return 0 if found.is_none else NO


def _print(arguments: argparse.Namespace, body: Any, lines: Iterable[str]) -> None:
    if arguments.output == "json":
        print(json.dumps(body))
        return
    for line in lines:
        print(shown(line))


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(shown(line), file=sys.stderr)
