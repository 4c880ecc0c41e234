"""The config document."""

from typing import Any

import pytest
from tests.operator.build import ENV, SETTINGS, accounts, http, policy, rule, stdio

from ostiary_operator.render import ServerView
from ostiary_operator.render.proxy_config import (
    MAX_BYTES,
    cluster_address,
    content_digest,
    encode,
    is_too_large,
    render,
)
from ostiary_proxy.config import (
    HttpBackend,
    Issuer,
    ProxyConfig,
    SessionKey,
    SseBackend,
    StdioBackend,
    Subject,
    WebSocketBackend,
)

NAMESPACES = {"tools": {}, "agents": {"team": "b"}, "shop": {"team": "b"}}


def document(view: ServerView | None = None, **spec: object) -> ProxyConfig:
    return render(stdio(**spec), view or ServerView(), SETTINGS, ENV)


def test_an_endpoint_has_four_hosts_and_an_audience_for_each_that_names_its_namespace() -> None:
    """A bare name would be an audience of every namesake in the cluster."""
    address = cluster_address(stdio())

    assert address.url == "http://time.tools.svc/mcp"
    assert address.hosts == (
        "time.tools.svc",
        "time.tools.svc.cluster.local",
        "time.tools",
        "time",
    )
    assert address.audiences == tuple(f"http://{host}/mcp" for host in address.hosts[:3])


def test_only_the_operator_may_ask_for_status() -> None:
    assert document().operatorSubject == "system:serviceaccount:ostiary-system:ostiary-operator"


def test_a_stdio_backend_is_the_shims_socket() -> None:
    (server,) = document(transport={"stdio": {"maxProcesses": 3, "idleSeconds": 9}}).servers

    assert server.backend == StdioBackend(maxProcesses=3, idleSeconds=9)


def test_processes_and_sessions_are_as_the_owner_wants_them() -> None:
    (plain,) = document().servers
    (chosen,) = document(
        transport={
            "stdio": {"process": "PerUser", "lists": "PerSession"},
            "sessionAffinity": "Request",
            "onSessionLoss": "End",
        }
    ).servers

    assert (plain.sessionAffinity, plain.onSessionLoss) == ("Principal", "Repair")
    assert (chosen.sessionAffinity, chosen.onSessionLoss) == ("Request", "End")
    assert chosen.backend == StdioBackend(process="PerUser", lists="PerSession")


def test_a_pod_finds_its_siblings_by_name_and_no_address_is_written() -> None:
    (server,) = document().servers

    assert server.pods == "time-pods.tools.svc"


def test_an_http_backend_is_a_port_of_loopback() -> None:
    (server,) = render(
        http(transport={"streamableHTTP": {"port": 9000, "path": "/v1"}}),
        ServerView(),
        SETTINGS,
        ENV,
    ).servers

    assert server.backend == HttpBackend(port=9000, path="/v1")


@pytest.mark.parametrize(
    ("transport", "backend"),
    [
        ({"sse": {"port": 9000}}, SseBackend(port=9000, path="/sse")),
        ({"sse": {"port": 9000, "path": "/events"}}, SseBackend(port=9000, path="/events")),
        ({"webSocket": {"port": 9000}}, WebSocketBackend(port=9000, path="/ws")),
    ],
)
def test_the_other_transports_are_ports_of_loopback_too(transport: Any, backend: Any) -> None:
    (server,) = render(http(transport=transport), ServerView(), SETTINGS, ENV).servers

    assert server.backend == backend


def test_limits_and_tools_are_passed_on() -> None:
    (server,) = document(limits={"callSeconds": 5}, tools={"deny": ["x"]}).servers

    assert (server.limits.callSeconds, server.limits.concurrency) == (5, 64)
    assert (server.tools.allow, server.tools.deny) == (None, ("x",))


def test_the_pages_that_may_call_are_passed_on() -> None:
    (closed,) = document().servers
    (opened,) = document(clients={"allowedOrigins": ["https://app.example"]}).servers

    assert closed.clients.allowedOrigins == ()
    assert opened.clients.allowedOrigins == ("https://app.example",)


def test_namespaces_are_literal_sets() -> None:
    rules = [
        rule(
            accounts("a"),
            accounts("b", to="All"),
            accounts("c-*", selector={"matchLabels": {"team": "b"}}),
            {"anonymous": {}},
        )
    ]

    (server,) = document(ServerView(policies=(policy(*rules),), namespaces=NAMESPACES)).servers

    assert server.policies[0].rules[0].subjects == (
        Subject(kind="serviceAccount", names=("a",), namespaces=("tools",)),
        Subject(kind="serviceAccount", names=("b",), namespaces=None),
        Subject(kind="serviceAccount", names=("c-*",), namespaces=("agents", "shop")),
        Subject(kind="anonymous"),
    )


def test_an_absent_list_grants_nothing_and_survives_the_file() -> None:
    view = ServerView(policies=(policy(rule(allow={"tools": ["*"]}), deny=[{"prompts": ["x"]}]),))

    read = ProxyConfig.model_validate_json(encode(document(view)))

    (found,) = read.servers[0].policies
    assert found.rules[0].allow.resources is None
    assert (found.deny[0].tools, found.deny[0].prompts) == (None, ("x",))


def test_policies_that_speak_of_other_servers_are_left_out() -> None:
    view = ServerView(policies=(policy(rule(), target="other"),))

    assert document(view).servers[0].policies == ()


def test_the_order_of_what_comes_in_changes_nothing() -> None:
    a, b = policy(rule(), name="a"), policy(rule(), name="b")
    forward = ServerView(policies=(a, b), namespaces=NAMESPACES)
    backward = ServerView(policies=(b, a), namespaces=dict(reversed(NAMESPACES.items())))

    assert encode(document(forward)) == encode(document(backward))


def test_the_digest_speaks_of_the_content_and_not_of_the_generation() -> None:
    one, two = document(ServerView(generation=1)), document(ServerView(generation=2))
    other = document(ServerView(keys=(SessionKey(number=0, sha256="0" * 64),)))

    assert content_digest(one) == content_digest(two)
    assert content_digest(one) != content_digest(other)


def test_keys_of_issuers_are_shipped() -> None:
    issuer = Issuer(kind="kubernetes", issuer="https://kubernetes", keys=({"kty": "RSA"},))

    assert document(ServerView(issuers=(issuer,))).issuers == (issuer,)


def test_what_does_not_fit_into_a_config_map_is_known_before_it_is_written() -> None:
    many = tuple(f"namespace-{number:060}" for number in range(MAX_BYTES // 70))
    view = ServerView(
        policies=(policy(rule(accounts("a", selector={}))),), namespaces={it: {} for it in many}
    )

    assert is_too_large(document(view))
    assert not is_too_large(document())


def test_with_tls_the_url_is_https_and_tokens_for_the_plain_one_are_still_taken() -> None:
    address = cluster_address(stdio(tls={"secretName": "time-tls"}))

    assert address.url == "https://time.tools.svc/mcp"
    assert set(cluster_address(stdio()).audiences) < set(address.audiences)
    assert len(address.audiences) == 6
