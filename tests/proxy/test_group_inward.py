"""Which member a client's request is for, and what that member is asked."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ostiary_proxy.group_inward import (
    Followed,
    Nobodys,
    Routed,
    Unaddressed,
    followed,
    listen,
    route,
)
from ostiary_proxy.group_names import GroupNames, group_names
from ostiary_proxy.group_shapes import GroupBackend


def named(mode: str, *aliases: str) -> GroupNames:
    members = [{"alias": one, "namespace": "n", "name": one, "uid": "u"} for one in aliases]
    group = GroupBackend.model_validate({"members": members, "naming": {"mode": mode}})
    return group_names(group, {"a": ["x"], "b": ["y", "long" * 30]}, {"b": ["p"]})


NAMES = named("Always", "a", "b")
SOLE = named("Never", "a")
METHODS = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "subscriptions/listen",
    "tools/list",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
PARAMS = st.dictionaries(
    st.sampled_from(["name", "uri", "ref", "notifications", "_meta", "arguments"]),
    st.one_of(
        JSON,
        st.sampled_from(["a_x", "b+memo:x", "ui://a/x"]),
        st.dictionaries(
            st.sampled_from(["type", "name", "uri", "resourceSubscriptions"]),
            st.one_of(JSON, st.sampled_from(["ref/prompt", "ref/resource", "b_p", "a+memo:x"])),
        ),
    ),
)


@pytest.mark.parametrize(
    ("method", "params", "alias", "own", "kind"),
    [
        ("tools/call", {"name": "a_x"}, "a", {"name": "x"}, "tool"),
        ("tools/call", {"name": "a_hidden"}, "a", {"name": "hidden"}, "tool"),
        ("prompts/get", {"name": "b_p"}, "b", {"name": "p"}, "prompt"),
        ("resources/read", {"uri": "a+memo:x"}, "a", {"uri": "memo:x"}, "resource"),
        ("resources/read", {"uri": "ui://b/x"}, "b", {"uri": "ui://x"}, "resource"),
        ("resources/subscribe", {"uri": "a+memo:x"}, "a", {"uri": "memo:x"}, "resource"),
        ("resources/unsubscribe", {"uri": "a+memo:x"}, "a", {"uri": "memo:x"}, "resource"),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "b_p", "title": "P"}},
            "b",
            {"ref": {"type": "ref/prompt", "name": "p", "title": "P"}},
            "prompt",
        ),
        (
            "completion/complete",
            {"ref": {"type": "ref/resource", "uri": "a+db:///{t}"}},
            "a",
            {"ref": {"type": "ref/resource", "uri": "db:///{t}"}},
            "resource",
        ),
    ],
)
def test_the_member_is_asked_in_its_own_words(
    method: str, params: dict[str, Any], alias: str, own: dict[str, Any], kind: str
) -> None:
    rest = {"arguments": {"name": "a_x", "uri": "a+memo:x"}, "_meta": {"progressToken": 1}}
    came = {**params, **rest}
    before = deepcopy(came)

    routed = route(method, came, NAMES)

    assert isinstance(routed, Routed)
    assert (routed.alias, routed.kind) == (alias, kind)
    assert routed.params == {**own, **rest}
    assert routed.name in (own.get("ref", own).get("name"), own.get("ref", own).get("uri"))
    assert routed.params["arguments"] is rest["arguments"]
    assert came == before


def test_a_name_that_was_cut_leads_to_the_whole_one() -> None:
    shown = NAMES.tools.shown("b", "long" * 30)

    routed = route("tools/call", {"name": shown}, NAMES)

    assert routed == Routed("b", {"name": "long" * 30}, "tool", "long" * 30)


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("tools/call", {"name": "c_x"}, Nobodys("tool", "c_x")),
        ("tools/call", {"name": "x"}, Nobodys("tool", "x")),
        ("tools/call", {"name": ["a_x"]}, Nobodys("tool", "")),
        ("tools/call", {}, Nobodys("tool", "")),
        ("tools/call", {"name": "z" * 10_000}, Nobodys("tool", "z" * 10_000)),
        ("prompts/get", {"name": None}, Nobodys("prompt", "")),
        ("resources/read", {"uri": "memo:x"}, Nobodys("resource", "memo:x")),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "p"}},
            Nobodys("prompt", "p"),
        ),
        ("completion/complete", {"ref": {"type": "ref/other", "name": "b_p"}}, Unaddressed()),
        ("completion/complete", {"ref": {"type": ["ref/prompt"]}}, Unaddressed()),
        ("completion/complete", {"ref": "b_p"}, Unaddressed()),
        ("tools/list", {"name": "a_x"}, Unaddressed()),
        ("x/unknown", {"name": "a_x"}, Unaddressed()),
    ],
)
def test_what_is_for_no_member(method: str, params: dict[str, Any], expected: object) -> None:
    assert route(method, params, NAMES) == expected


@given(method=st.sampled_from(METHODS), params=PARAMS)
def test_whatever_a_client_sends_is_read_and_left_as_it_is(
    method: str, params: dict[str, Any]
) -> None:
    before = deepcopy(params)

    found = route(method, params, NAMES)
    subscribed = followed(params, NAMES)
    for uris in subscribed.by_alias.values():
        listen(params, uris)

    assert params == before
    assert not isinstance(found, Routed) or found.alias in ("a", "b")


@example(method="completion/complete", params={"ref": {"type": "ref/prompt", "name": "p"}})
@example(method="tools/call", params={"name": "x"})
@given(method=st.sampled_from(METHODS), params=PARAMS)
def test_a_single_member_under_its_own_names_gets_the_very_params(
    method: str, params: dict[str, Any]
) -> None:
    found = route(method, params, SOLE)

    assert not isinstance(found, Routed) or found.params is params


def test_a_listener_follows_the_resources_of_several_members() -> None:
    uris = ["b+memo:2", "a+memo:1", "b+memo:1", "memo:x", "b+memo:2", "c+memo:x", 7]
    params = {"notifications": {"toolsListChanged": True, "resourceSubscriptions": uris}, "x": 1}

    found = followed(params, NAMES)

    assert found == Followed({"b": ("memo:2", "memo:1"), "a": ("memo:1",)}, ("memo:x", "c+memo:x"))
    assert listen(params, found.by_alias["b"]) == {
        "notifications": {
            "toolsListChanged": True,
            "resourceSubscriptions": ["memo:2", "memo:1"],
        },
        "x": 1,
    }
    assert listen(params, ()) == {"notifications": {"toolsListChanged": True}, "x": 1}


@pytest.mark.parametrize(
    "params",
    [{}, {"notifications": None}, {"notifications": {"resourceSubscriptions": {"a": 1}}}],
    ids=str,
)
def test_who_follows_nothing_readable_follows_nothing(params: dict[str, Any]) -> None:
    assert followed(params, NAMES) == Followed({}, ())


def test_what_is_listened_to_as_it_was_asked_for_is_the_very_params() -> None:
    params = {"notifications": {"resourceSubscriptions": ["memo:x"]}}

    assert listen(params, followed(params, SOLE).by_alias["a"]) is params
    bare: dict[str, Any] = {"notifications": {"toolsListChanged": True}}
    assert listen(bare, ()) is bare
