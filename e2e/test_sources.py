"""Servers that are not made from an image, on a real network: `remote` and `service`."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from e2e.cluster.images.recipes import SDK_SERVERS
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from e2e.internet import HTTPS, NAME, OTHER_PORT, PUBLIC, Vendor, standing
from e2e.reach import reached
from e2e.samples import STDIO
from e2e.world import (
    Caller,
    World,
    accounts,
    condition,
    modern_call,
    policy,
    says,
    server,
    url,
    walled_off,
)


@pytest.fixture(scope="module")
def vendor(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with standing(kubectl, tmp_path_factory.mktemp("vendor")) as found:
        yield found


def remote(target: str, **upstream: Any) -> dict[str, Any]:
    return {"remote": {"url": target}} | ({"upstream": upstream} if upstream else {})


def bundle(namespace: str, name: str, ca: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name}
    data = {"ca.crt": ca}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def trusting(name: str) -> dict[str, Any]:
    return {"configMapKeyRef": {"name": name, "key": "ca.crt"}}


def keeper(namespace: str, value: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": "vendor"}
    data = {"key": value}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def text(
    caller: Caller, namespace: str, name: str, tool: str, arguments: Mapping[str, Any]
) -> str | None:
    """What the tool said; None when there was no result."""
    target = url(namespace, name)
    answer = modern_call(caller, target, tool, arguments, caller.token(target))
    result = answer.json().get("result") if answer.status == 200 else None
    return str(result["content"][0]["text"]) if result else None


def only_pod(world: World, namespace: str, name: str) -> Any:
    (pod,) = world.pods(namespace, name)
    return pod


def test_a_remote_gets_its_credential_from_a_secret_and_is_verified_by_a_ca(
    world: World, namespace: str, vendor: Vendor
) -> None:
    headers = [{"name": "X-Api-Key", "secretKeyRef": {"name": "vendor", "key": "key"}}]
    upstream = {"headers": headers, "caBundle": trusting("trusted")}
    world.kubectl.apply(
        bundle(namespace, "trusted", vendor.ca),
        bundle(namespace, "other", vendor.other_ca),
        server(namespace, "saas", remote(f"https://{NAME}/mcp", **upstream)),
        server(
            namespace,
            "doubted",
            remote(f"https://{PUBLIC}/mcp", caBundle=trusting("other")),
        ),
        policy(namespace, "all", "saas", [accounts(["*"])]),
        policy(namespace, "doubts", "doubted", [accounts(["*"])]),
    )

    missing = world.eventually(
        namespace, "saas", says("ResolvedRefs", "False", "SecretNotFound"), 120
    )
    assert "vendor" in condition(missing, "ResolvedRefs")["message"]
    assert condition(missing, "Ready")["reason"] == "RefsNotResolved"
    world.kubectl.apply(keeper(namespace, "first-canary"))
    world.ready(namespace, "saas", seconds=180)
    world.enforced(namespace, "all")
    caller = world.caller(namespace)

    def key() -> str | None:
        return text(caller, namespace, "saas", "header", {"name": "x-api-key"})

    assert key() == "first-canary"
    assert text(caller, namespace, "saas", "header", {"name": "authorization"}) == ""

    before = only_pod(world, namespace, "saas")
    world.kubectl.apply(keeper(namespace, "second-canary"))
    eventually(lambda: key() == "second-canary", seconds=120, what="the new value", every=0.5)
    after = only_pod(world, namespace, "saas")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert [s["restartCount"] for s in after["status"]["containerStatuses"]] == [0]

    # another CA than the one that signed: no call, and the owner is told why
    world.enforced(namespace, "doubts")
    assert text(caller, namespace, "doubted", "header", {"name": "x-api-key"}) is None
    doubted = world.eventually(
        namespace, "doubted", says("Ready", "False", "BackendUnavailable"), 60
    )
    assert "CertificateRefused" in condition(doubted, "Ready")["message"]

    only_to_the_remote(world, namespace, before["metadata"]["name"], caller)


def only_to_the_remote(world: World, namespace: str, proxy: str, caller: Caller) -> None:
    """From the proxy's pod; and a pod without a policy, for comparison, reaches it all."""
    api = world.kubectl.get("service", "kubernetes", "default")
    assert api is not None
    dns = world.kubectl.json("-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-dns")
    closed = [
        (PUBLIC, OTHER_PORT),
        (api["spec"]["clusterIP"], 443),
        (dns["items"][0]["status"]["hostIP"], 10250),
    ]
    for host, port in closed:
        assert reached(world, namespace, caller.pod, "client", host, port), (host, port)
        assert not reached(world, namespace, proxy, "proxy", host, port), (host, port)
    assert reached(world, namespace, proxy, "proxy", PUBLIC, HTTPS)


FORBIDDEN: Final = {
    "private": ("a-private", "it.{namespace}.svc.cluster.local", "a private address"),
    "loopback": ("a-loopback", "127-0-0-1.{namespace}.pod.cluster.local", "a loopback address"),
    "link-local": (
        "a-link-local",
        "169-254-169-254.{namespace}.pod.cluster.local",
        "a link-local address",
    ),
}


def test_a_remote_that_resolves_to_where_none_may_be_is_refused(
    world: World, namespace: str
) -> None:
    """The private one leads to a server of this cluster that would answer."""
    hosts = {name: host.format(namespace=namespace) for name, host, _ in FORBIDDEN.values()}
    for name, host in [*hosts.items(), ("it", "")]:
        insecure = {"remote": {"url": f"http://{host}/mcp", "allowInsecure": True}}
        world.kubectl.apply(
            server(namespace, name, insecure if host else STDIO.spec),
            policy(namespace, name, name, [accounts(["*"])]),
        )
    for name in [*hosts, "it"]:
        world.ready(namespace, name)
        world.enforced(namespace, name)
    caller = world.caller(namespace)
    assert text(caller, namespace, "it", STDIO.tool, STDIO.arguments) == STDIO.expected

    for name, _, kind in FORBIDDEN.values():
        target = url(namespace, name)
        refused = modern_call(caller, target, STDIO.tool, STDIO.arguments, caller.token(target))

        assert refused.status in (502, 503), (name, refused)
        assert "cluster.local" not in refused.body, "callers are not told where it is"
        found = world.eventually(namespace, name, says("Ready", "False", "BackendUnavailable"), 60)
        message = condition(found, "Ready")["message"]
        assert "AddressBlocked" in message, message
        assert kind in message, message


def workload(namespace: str) -> list[dict[str, Any]]:
    """A team's own MCP server: a Deployment and a Service that know nothing of us."""
    labels = {"app": "legacy-mcp"}
    metadata = {"namespace": namespace, "name": "legacy-mcp"}
    container = {
        "name": "server",
        "image": SDK_SERVERS,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "everything", "http", "--host", "0.0.0.0", "--port", "8000"],
        "ports": [{"name": "web", "containerPort": 8000}],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
    }
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"port": 8080, "targetPort": "web"}]},
        },
    ]


def test_a_service_of_ones_own_is_reached_through_the_proxy_alone(
    world: World, namespace: str
) -> None:
    source = {"name": "legacy-mcp", "port": 8080}
    world.kubectl.apply(
        *workload(namespace),
        server(namespace, "it", {"service": source}),
        policy(namespace, "all", "it", [accounts(["*"])]),
    )
    world.ready(namespace, "it")
    world.enforced(namespace, "all")
    world.kubectl(
        *("-n", namespace, "rollout", "status", "deployment/legacy-mcp", "--timeout=90s"),
        seconds=100,
    )
    caller = world.caller(namespace)
    direct = f"http://legacy-mcp.{namespace}.svc:8080/mcp"

    assert text(caller, namespace, "it", STDIO.tool, STDIO.arguments) == STDIO.expected
    world.eventually(namespace, "it", says("BackendPrivate", "False", "Exposed"), 30)
    assert caller.http(direct, {}).status, "without protection its own callers still reach it"

    world.kubectl.apply(server(namespace, "it", {"service": source | {"protect": True}}))
    eventually(lambda: walled_off(caller.http(direct, {}, seconds=3)), seconds=60, what="a wall")
    world.eventually(namespace, "it", says("BackendPrivate", "True", "PolicyApplied"), 60)
    assert text(caller, namespace, "it", STDIO.tool, STDIO.arguments) == STDIO.expected

    # the proxy reaches these pods on that port, and nothing else
    proxy = only_pod(world, namespace, "it")
    pods = world.kubectl.json("-n", namespace, "get", "pods", "-l", "app=legacy-mcp")
    (address,) = [pod["status"]["podIP"] for pod in pods["items"]]
    api = world.kubectl.get("service", "kubernetes", "default")
    assert api is not None
    name = proxy["metadata"]["name"]
    assert reached(world, namespace, name, "proxy", address, 8000)
    assert reached(world, namespace, caller.pod, "client", api["spec"]["clusterIP"], 443)
    assert not reached(world, namespace, name, "proxy", api["spec"]["clusterIP"], 443)
