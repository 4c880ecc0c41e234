"""Who is a member of a group: both sides agreed, each alias has one server, and nothing is told of
servers that did not agree."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.operator.build import STDIO, group, server

from ostiary_operator.api import MCPServer
from ostiary_operator.render.memberships import (
    consents,
    depends_on_namespaces,
    members,
    memberships,
    speaks_of,
)

KNOWN = {"tools": {"team": "tools"}, "agents": {"team": "agents"}, "shop": {"team": "shop"}}
EVERYWHERE: dict[str, Any] = {"from": "All"}
INTERNAL = {"matchLabels": {"tier": "internal"}}


def made(
    name: str = "time",
    namespace: str = "tools",
    *,
    to: dict[str, Any] | None = EVERYWHERE,
    year: int = 2026,
    **metadata: Any,
) -> MCPServer:
    """`to`: whose groups may have it; None: not said."""
    spec = STDIO | ({"exposeTo": {"namespaces": to}} if to else {})
    created = f"{year}-01-01T00:00:00Z"
    return server(spec, name=name, namespace=namespace, creationTimestamp=created, **metadata)


def found(entries: list[dict[str, Any]], *servers: MCPServer) -> list[tuple[str, str, str]]:
    listed = memberships(group({"members": entries}), servers, KNOWN)
    return [(it.alias, it.place, it.state) for it in listed]


def ref(name: str = "time", namespace: str | None = "tools", **more: Any) -> dict[str, Any]:
    given = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"server": given} | {key: it for key, it in more.items() if it}


def test_a_named_server_that_agrees_is_a_member_under_its_alias() -> None:
    assert found([ref(alias="clock")], made()) == [("clock", "tools/time", "Accepted")]
    assert found([ref()], made()) == [("time", "tools/time", "Accepted")]


def test_without_a_namespace_the_groups_own_is_meant() -> None:
    entry = ref(namespace=None)

    assert found([entry], made(), made(namespace="agents")) == [("time", "agents/time", "Accepted")]


@pytest.mark.parametrize(
    ("to", "agreed"),
    [
        (None, False),
        ({"from": "Same"}, False),
        ({"from": "All"}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "agents"}}}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}, False),
        ({"from": "Selector", "selector": {}}, True),
    ],
    ids=str,
)
def test_the_server_has_to_agree(to: dict[str, Any] | None, agreed: bool) -> None:
    state = "Accepted" if agreed else "NoConsent"

    assert found([ref()], made(to=to)) == [("time", "tools/time", state)]
    assert consents(made(to=to), "agents", KNOWN) is agreed


def test_its_own_namespace_needs_no_words() -> None:
    assert found([ref(namespace=None)], made(namespace="agents", to=None)) == [
        ("time", "agents/time", "Accepted")
    ]


def test_a_namespace_that_nobody_knows_is_admitted_by_no_label() -> None:
    labelled = {"from": "Selector", "selector": {}}

    assert not consents(made(to=labelled), "agents", {"tools": {}})


def test_a_server_elsewhere_that_does_not_agree_may_as_well_not_be_there() -> None:
    """Else a group could count what others have."""
    there = memberships(group({"members": [ref()]}), [made(to=None)], KNOWN)
    gone = memberships(group({"members": [ref()]}), [], KNOWN)
    selected = {"selector": {}, "namespaces": {"from": "All"}}

    assert there == gone
    assert "spec.exposeTo.namespaces" in there[0].message
    assert "agents" in there[0].message
    assert found([selected], made(to=None)) == []


def test_in_its_own_namespace_a_group_is_told_more() -> None:
    elsewhere = {"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}
    local = made(namespace="agents", to=elsewhere)

    assert found([ref("gone", None)], local) == [("gone", "agents/gone", "NotFound")]
    assert found([{"selector": {}}], local) == [("time", "agents/time", "NoConsent")]


def test_one_that_is_being_deleted_is_gone() -> None:
    leaving = made(namespace="agents", deletionTimestamp="2026-07-01T00:00:00Z")

    assert found([ref(namespace=None)], leaving) == [("time", "agents/time", "NotFound")]
    assert found([{"selector": {}}], leaving) == []


@pytest.mark.parametrize(
    ("namespaces", "expected"),
    [
        (None, ["agents"]),
        ({"from": "Same"}, ["agents"]),
        ({"from": "All"}, ["agents", "shop", "tools"]),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}, ["shop"]),
    ],
    ids=str,
)
def test_a_selector_selects_in_its_namespaces(
    namespaces: dict[str, Any] | None, expected: list[str]
) -> None:
    entry = {"selector": INTERNAL} | ({"namespaces": namespaces} if namespaces else {})
    servers = [made(f"s-{it}", it, labels={"tier": "internal"}) for it in KNOWN]
    others = [made(f"o-{it}", it) for it in KNOWN]

    selected = found([entry], *servers, *others)

    assert [place.split("/")[0] for _, place, _ in selected] == expected
    assert all(place.split("/")[1].startswith("s-") for _, place, _ in selected)


def test_one_server_counts_once_and_what_is_named_stands_before_what_is_selected() -> None:
    entries = [{"selector": {}, "namespaces": {"from": "All"}}, ref(alias="a"), ref(alias="b")]

    assert found(entries, made()) == [("a", "tools/time", "Accepted")]


def test_of_two_with_one_alias_the_older_keeps_it() -> None:
    entries = [ref(), ref(namespace="shop")]
    old, new = made(namespace="shop", year=2025), made(year=2026)

    assert found(entries, new, old) == [
        ("time", "shop/time", "Accepted"),
        ("time", "tools/time", "NameConflict"),
    ]
    listed = memberships(group({"members": entries}), [new, old], KNOWN)
    assert "shop/time" in listed[1].message
    assert members(listed) == (("time", old),)


def test_of_two_as_old_the_first_by_name_keeps_it() -> None:
    assert found([ref(), ref(namespace="shop")], made(), made(namespace="shop")) == [
        ("time", "shop/time", "Accepted"),
        ("time", "tools/time", "NameConflict"),
    ]


def test_who_does_not_agree_takes_no_alias() -> None:
    entries = [ref(), ref(namespace="shop")]

    assert found(entries, made(year=2020, to=None), made(namespace="shop")) == [
        ("time", "shop/time", "Accepted"),
        ("time", "tools/time", "NoConsent"),
    ]


def test_whom_it_speaks_of_is_told_without_their_consent() -> None:
    named = group({"members": [ref()]})
    chosen = group({"members": [{"selector": INTERNAL, "namespaces": {"from": "All"}}]})

    assert speaks_of(named, made(to=None), KNOWN)
    assert not speaks_of(named, made("notes"), KNOWN)
    assert speaks_of(chosen, made(to=None, labels={"tier": "internal"}), KNOWN)
    assert not speaks_of(chosen, made(), KNOWN)


def test_labels_of_namespaces_matter_to_a_selector_over_them_alone() -> None:
    over = {"from": "Selector", "selector": {}}

    assert depends_on_namespaces(group({"members": [{"selector": {}, "namespaces": over}]}))
    assert not depends_on_namespaces(group({"members": [{"selector": {}}, ref()]}))


SERVERS = st.lists(
    st.builds(
        made,
        st.sampled_from(["time", "notes", "shop"]),
        st.sampled_from(sorted(KNOWN)),
        to=st.sampled_from([EVERYWHERE, None]),
        year=st.integers(2020, 2024),
    ),
    unique_by=lambda it: (it.metadata.namespace, it.metadata.name),
)
ENTRIES = st.lists(
    st.one_of(
        st.builds(
            ref,
            st.sampled_from(["time", "notes", "gone"]),
            st.sampled_from([None, "tools", "shop"]),
            alias=st.sampled_from([None, "a", "time"]),
        ),
        st.just({"selector": {}, "namespaces": {"from": "All"}}),
    ),
    min_size=1,
    max_size=5,
)


@given(servers=SERVERS, entries=ENTRIES, seed=st.randoms())
def test_aliases_differ_servers_agree_and_order_is_nobodys_luck(
    servers: list[MCPServer], entries: list[dict[str, Any]], seed: Any
) -> None:
    it = group({"members": entries})
    listed = memberships(it, servers, KNOWN)
    shuffled = list(servers)
    seed.shuffle(shuffled)
    aliases = [alias for alias, _ in members(listed)]
    places = [one.place for one in listed]

    assert memberships(it, shuffled, KNOWN) == listed
    assert aliases == sorted(set(aliases))
    assert len(places) == len(set(places))
    assert all(consents(server, "agents", KNOWN) for _, server in members(listed))
