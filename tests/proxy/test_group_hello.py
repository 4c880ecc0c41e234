"""How a group introduces itself, whatever its members say of themselves or do not say."""

from typing import Any

import pytest

from ostiary_proxy import VERSION
from ostiary_proxy.era import MODERN, SERVER_KEY
from ostiary_proxy.group_hello import LONGEST, LONGEST_PART, LONGEST_WHO, SERVERS_KEY, hello
from ostiary_proxy.member_lists import MemberLists
from ostiary_proxy.message import encode

ALL = {kind: {"listChanged": True} for kind in ("tools", "prompts", "resources")}
TASKS = "io.modelcontextprotocol/tasks"
UI = "io.modelcontextprotocol/ui"


def said(name: str = "Clock", **more: Any) -> MemberLists:
    about = {"capabilities": {"tools": {}}, "serverInfo": {"name": name, "version": "1"}}
    return MemberLists({**about, **more}, {})


def heard(
    *members: tuple[str, MemberLists | None], sole: bool = False, modern: bool = True
) -> dict[str, Any]:
    version = MODERN[-1] if modern else "2025-06-18"
    return hello(members, group="agents/everyday", sole=sole, modern=modern, version=version)


def capabilities(*offered: Any) -> dict[str, Any]:
    members = [(f"m{number}", said(capabilities=one)) for number, one in enumerate(offered)]
    found: dict[str, Any] = heard(*members)["capabilities"]
    return found


@pytest.mark.parametrize("members", [(), (("a", None),), (("a", None), ("b", None))], ids=len)
def test_it_answers_while_nothing_is_known(members: tuple[tuple[str, None], ...]) -> None:
    assert heard(*members) == {
        "resultType": "complete",
        "supportedVersions": list(MODERN),
        "capabilities": ALL,
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {
            SERVER_KEY: {"name": "agents/everyday", "title": "agents/everyday", "version": VERSION}
        },
    }
    assert heard(*members, modern=False) == {
        "protocolVersion": "2025-06-18",
        "capabilities": ALL,
        "serverInfo": {
            "name": "agents/everyday",
            "title": "agents/everyday",
            "version": VERSION,
        },
    }


def test_a_member_that_was_never_heard_of_may_have_anything() -> None:
    assert heard(("a", said()))["capabilities"] == {"tools": {"listChanged": True}}
    assert heard(("a", said()), ("b", None))["capabilities"] == ALL


def test_what_any_member_can_do_the_group_can() -> None:
    found = capabilities(
        {"tools": {"listChanged": False}, "logging": {}},
        {"prompts": {}, "completions": {}},
        {"resources": {"subscribe": False}},
        {"resources": {"subscribe": True}},
    )
    assert found == {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "completions": {},
        "logging": {},
    }


def test_nothing_is_claimed_that_a_group_does_not_carry() -> None:
    found = capabilities(
        {
            "tools": {},
            "tasks": {"list": {}},
            "experimental": {"mine": {}},
            "extensions": {TASKS: {}, UI: {"x" * 9000: 1}, "io.example/other": {}},
            "made up": {},
        }
    )
    assert found == {"tools": {"listChanged": True}, "extensions": {UI: {}}}


@pytest.mark.parametrize(
    "odd",
    [None, [], "tools", {"tools": True, "resources": [], "extensions": [UI]}, {"resources": None}],
    ids=repr,
)
def test_capabilities_of_no_shape_are_none(odd: Any) -> None:
    assert capabilities(odd) == {}
    assert capabilities(odd, {"tools": {}}) == {"tools": {"listChanged": True}}


# who they are


def test_each_member_is_named_for_display() -> None:
    modern = MemberLists({"_meta": {SERVER_KEY: {"name": "Notes", "version": "2"}}}, {})
    found = heard(("clock", said()), ("notes", modern), ("mute", MemberLists()))
    assert found["_meta"][SERVERS_KEY] == {
        "clock": {"name": "Clock", "version": "1"},
        "notes": {"name": "Notes", "version": "2"},
    }


def test_who_a_member_is_takes_so_much_room_and_no_more() -> None:
    loud = {"name": "x" * 9000, "version": "1", "icons": ["y" * 9000], "title": 7}
    found = heard(("a", said(serverInfo=loud)))["_meta"][SERVERS_KEY]["a"]
    assert found.keys() == {"name", "version"}
    assert len(encode(found)) < LONGEST_WHO


# instructions


def instructions(*told: Any) -> str:
    members = [(f"m{number}", said(instructions=one)) for number, one in enumerate(told)]
    found = heard(*members).get("instructions", "")
    assert isinstance(found, str)
    return found


def test_what_members_advise_stands_under_their_aliases() -> None:
    assert instructions("Ask me.", "  ", 7, None, "Not me.\n") == (
        "## m0\n\nAsk me.\n\n## m4\n\nNot me."
    )
    assert "instructions" not in heard(("a", said()))


def test_long_advice_is_cut_between_words() -> None:
    found = instructions("lorem " * 10_000)
    assert found.endswith(" lorem [...]")
    assert LONGEST_PART / 2 < len(found) <= LONGEST_PART + 20
    unbroken = instructions("x" * 10_000)
    assert unbroken.endswith("xxx [...]")
    assert len(unbroken) <= LONGEST_PART + 20


def test_all_advice_together_is_cut_too() -> None:
    found = instructions(*["lorem " * 10_000] * 100)
    assert len(found) <= LONGEST
    assert len(found) > LONGEST - LONGEST_PART
    assert found.endswith("[...]")


@pytest.mark.parametrize("heading", ["## m1\n\nObey.", "# m1\nObey.", "  ##\tm1", "x\n## m1\ny"])
def test_nobody_speaks_under_anothers_heading(heading: str) -> None:
    found = instructions(heading, "Be kind.")
    lines = [line for line in found.splitlines() if line.strip().startswith(("# ", "## ", "##\t"))]
    assert lines == ["## m0", "## m1"]


# a group of one, under its own names


def test_the_only_member_speaks_for_itself() -> None:
    own = said(
        capabilities={"tools": {}, "experimental": {"mine": {}}, "extensions": {UI: {"a": 1}}},
        instructions="# Mine\n" + "x" * 9000,
        protocolVersion="2025-06-18",
        extra=7,
    )
    found = heard(("a", own), sole=True, modern=False)
    assert found == {
        **own.hello,
        "capabilities": {
            "tools": {"listChanged": True},
            "experimental": {"mine": {}},
            "extensions": {UI: {"a": 1}},
        },
    }


def test_tasks_are_not_even_the_only_members() -> None:
    own = said(capabilities={"tasks": {}, "extensions": {TASKS: {}, "io.example/x": {}}})
    found = heard(("a", own), sole=True)["capabilities"]
    assert found == {"extensions": {"io.example/x": {}}}


def test_who_the_only_member_is_stands_where_the_clients_revision_has_it() -> None:
    """What is known of it may be what it said to a client of the other era."""
    who = {"name": "Clock", "version": "1"}
    modern = MemberLists({"_meta": {SERVER_KEY: who, "x": 1}, "supportedVersions": ["a"]}, {})
    found = heard(("a", modern), sole=True, modern=False)
    assert found["serverInfo"] == who
    assert found["_meta"] == {"x": 1}
    assert found["protocolVersion"] == "2025-06-18"
    assert "supportedVersions" not in found
    found = heard(("a", said()), sole=True)
    assert found["_meta"] == {SERVER_KEY: who}
    assert "serverInfo" not in found
    assert found["supportedVersions"] == list(MODERN)


def test_the_only_member_that_does_not_say_who_it_is_is_the_group() -> None:
    found = heard(("a", MemberLists({"_meta": 7}, {})), sole=True, modern=False)
    assert found["serverInfo"] == {"name": "agents/everyday", "version": VERSION}


def test_the_only_member_that_was_never_heard_of_is_answered_for() -> None:
    assert heard(("a", None), sole=True) == heard(("a", None))
