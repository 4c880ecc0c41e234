"""All names of a group at once, as the policy asks for them."""

import pytest

from ostiary_proxy.group_names import GroupNames, group_names
from ostiary_proxy.group_shapes import GroupBackend, Member


def named(mode: str, *aliases: str) -> GroupNames:
    members = [{"alias": one, "namespace": "n", "name": one, "uid": "u"} for one in aliases]
    group = GroupBackend.model_validate({"members": members, "naming": {"mode": mode}})
    return group_names(group, {"a": ["x"], "b": ["x", "y"]}, {"b": ["p"]})


@pytest.mark.parametrize(
    ("kind", "name", "place"),
    [
        ("tool", "a_x", ("a", "x")),
        ("tool", "b_unlisted", ("b", "unlisted")),
        ("tool", "c_x", None),
        ("prompt", "b_p", ("b", "p")),
        ("prompt", "p", None),
        ("resource", "a+memo:x", ("a", "memo:x")),
        ("resource", "c+memo:x", None),
        ("protocol", "a_x", None),
    ],
)
def test_whose_a_name_is(kind: str, name: str, place: tuple[str, str] | None) -> None:
    assert named("Always", "a", "b").place(kind, name) == place


def test_whatever_the_order_of_the_members_a_name_of_two_is_neithers() -> None:
    for aliases in (("a", "b"), ("b", "a")):
        assert named("Never", *aliases).tools.conflicts == {"a": ("x",), "b": ("x",)}
    assert not named("Always", "a", "b").tools.conflicts


def test_what_was_never_heard_of_may_still_be_called() -> None:
    assert named("Always", "z").place("tool", "z_x") == ("z", "x")


def test_lists_of_those_who_are_no_members_count_for_nothing() -> None:
    assert named("Never", "a", "z").place("tool", "y") is None


def test_a_single_member_under_its_own_names_has_whatever_is_asked_for() -> None:
    names = named("Never", "a")

    assert names.sole == "a"
    assert names.place("tool", "unlisted") == ("a", "unlisted")
    assert names.place("prompt", "unlisted") == ("a", "unlisted")
    assert names.place("resource", "memo:x") == ("a", "memo:x")
    assert named("Always", "a").sole is None


def test_the_two_tools_of_a_search_are_no_members() -> None:
    """A member's tool of such a name would be found and could not be called."""
    members = tuple(
        Member(alias=alias, namespace="tools", name=alias, uid=alias) for alias in ("find", "b")
    )
    listed = {"find": ["tools", "other"], "b": []}
    group = GroupBackend(members=members, discovery="Search")
    names = group_names(group, listed, {})
    assert names.tools.conflicts == {"find": ("tools",)}
    assert names.tools.shown("find", "tools") is None
    assert names.tools.find("find_tools") is None
    plain = group_names(GroupBackend(members=members), listed, {})
    assert plain.tools.find("find_tools") == ("find", "tools")
