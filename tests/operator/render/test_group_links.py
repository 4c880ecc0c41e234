"""What a member is told of its groups: the contract with both proxies."""

from tests.operator.build import ENV, SETTINGS, STDIO, group, http, server, stdio
from tests.operator.netpol import admits, pod

from ostiary_operator.render import ServerView, children, proxy_config
from ostiary_operator.render.group_links import (
    group_audiences,
    group_link,
    links,
    passthrough_path,
)
from ostiary_operator.render.memberships import memberships
from ostiary_proxy.config import GroupLink

LINK = group_link(group(), "clock")


def test_a_link_says_where_the_gateway_is_and_what_its_tokens_are_for() -> None:
    assert (
        GroupLink(
            namespace="agents",
            name="everyday",
            uid="g-everyday",
            alias="clock",
            audiences=(
                "http://everyday-group.agents.svc/mcp",
                "http://everyday-group.agents.svc.cluster.local/mcp",
                "http://everyday-group.agents/mcp",
                "http://everyday-group.agents.svc/servers/clock/mcp",
                "http://everyday-group.agents.svc.cluster.local/servers/clock/mcp",
                "http://everyday-group.agents/servers/clock/mcp",
            ),
            pods="everyday-group-pods.agents.svc",
            subject="system:serviceaccount:agents:everyday-group",
        )
        == LINK
    )


def test_a_groups_own_audiences_are_those_of_every_member() -> None:
    found = group_audiences(group(), ("a", "b"))

    assert found[0] == "http://everyday-group.agents.svc/mcp"
    assert len(found) == 9
    assert {it for it in LINK.audiences if "/servers/" not in it} <= set(found)
    assert passthrough_path("b") == "/servers/b/mcp"


def test_a_server_is_told_of_the_groups_that_have_it_and_of_no_other() -> None:
    member = server(STDIO | {"exposeTo": {"namespaces": {"from": "All"}}})
    shy = server(name="shy")
    every = group(
        {"members": [{"selector": {}, "namespaces": {"from": "All"}}]}, name="all", namespace="shop"
    )
    other = group({"members": [{"server": {"name": "notes"}}]}, name="other")
    listed = [(it, memberships(it, [member, shy], {})) for it in (every, other, group())]

    found = links("tools", "time", listed)

    assert [(it.namespace, it.name, it.alias) for it in found] == [
        ("agents", "everyday", "time"),
        ("shop", "all", "time"),
    ]
    assert links("tools", "shy", listed) == ()


def test_they_stand_in_its_document() -> None:
    (section,) = proxy_config.render(stdio(), ServerView(groups=(LINK,)), SETTINGS, ENV).servers

    assert section.groups == (LINK,)


def test_its_wall_lets_the_gateways_pods_in_and_none_beside_them() -> None:
    gateway = {"ostiary.dev/group": "everyday"}
    for spec, port in ((http(), 8080), (http(tls={"secretName": "t"}), 8080)):
        wanted = children(spec, ServerView(groups=(LINK,)), SETTINGS, ENV)
        wall = next(it for it in wanted if it["kind"] == "NetworkPolicy")

        assert admits(wall, "ingress", pod("agents", gateway), port)
        assert not admits(wall, "ingress", pod("agents", gateway), 8443)
        assert not admits(wall, "ingress", pod("agents", gateway), 9464)
        assert not admits(wall, "ingress", pod("agents"), port)
        assert not admits(wall, "ingress", pod("agents", {"ostiary.dev/group": "other"}), port)
        assert not admits(wall, "ingress", pod("tools", gateway), port)


def test_where_the_group_has_a_url_outside_tokens_for_it_are_taken_too() -> None:
    """A caller from outside brings no other, and the gateway sends it on."""
    url = "https://mcp.example.com/all"
    root = group({"members": [{"server": {"name": "time", "namespace": "tools"}}]})
    found = memberships(root, [stdio(exposeTo={"namespaces": {"from": "All"}})], {})

    (link,) = links("tools", "time", [(root, found)], lambda it: url)
    (without,) = links("tools", "time", [(root, found)])

    assert set(link.audiences) - set(without.audiences) == {url, f"{url}/servers/time/mcp"}
