"""From outside the cluster to a tool: nginx in a pod, routed by the objects that the operator made.

The client knows the URLs outside, and can send to nothing but the edge.  The kinds of the Gateway
API come late: until then a group that asks for them says so."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pytest
from e2e.cluster import gateway_api
from e2e.cluster.paths import ROOT, Unavailable
from e2e.cluster.plugin import NamespaceFactory
from e2e.cluster.programs import program
from e2e.cluster.waiting import eventually
from e2e.groups import KIND as GROUPS
from e2e.groups import NAME, PLANNER, group_url, listing, stands, way_to
from e2e.holding import HEARD, OPEN, holding
from e2e.outside import (
    CA,
    GROUP,
    HOST,
    MEMBER,
    SECONDS,
    SERVER,
    Kinds,
    Way,
    client,
    everything,
    exposed,
    operator_pods,
    standing,
    tool_at,
)
from e2e.rolling import SYSTEM
from e2e.samples import STDIO
from e2e.world import World, condition, modern_call, url, walled_off

TARGETS: Final = (SERVER, GROUP, MEMBER)
ISSUER: Final = {"name": "corp", "url": "https://id.example.com/realms/corp"}


@pytest.fixture(scope="module")
def http_routes(world: World) -> Iterator[Kinds]:
    """The Gateway API, brought in when it is asked for and taken away where it was not."""
    kinds = Kinds(world.kubectl)
    yield kinds
    if not kinds.were_there:
        gateway_api.remove(world.kubectl)


@pytest.fixture(scope="module")
def way(
    world: World,
    make_shared_namespace: NamespaceFactory,
    tmp_path_factory: pytest.TempPathFactory,
    http_routes: Kinds,
) -> Way:
    tools, agents, edge, outside = (
        make_shared_namespace(it) for it in ("tools", "agents", "edge", "outside")
    )
    groups = exposed(world, tools, agents, outside)
    http_routes.come(agents)
    routes = [
        world.kubectl.eventually(kind, name, bool, namespace=namespace, seconds=SECONDS)
        for kind, namespace, name in (
            ("ingress", tools, "time"),
            (gateway_api.KIND, agents, f"{NAME}-group"),
        )
    ]
    ca = standing(world, edge, routes, tmp_path_factory.mktemp("edge"))
    world.ready(tools, "time")
    groups.eventually(stands(clock="Ready"), 180)
    return Way(world, tools, agents, edge, client(world, outside, PLANNER, edge, ca))


@pytest.mark.timeout(300)
def test_an_edge_comes_in_where_allow_from_says_so_and_nobody_else(
    way: Way, make_namespace: NamespaceFactory
) -> None:
    way.closed()
    way.opened()

    for audience in (MEMBER, way_to(way.agents, "clock")):
        assert way.call(MEMBER, audience).status == 200
    stranger = way.world.caller(make_namespace("strangers"), PLANNER)
    for namespace, label in ((way.tools, "server=time"), (way.agents, f"group={NAME}")):
        found = way.world.kubectl.json("-n", namespace, "get", "pods", "-l", f"ostiary.dev/{label}")
        for address in (pod["status"]["podIP"] for pod in found["items"]):
            for caller in (stranger, way.caller):
                answer = caller.http(f"http://{address}:8080/mcp", {}, seconds=3)
                assert walled_off(answer), (caller, answer)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_clients_of_both_eras_list_and_call_with_a_token_for_either_url(way: Way, era: str) -> None:
    way.opened()
    server, group = url(way.tools, "time"), group_url(way.agents)
    member = way_to(way.agents, "clock")
    for target, audience in (
        *((SERVER, SERVER), (SERVER, server)),
        *((GROUP, GROUP), (GROUP, group)),
        (MEMBER, MEMBER if era == "modern" else member),
    ):
        tool = tool_at(target)
        calls = json.dumps([(tool, STDIO.arguments)])
        token = way.caller.token(audience)
        seen = way.caller.mcp(target, "each", calls, token=token, era=era, ca=CA)
        assert tool in {it["name"] for it in seen["tools"]}
        assert STDIO.expected in str(seen["results"][tool]), (target, audience)
        assert (seen["protocolVersion"] >= "2026") == (era == "modern")
    for kind, namespace, name in way.exposed():
        status = way.world.kubectl.get(kind, name, namespace)["status"]
        assert status["exposedURL"] == (GROUP if kind == GROUPS else SERVER)


@pytest.mark.timeout(300)
def test_the_older_transports_come_in_below(way: Way) -> None:
    way.opened()
    token = way.caller.token(SERVER)
    seen = way.caller.mcp(SERVER, "tour", "echo", json.dumps(STDIO.arguments), token=token, ca=CA)

    assert {(it["way"], it["era"]) for it in seen} == {
        (kind, era) for kind in ("http", "sse", "ws") for era in ("legacy", "modern")
    }
    assert all(STDIO.expected in str(it["result"]) for it in seen)


@pytest.mark.timeout(300)
def test_a_held_stream_tells_at_once_what_changes(way: Way) -> None:
    """A session's GET stream and a subscription, while calls go on beside them."""
    way.opened()
    outside, token = way.caller.namespace, way.caller.token(GROUP)
    with holding(way.caller, GROUP, token, tool_at(GROUP), STDIO.arguments, CA) as until:
        until(OPEN, SECONDS)
        way.world.kubectl.apply(everything(way.tools, outside, but=["add"]))
        try:
            heard = until(HEARD, SECONDS)
            listed = listing(way.caller, GROUP, token, CA).json()["result"]["tools"]
        finally:
            way.world.kubectl.apply(everything(way.tools, outside))
    assert heard.keys() == HEARD, "a stream ended, or a call failed"
    assert "clock_echo" in {tool["name"] for tool in listed}
    assert "clock_add" not in {tool["name"] for tool in listed}


@pytest.mark.timeout(300)
def test_the_admins_settings_say_whom_to_believe_and_where_tokens_are_had(way: Way) -> None:
    way.opened()
    for target in (SERVER, GROUP):
        line = call_audited(way, target)
        assert (line["source"], line.get("through")) == (way.hop, None)
    with settings(way.world, trustedHops=[f"{way.hop}/32"], issuers=[ISSUER]):
        for target in (SERVER, GROUP):
            eventually(
                lambda target=target: call_audited(way, target)["source"] == way.own,
                seconds=SECONDS,
                what="the client's own address in the audit",
                every=0.5,
            )
            assert call_audited(way, target)["through"] == way.hop
        for target in TARGETS:
            where, found = told_where(way, target)
            assert where == f"https://{HOST}/.well-known/oauth-protected-resource" + path(target)
            assert found["resource"] == target
            assert found["authorization_servers"] == [ISSUER["url"]]
    eventually(
        lambda: call_audited(way, SERVER)["source"] == way.hop,
        seconds=SECONDS,
        what="the edge's own address in the audit",
        every=0.5,
    )


def test_who_is_refused_outside_is_refused_with_a_reason(way: Way) -> None:
    way.opened()
    for target in TARGETS:
        nobody = way.caller.http(target, {"jsonrpc": "2.0", "id": 1, "method": "ping"}, ca=CA)
        assert nobody.status == 401
        another = way.call(target, f"https://{HOST}/team/other")
        assert another.status == 401
    token = way.caller.token(SERVER)
    for unrouted in (f"https://{HOST}/mcp", f"{SERVER}/mcp", f"{GROUP}/servers/other/mcp"):
        answer = modern_call(way.caller, unrouted, "echo", STDIO.arguments, token, ca=CA)
        assert (answer.status, answer.body) == (404, "no route\n")


def test_a_group_without_the_gateway_api_says_so(way: Way, http_routes: Kinds) -> None:
    if http_routes.were_there:
        raise Unavailable("this cluster has the Gateway API: run without KUBECONFIG")
    assert "HTTPRoute" in http_routes.missed["message"]
    group = way.world.kubectl.get(GROUPS, NAME, way.agents)
    assert condition(group, "ResolvedRefs")["status"] == "True"
    assert operator_pods(way.world.kubectl) == http_routes.operator, "it was restarted"


@pytest.mark.timeout(300)
def test_without_expose_there_is_no_way_in_any_more(way: Way) -> None:
    way.opened()
    way.take_away()

    way.closed()
    for kind, namespace in (("ingress", way.tools), (gateway_api.KIND, way.agents)):
        eventually(
            lambda kind=kind, namespace=namespace: (
                not way.world.kubectl.json("-n", namespace, "get", kind)["items"]
            ),
            seconds=SECONDS,
            what=f"no {kind}",
        )
    for kind, namespace, name in way.exposed():
        assert "exposedURL" not in way.world.kubectl.get(kind, name, namespace)["status"]


def path(target: str) -> str:
    return target.removeprefix(f"https://{HOST}")


def told_where(way: Way, target: str) -> tuple[str, Any]:
    """What somebody without a token is told: the metadata's URL, and what is there."""

    def refused() -> str:
        answer = way.caller.http(target, {}, ca=CA)
        assert answer.status == 401, answer
        _, _, where = answer.headers["www-authenticate"].partition("resource_metadata=")
        return where.partition(",")[0].strip('"')

    where = eventually(refused, seconds=SECONDS, what=f"metadata of {target}", every=0.5)
    return where, way.caller.http(where, ca=CA).json()


def call_audited(way: Way, target: str) -> dict[str, Any]:
    """The audit's line on a call that is made now, by whoever the client spoke to."""
    namespace, label = (
        (way.agents, f"group={NAME}") if target == GROUP else (way.tools, "server=time")
    )
    pods = ("-l", f"ostiary.dev/{label}", "-c", "proxy", "--tail=-1")

    def logged() -> list[dict[str, Any]]:
        log = way.world.kubectl("-n", namespace, "logs", *pods)
        lines = [json.loads(line) for line in log.splitlines() if line.startswith('{"seq"')]
        return [it for it in lines if it.get("method") == "tools/call" and "via" not in it]

    before = len(logged())
    assert way.call(target).status == 200
    return eventually(lambda: logged()[before:], seconds=10, what="its audit line", every=0.3)[-1]


@contextmanager
def settings(world: World, **given: Any) -> Iterator[None]:
    """In the chart's values, as an admin writes them."""

    def write(values: Mapping[str, Any]) -> None:
        words = [program("helm"), "--kubeconfig", world.kubectl.kubeconfig, "upgrade", "ostiary"]
        words += [ROOT / "charts/ostiary", "--namespace", SYSTEM, "--reuse-values"]
        words += [f"--set-json=settings.{key}={json.dumps(it)}" for key, it in values.items()]
        done = subprocess.run(
            [*words, "--wait", "--timeout=60s"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    write(given)
    try:
        yield
    finally:
        write({key: [] for key in given})
