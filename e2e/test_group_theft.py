"""What a thief can do with what a gateway, or a member, has: its Secret, its tokens, its pod.

No namespace holds a key that speaks for somebody else: each theft is tried from a pod that the
network lets through, beside one that it does not."""

import base64
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from e2e.cluster.plugin import NamespaceFactory
from e2e.groups import (
    KIND,
    NAME,
    PLANNER,
    Groups,
    by_name,
    group,
    group_url,
    listing,
    member,
    modern,
    modern_headers,
    planners,
    stands,
)
from e2e.reach import asked
from e2e.samples import STDIO
from e2e.world import Answer, Caller, World, modern_call, policy, url, walled_off

from ostiary_proxy import recipe
from ostiary_proxy.callers import Caller as Principal
from ostiary_proxy.config import CATALOGUE_TOKEN
from ostiary_proxy.seal import PROCESS_NONCE_BYTES, Sealer

VERSION: Final = "2025-11-25"
GUEST: Final = "guest"
"""Whom the policies let do what the planner may: a thief who is somebody."""
MEMBERS: Final = ("one", "other")
HELLO: Final = {
    "protocolVersion": VERSION,
    "capabilities": {},
    "clientInfo": {"name": "thief", "version": "1"},
}
KEY: Final = {"Ostiary-Session": "0123456789abcdef" * 2}
PYTHON: Final = "/opt/ostiary/venv/bin/python3"


@dataclass(frozen=True, slots=True)
class Scene:
    """Two members of two namespaces, their gateway, and pods that call."""

    groups: Groups
    places: Mapping[str, str]
    """Name of a member -> its namespace."""
    planner: Caller
    guest: Caller
    """In a pod that the members' walls admit."""
    stranger: Caller

    @property
    def world(self) -> World:
        return self.groups.world

    def member(self, name: str) -> str:
        return url(self.places[name], name)

    def gateway(self) -> str:
        return str(self.groups.pods()[0]["metadata"]["name"])


@pytest.fixture(scope="module")
def scene(world: World, make_shared_namespace: NamespaceFactory) -> Scene:
    agents = make_shared_namespace("agents")
    places = {name: make_shared_namespace(name) for name in MEMBERS}
    for name, namespace in places.items():
        guests = planners(agents)["serviceAccounts"] | {"names": [GUEST]}
        world.kubectl.apply(
            *member(namespace, name, STDIO.spec, agents),
            policy(namespace, "guests", name, [{"serviceAccounts": guests}]),
        )
    world.kubectl.apply(group(agents, [by_name(places[name], name) for name in MEMBERS]))
    groups = Groups(world, agents)
    groups.eventually(stands(**dict.fromkeys(MEMBERS, "Ready")))
    return Scene(
        groups,
        places,
        planner=world.caller(agents, PLANNER, audience=group_url(agents)),
        guest=world.caller(agents, GUEST),
        stranger=world.caller(make_shared_namespace("strangers"), PLANNER),
    )


def own_token(scene: Scene) -> str:
    """What the gateway shows its members, taken from its pod."""
    read = f"print(open({CATALOGUE_TOKEN!r}).read())"
    namespace = scene.groups.namespace
    done = scene.world.kubectl.exec(
        scene.gateway(), PYTHON, "-c", read, namespace=namespace, container="proxy"
    )
    assert done.stdout.count(".") == 2, done.stderr
    return done.stdout.strip()


def test_a_gateways_own_token_opens_nothing_from_another_address(scene: Scene) -> None:
    token = own_token(scene)

    for name in MEMBERS:
        target = scene.member(name)
        assert walled_off(listing(scene.stranger, target, token))
        for caller in (scene.guest, scene.planner):
            assert listing(caller, target, token).status == 401
            assert modern_call(caller, target, "echo", STDIO.arguments, token).status == 401
            keyed = modern_headers(token, "tools/list") | KEY
            assert caller.http(target, modern("tools/list"), keyed).status in (400, 401)
    assert listing(scene.guest, scene.groups.url, token).status == 401


def test_in_its_own_pod_it_reads_lists_and_calls_nothing(scene: Scene) -> None:
    token = own_token(scene)

    def ask(at: str, method: str, named: str = "", **params: Any) -> Answer:
        headers = modern_headers(token, method, named)
        # its way leads to the pods
        headers["Host"] = f"{at}.{scene.places[at]}.svc"
        direct = f"http://{at}-pods.{scene.places[at]}.svc:8080/mcp"
        return asked(
            scene.world,
            *(scene.groups.namespace, scene.gateway(), direct),
            *(modern(method, **params), headers),
        )

    for name in MEMBERS:
        listed = ask(name, "tools/list")
        assert listed.status == 200, listed
        assert "echo" in {tool["name"] for tool in result_of(listed)["tools"]}
        for refused in (
            ask(name, "tools/call", "echo", name="echo", arguments=STDIO.arguments),
            ask(name, "prompts/get", "greet", name="greet", arguments={"name": "x"}),
            ask(name, "resources/read", "memo://today", uri="memo://today"),
        ):
            assert refused.status == 404, refused
            assert '"result"' not in refused.body


def test_a_gateways_key_forges_no_other_callers_session(scene: Scene) -> None:
    gateway = scene.world.kubectl.get(KIND, NAME, scene.groups.namespace)
    forged = forge(scene, scene.groups.namespace, f"{NAME}-group-key-0", gateway["metadata"]["uid"])
    target = scene.groups.url

    # the forgery is a good one: its owner's token opens it
    assert lists_in(scene.planner, target, forged).status == 200
    assert lists_in(scene.guest, target, forged).status == 404
    assert lists_in(scene.guest, target, forged, token="").status == 401
    # and the session that the owner really has is nobody else's either
    real = begun(scene.planner, target)
    assert lists_in(scene.planner, target, real).status == 200
    assert lists_in(scene.guest, target, real).status == 404


def test_a_members_key_and_pod_open_nothing_of_the_others(scene: Scene) -> None:
    one, other = MEMBERS
    (pod,) = scene.world.pods(scene.places[one], one)
    thief = (scene.places[one], pod["metadata"]["name"])
    tokens = "import pathlib; print(pathlib.Path('/var/run/secrets').exists())"
    has_any = scene.world.kubectl.exec(
        thief[1], PYTHON, "-c", tokens, namespace=thief[0], container="proxy"
    )
    assert has_any.stdout.strip() == "False", "a member has no token of its own"
    # what the planner sends through the group comes to the member with his token
    passed = scene.planner.token(scene.groups.url)

    (neighbour,) = scene.world.pods(scene.places[other], other)
    (gateway,) = scene.groups.pods()
    for target in (neighbour, gateway):
        address = f"http://{target['status']['podIP']}:8080/mcp"
        headers = modern_headers(passed, "tools/list")
        refused = asked(scene.world, *thief, address, modern("tools/list"), headers)
        assert walled_off(refused), refused
    for name in MEMBERS:
        # from where the network lets it through it opens no member, for no gateway brings it
        for answer in (
            listing(scene.guest, scene.member(name), passed),
            modern_call(scene.guest, scene.member(name), "echo", STDIO.arguments, passed),
        ):
            assert answer.status == 401, answer
    uids = {
        name: scene.world.server(scene.places[name], name)["metadata"]["uid"] for name in MEMBERS
    }
    at_one = forge(scene, scene.places[one], f"{one}-key-0", uids[one])
    assert lists_in(scene.planner, scene.member(one), at_one).status == 200
    for uid in uids.values():
        forged = forge(scene, scene.places[one], f"{one}-key-0", uid)
        assert lists_in(scene.planner, scene.member(other), forged).status == 404
        assert lists_in(scene.planner, scene.groups.url, forged).status == 404


def result_of(answer: Answer) -> Any:
    events = [line[5:] for line in answer.body.splitlines() if line.startswith("data:")]
    return json.loads(events[-1] if events else answer.body)["result"]


def forge(scene: Scene, namespace: str, secret: str, uid: str) -> str:
    """A session of the planner's, sealed with a stolen master."""
    found = scene.world.kubectl.get("secret", secret, namespace)
    assert found
    master = base64.b64decode(found["data"]["master"])
    nonce = os.urandom(PROCESS_NONCE_BYTES)
    sealer = Sealer({0: master}, now=time.time, process_nonce=nonce)
    victim = Principal.service_account(scene.groups.namespace, PLANNER)
    written = recipe.write(HELLO, VERSION, victim, recipe.Owner("", ""), time.time())
    return recipe.seal(written, sealer, uid)


def legacy_headers(token: str, session: str = "") -> dict[str, str]:
    found = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    if session:
        found |= {"Mcp-Session-Id": session, "MCP-Protocol-Version": VERSION}
    return found | ({"Authorization": f"Bearer {token}"} if token else {})


def begun(caller: Caller, target: str) -> str:
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    answer = caller.http(target, body, legacy_headers(caller.token(target)))
    assert answer.status == 200, answer
    return answer.headers["mcp-session-id"]


def lists_in(caller: Caller, target: str, session: str, token: str | None = None) -> Answer:
    """A tools/list within a session; `token`: default one of this caller's, for the target."""
    shown = caller.token(target) if token is None else token
    body = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    return caller.http(target, body, legacy_headers(shown, session))
