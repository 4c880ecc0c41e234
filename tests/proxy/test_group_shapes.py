"""Groups in the config document: what is refused that the shapes alone would take."""

import pytest
from pydantic import ValidationError

from ostiary_proxy.config import GroupBackend, Member, Naming, ProxyConfig, Server
from ostiary_proxy.document import check


def member(alias: str, **more: str) -> Member:
    given = {"namespace": "tools", "name": alias, "uid": alias, "host": f"{alias}-pods.tools.svc"}
    return Member(alias=alias, **{**given, **more})


def document(role: str, *members: Member) -> ProxyConfig:
    group = Server(
        namespace="agents",
        name="everyday",
        uid="u",
        url="http://everyday-group.agents.svc/mcp",
        audiences=(),
        hosts=(),
        backend=GroupBackend(members=members),
    )
    return ProxyConfig(generation=1, role=role, servers=(group,))


def test_a_gateway_holds_a_group_of_members_elsewhere() -> None:
    assert not list(check(document("gateway", member("a"), member("b")), "gateway"))
    assert not list(check(document("local", member("a", host="")), "local"))


def test_what_no_gateway_could_serve_is_refused() -> None:
    found = check(document("gateway", member("a"), member("a")), "gateway")
    assert list(found) == ["servers[0].backend.members: two have one alias"]
    found = check(document("gateway", member("a", host="")), "gateway")
    assert [it.split(":")[0] for it in found] == ["servers[0].backend.members[0].host"]
    found = check(document("local", member("a")), "local")
    assert [it.split(":")[0] for it in found] == ["servers[0].backend.members[0].host"]
    found = check(document("sidecar", member("a")), "sidecar")
    assert list(found) == [
        "servers[0].backend.kind: a sidecar holds a server of its own, and no group"
    ]
    found = check(document("gateway", member("a", path="/a b")), "gateway")
    assert [it.split(":")[0] for it in found] == ["servers[0].backend.members[0].path"]


@pytest.mark.parametrize("alias", ["", "A", "a_b", "a.b", "-a", "a-", "1a", "a" * 55])
def test_an_alias_ends_where_the_separator_begins(alias: str) -> None:
    with pytest.raises(ValidationError):
        member(alias)


@pytest.mark.parametrize("naming", [{"separator": "-"}, {"maxLength": 31}, {"maxLength": 129}])
def test_a_naming_that_clients_could_not_take_is_refused(naming: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Naming.model_validate(naming)
