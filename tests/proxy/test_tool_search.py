"""What a model finds in a few words, whatever the tools' owners and the model itself write."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.conditions import turns_during

from ostiary_proxy.tool_search import (
    A_TURN,
    CALL,
    DEFINITIONS,
    FIND,
    LIMIT,
    MOST,
    TOOLS,
    Query,
    asked,
    search,
    unwrap,
)

SHELF = {
    "github_list_pull_requests": "List the pull requests of a repository.",
    "github_createIssue": "Open a new issue.",
    "calendar_create_event": "Create an event in the calendar of a person.",
    "calendar_list_events": "List events of a day.",
    "weather_get_forecast": "The weather of the next days, for a place.",
    "weather_getHTTPStatus": "Is the service up?",
    "files_read": "Read a file. Works for any event, issue, weather report or pull request.",
    "notes_find": "Durchsucht Notizen: für Übersicht über Termine.",
}


async def found(query: str, limit: int = 3) -> tuple[str, ...]:
    return await search(query, SHELF.items(), limit)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("list open pull requests", "github_list_pull_requests"),
        ("create a calendar event", "calendar_create_event"),
        ("events", "calendar_list_events"),
        ("create issue", "github_createIssue"),
        ("CREATEISSUE", "github_createIssue"),
        ("forecast for tomorrow", "weather_get_forecast"),
        ("forecasts", "weather_get_forecast"),
        ("http status", "weather_getHTTPStatus"),
        ("weather_get_forecast", "weather_get_forecast"),
        ("übersicht", "notes_find"),
        ("repo", "github_list_pull_requests"),
    ],
)
async def test_the_tool_for_a_task_comes_first(query: str, first: str) -> None:
    assert (await found(query))[0] == first


@pytest.mark.parametrize("query", ["", "   ", "?!", "_", "\0"])
async def test_without_a_word_the_first_by_name_are_shown(query: str) -> None:
    assert await found(query) == tuple(sorted(SHELF))[:3]


@pytest.mark.parametrize("query", ["zzz", "日本語", "é", "x" * 100_000])
async def test_what_nothing_has_to_do_with_finds_nothing(query: str) -> None:
    assert await found(query) == ()


async def test_no_more_are_found_than_are_asked_for() -> None:
    assert len(await found("list create get weather event", 2)) == 2
    assert await search("x", (), 3) == ()


async def test_of_equals_the_first_by_name_comes_first() -> None:
    same = [(f"m{number}_get", "Gets a thing.") for number in (3, 1, 2)]
    assert await search("get", same, 3) == ("m1_get", "m2_get", "m3_get")


async def test_a_description_cannot_outbid_a_name_by_repeating_words() -> None:
    stuffed = ("evil_anything", "weather " * 10_000)
    shelf = (*SHELF.items(), stuffed, ("x_weather", "Weather."))
    assert (await search("weather", shelf, 1)) == ("x_weather",)


@pytest.mark.parametrize(
    ("query", "description"),
    [
        ("a " * 100_000, "a " * 100_000),
        (" ".join(f"w{number}" for number in range(10_000)), "w" * 100_000),
        ("aB" * 100_000, "aB" * 100_000),
        ("_" * 100_000, "_-." * 100_000),
        ("\u017f" * 1000, "İ" * 100_000),
        ("\ud800", "\ud800\udfff"),
    ],
    ids=["words", "many words", "humps", "no words", "folds", "halves"],
)
async def test_hostile_words_are_read_in_part(query: str, description: str) -> None:
    shelf = [(f"t{number}", description) for number in range(200)]
    assert len(await search(query, shelf, MOST)) <= MOST


async def test_many_tools_are_read_in_turns() -> None:
    many = ((f"t{number}", "Gets it.") for number in range(10 * A_TURN))
    turns = await turns_during(search("get", many, 3))
    assert turns >= 10


WORDS = st.text(alphabet="abAB_- é\0", max_size=12)


@given(
    query=WORDS, shelf=st.dictionaries(WORDS, WORDS, max_size=8), limit=st.integers(1, 9), data=...
)
async def test_the_order_of_the_tools_says_nothing(
    query: str, shelf: dict[str, str], limit: int, data: int
) -> None:
    items = list(shelf.items())
    best = await search(query, items, limit)
    turned = data % len(items) if items else 0
    assert await search(query, items[turned:] + items[:turned], limit) == best
    assert set(best) <= shelf.keys()
    assert len(best) == len(set(best)) <= limit


# the two tools


def test_the_two_tools_are_ones_that_every_client_takes() -> None:
    assert {one["name"] for one in DEFINITIONS} == TOOLS
    for one in DEFINITIONS:
        assert len(one["description"]) <= 1024
        schema = one["inputSchema"]
        assert schema["type"] == "object"
        assert set(schema["required"]) <= schema["properties"].keys()
        assert all(value["description"] for value in schema["properties"].values())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"query": "x"}, Query("x", LIMIT)),
        ({"query": "", "limit": 50}, Query("", 50)),
        ({"query": "x", "limit": 3.0}, Query("x", 3)),
        ({"query": "x", "limit": 0}, "`limit`"),
        ({"query": "x", "limit": 51}, "`limit`"),
        ({"query": "x", "limit": True}, "`limit`"),
        ({"query": "x", "limit": 2.5}, "`limit`"),
        ({"query": "x", "limit": "3"}, "`limit`"),
        ({"query": "x", "limit": None}, "`limit`"),
        ({"query": "x", "limit": float("inf")}, "`limit`"),
        ({"query": 7}, "`query`"),
        ({}, "`query`"),
        (None, "`query`"),
        ([], "`query`"),
    ],
    ids=repr,
)
def test_what_is_asked(arguments: object, expected: Query | str) -> None:
    got = asked(arguments)
    if isinstance(expected, Query):
        assert got == expected
    else:
        assert isinstance(got, str)
        assert expected in got


def test_a_call_is_the_tools_own_with_all_that_came_with_it() -> None:
    meta = {"progressToken": 7}
    params = {
        "name": CALL,
        "arguments": {"name": "a_x", "arguments": {"name": "n", "arguments": 1}},
        "_meta": meta,
        "requestState": "s",
    }
    assert unwrap(params) == {
        "name": "a_x",
        "arguments": {"name": "n", "arguments": 1},
        "_meta": meta,
        "requestState": "s",
    }
    bare = {"name": "a_x", "arguments": {}}
    assert unwrap({"name": CALL, "arguments": {"name": "a_x"}}) == bare
    assert unwrap({"name": CALL, "arguments": {"name": "a_x", "arguments": None}}) == bare


@pytest.mark.parametrize(
    "arguments",
    [
        None,
        [],
        "a_x",
        {},
        {"name": ""},
        {"name": 7, "arguments": {}},
        {"name": ["a_x"], "arguments": {}},
        {"name": CALL, "arguments": {"name": CALL}},
        {"name": FIND, "arguments": {"query": "x"}},
        {"name": "a_x", "arguments": []},
        {"name": "a_x", "arguments": "{}"},
        {"name": "a_x", "text": "hello"},
        {"name": "a_x", "Name": "a_y"},
    ],
    ids=repr,
)
def test_a_call_that_is_none_is_explained(arguments: Any) -> None:
    why = unwrap({"name": CALL, "arguments": arguments})
    assert isinstance(why, str)
    assert why.endswith(".")
