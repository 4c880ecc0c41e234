"""Who is looked at when a URL outside the cluster comes, goes or changes hands."""

from typing import Any

from tests.operator.build import STDIO, server_manifest
from tests.operator.test_routing import NOTES, TIME, Routed

from ostiary_operator.controller import Key
from ostiary_operator.resources import GROUPS, SERVERS, Manifest


def exposed(name: str, url: str = "https://mcp.example.com/time") -> Manifest:
    spec = STDIO | {"expose": {"url": url}}
    return server_manifest(spec, name=name, uid=f"uid-{name}")


def test_whoever_wants_a_url_of_the_same_host_is_looked_at_when_one_comes_or_goes() -> None:
    routed = Routed()
    routed.see(SERVERS, exposed("time"))
    routed.see(SERVERS, exposed("far", "https://x.example.com/time"))
    routed.see(SERVERS, server_manifest(name="plain", uid="uid-plain"))

    came = routed.see(SERVERS, exposed("notes"))
    same = routed.see(SERVERS, exposed("notes"))
    left = routed.see(SERVERS, exposed("notes", "https://x.example.com/notes"), generation=3)
    gone = routed.lose(SERVERS, exposed("notes", "https://x.example.com/notes"))

    far = Key(SERVERS, "tools", "far")
    assert {TIME, NOTES} <= came
    assert far not in came
    assert TIME not in same
    assert {TIME, NOTES, far} <= left
    assert far in gone
    assert TIME not in gone


def test_the_members_of_a_group_that_gets_its_url_are_looked_at_too() -> None:
    """They take tokens for it."""
    routed = Routed()
    routed.see(SERVERS, server_manifest(name="notes", uid="uid-notes"))
    routed.see(SERVERS, exposed("time"))
    spec: dict[str, Any] = {
        "members": [{"server": {"name": "notes"}}],
        "expose": {"url": "https://mcp.example.com/time"},
    }
    meta = {"name": "all", "namespace": "tools", "uid": "uid-all", "generation": 1}
    api = {"apiVersion": "ostiary.dev/v1alpha1", "kind": "MCPGroup"}
    routed.see(GROUPS, {**api, "metadata": meta, "spec": spec})

    found = routed.lose(SERVERS, exposed("time"))

    assert {Key(GROUPS, "tools", "all"), NOTES} <= found
