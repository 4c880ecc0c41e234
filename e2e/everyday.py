"""The group of test_groups.py: members of three namespaces and five kinds, one of them broken."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from e2e.cluster.paths import kubectl_binary
from e2e.cluster.plugin import NamespaceFactory
from e2e.groups import PLANNER, Groups, by_label, by_name, group, group_url, member, stands
from e2e.internet import NAME as VENDOR_HOST
from e2e.internet import Vendor
from e2e.samples import HTTP, OLD_HTTP, STDIO
from e2e.world import HERE, Caller, World, server, url

TOKEN: Final = "@/var/run/secrets/mcp/token"
"""The projected one of the caller's pod, whose audience is the group's URL."""
TEXT: Final = STDIO.expected
HEALTHY: Final = ("clock", "legacy", "modern", "saas")
STANDING: Final = dict.fromkeys(HEALTHY, "Ready") | {"broken": "Unhealthy"}
BROKEN: Final = STDIO.spec | {"command": ["python3", "-c", "raise SystemExit(3)"]}
ARGUMENTS: Final[Mapping[str, Any]] = {
    "echo": {"text": TEXT},
    "echo_upper": {"text": TEXT},
    "add": {"a": 1, "b": 2},
    "count": {},
    "slow": {"seconds": 0.2},
    "big": {"kilobytes": 1},
    "environment": {"name": "HOME"},
    "header": {"name": "x-any"},
    "fail": {"message": "on purpose"},
}
"""Of every tool but `crash`."""


@dataclass(frozen=True, slots=True)
class Everyday:
    """The group, its callers, and where its members are: by alias, namespace and name."""

    groups: Groups
    caller: Caller
    members: Mapping[str, tuple[str, str]]
    apart: tuple[str, str]
    """A server that is no member."""


def made(world: World, make_namespace: NamespaceFactory, vendor: Vendor) -> Everyday:
    """All of it, once each member stands as it should."""
    tools, shop, abroad = (make_namespace(it) for it in ("tools", "shop", "abroad"))
    agents = make_namespace("agents")
    trusted = {"configMapKeyRef": {"name": "trusted", "key": "ca.crt"}}
    remote = {
        "remote": {"url": f"https://{VENDOR_HOST}/mcp"},
        "upstream": {"caBundle": trusted},
    }
    world.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"namespace": abroad, "name": "trusted"},
            "data": {"ca.crt": vendor.ca},
        },
        *member(tools, "time", STDIO.spec, agents),
        *member(tools, "broken", BROKEN, agents),
        *member(shop, "legacy", OLD_HTTP.spec, agents, tier="internal"),
        *member(shop, "modern", HTTP.spec, agents, tier="internal"),
        *member(abroad, "saas", remote, agents),
        server(tools, "apart", STDIO.spec),
        everyday_of(agents, tools, shop, abroad),
    )
    caller = world.caller(agents, PLANNER, audience=group_url(agents))
    groups = Groups(world, agents)
    groups.eventually(stands(**STANDING))
    places = {
        "clock": (tools, "time"),
        "broken": (tools, "broken"),
        "legacy": (shop, "legacy"),
        "modern": (shop, "modern"),
        "saas": (abroad, "saas"),
    }
    return Everyday(groups, caller, places, (tools, "apart"))


def everyday_of(agents: str, tools: str, shop: str, abroad: str, but: str = "") -> dict[str, Any]:
    """`but`: a member by name that is left out."""
    named = [
        by_name(tools, "time", "clock"),
        by_name(tools, "broken"),
        by_name(abroad, "saas"),
    ]
    kept = [it for it in named if it["server"]["name"] != but]
    return group(agents, [*kept, by_label({"tier": "internal"}, shop)], replicas=2)


def own_tools(everyday: Everyday, alias: str) -> set[str]:
    """As the member itself lists them to the same caller."""
    listed = everyday.caller.mcp(url(*everyday.members[alias]), "list")
    return {tool["name"] for tool in listed["tools"]}


def text_of(result: Mapping[str, Any]) -> str:
    return str(result["content"][0]["text"])


def pods_of(world: World, namespace: str, name: str) -> list[str]:
    return [pod["status"]["podIP"] for pod in world.pods(namespace, name)]


@contextmanager
def watching(everyday: Everyday, tool: str) -> Iterator[Callable[[bool], dict[str, float]]]:
    """Gives a function that waits until calls and lists answer so: when each was first seen."""
    world, caller = everyday.groups.world, everyday.caller
    command = [
        *(kubectl_binary(), "--kubeconfig", str(world.kubectl.kubeconfig)),
        *("-n", caller.namespace, "exec", caller.pod, "--"),
        *("env", f"TOKEN={caller.token(everyday.groups.url)}", "timeout", "300"),
        *("python3", "-uc", (HERE / "consent.py").read_text()),
        *(everyday.groups.url, tool, json.dumps(STDIO.arguments)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def until(wanted: bool) -> dict[str, float]:
            found: dict[str, float] = {}
            last: dict[str, bool] = {}
            assert process.stdout
            while last != {"call": wanted, "list": wanted}:
                line = process.stdout.readline()
                assert line, "the caller's script ended"
                event = json.loads(line)
                last[event["what"]] = event["ok"]
                found[event["what"]] = event["t"]
            return found

        try:
            yield until
        finally:
            process.kill()
