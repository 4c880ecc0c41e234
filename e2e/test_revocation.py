"""How soon a withdrawn right is gone, open streams included: every way to withdraw one.

The figures are printed and written to build/e2e-revocation.json: they are reported, not judged.
What fails is a caller who still calls, or still listens, half a minute later."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from random import SystemRandom
from typing import Any, Final

import pytest
from e2e.cluster.paths import ROOT
from e2e.cluster.plugin import NamespaceFactory
from e2e.holding import ENDS, OPEN, holding
from e2e.samples import STDIO
from e2e.world import Caller, World, accounts, labelled, policy, server, url

from ostiary_proxy import token_format

SECONDS: Final = 30
Withdraw = Callable[[World, str, str], None]


def relabel(world: World, tools: str, agents: str) -> None:
    world.kubectl("label", "namespace", agents, "team-")


def delete_policy(world: World, tools: str, agents: str) -> None:
    world.kubectl("-n", tools, "delete", "mcpaccesspolicies.ostiary.dev", "all", "--wait=false")


def deny_by_subject(world: World, tools: str, agents: str) -> None:
    denied = [{"from": [accounts(["default"], labelled(team=tools))]}]
    patch(world, tools, {"spec": {"deny": denied}})


def narrow_the_rule(world: World, tools: str, agents: str) -> None:
    other = {"name": "callers", "from": [accounts(["somebody-else"])], "allow": {"tools": ["*"]}}
    patch(world, tools, {"spec": {"rules": [other]}})


def revoke_token(world: World, tools: str, agents: str) -> None:
    world.kubectl("-n", tools, "delete", "mcpaccesstokens.ostiary.dev", "ci", "--wait=false")


def patch(world: World, namespace: str, change: Mapping[str, Any]) -> None:
    kind = ("patch", "mcpaccesspolicies.ostiary.dev", "all", "--type=merge")
    world.kubectl("-n", namespace, *kind, "-p", json.dumps(change))


WAYS: Final[Mapping[str, Withdraw]] = {
    "relabelled namespace": relabel,
    "deleted policy": delete_policy,
    "deny by subject": deny_by_subject,
    "narrowed rule": narrow_the_rule,
    "revoked access token": revoke_token,
}


def access_token(namespace: str) -> tuple[str, dict[str, Any]]:
    secret = token_format.mint(SystemRandom().choice)
    ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return secret, {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPAccessToken",
        "metadata": {"namespace": namespace, "name": "ci"},
        "spec": {
            "sha256": token_format.digest_of(secret.encode()).hex(),
            "expirationTime": ends,
            "restrictTo": [{"kind": "MCPServer", "namespace": namespace, "name": "it"}],
        },
    }


def held(caller: Caller, target: str, token: str, withdraw: Callable[[], None]) -> dict[str, float]:
    """Seconds from the API server's answer to the end of each thing that the caller held."""
    with holding(caller, target, token, STDIO.tool, STDIO.arguments) as until:
        until(OPEN, 60)
        began = time.time()
        withdraw()
        accepted = time.time()
        told = until(ENDS, SECONDS)
    ends = {what: told[what] for what in ENDS}
    assert all(end["t"] >= began for end in ends.values()), ends
    return {what: round(end["t"] - accepted, 3) for what, end in sorted(ends.items())}


@pytest.mark.timeout(600)
def test_whoever_loses_a_right_loses_it_at_once_with_every_stream(
    world: World, make_namespace: NamespaceFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = make_namespace("tools")
    agents = make_namespace("agents", labels={"team": tools})
    world.kubectl.apply(server(tools, "it", STDIO.spec))
    caller = world.caller(agents)
    target, figures = url(tools, "it"), {}
    for way, withdraw in WAYS.items():
        world.kubectl("label", "namespace", agents, f"team={tools}", "--overwrite")
        secret, token = access_token(tools)
        who: list[Any] = [accounts(["*"], labelled(team=tools))]
        if withdraw is revoke_token:
            # the network wall of a token's holder is where he connects from
            network = {"namespaces": {"from": "All"}}
            who = [{"tokens": {"names": ["ci"]}, "network": network}]
            world.kubectl.apply(token)
        else:
            secret = caller.token(target)
        world.kubectl.apply(policy(tools, "all", "it", who))
        world.ready(tools, "it")
        world.enforced(tools, "all")
        figures[way] = held(caller, target, secret, partial(withdraw, world, tools, agents))
        world.kubectl(
            *("-n", tools, "delete", "mcpaccesspolicies.ostiary.dev", "all"), "--ignore-not-found"
        )

    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    (folder / "e2e-revocation.json").write_text(json.dumps(figures, indent=1))
    with capsys.disabled():
        print(f"\nrevocation, seconds until nothing is left: {json.dumps(figures)}")
