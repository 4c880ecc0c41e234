"""Keys that two parsers may read differently, and keys that cost too much to compare."""

import pytest

from ostiary_proxy.twins import FOREIGN, KEYS, LONGEST_KEY, unclear, unclear_item


def about(**params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": "x", "params": params}


TWINS = {
    "the envelope": {**about(), "Method": "y"},
    "params": about(name="a", NAME="b"),
    "a task": about(taskid="b"),
    "answers": about(InputResponses={}),
    "meta": about(_meta={"a": 1, "A": 2}),
    "a prompt's name in ref": about(ref={"type": "ref/prompt", "name": "a", "Name": "b"}),
    "the type in ref": about(ref={"type": "ref/prompt", "Type": "ref/resource", "uri": "a"}),
    "a resource in ref": about(ref={"uri": "note:a", "URI": "secret:a"}),
    "subscriptions": about(notifications={"ResourceSubscriptions": ["secret:a"]}),
    "notifications": about(Notifications={"resourceSubscriptions": ["secret:a"]}),
}


@pytest.mark.parametrize("data", TWINS.values(), ids=TWINS.keys())
def test_keys_that_may_be_taken_for_one_another_are_found(data: dict[str, object]) -> None:
    """Security row 10."""
    assert "may be taken for one another" in unclear(data)


@pytest.mark.parametrize(
    "params",
    [
        {f"k{n}": n for n in range(KEYS + 1)},
        {"k" * (LONGEST_KEY + 1): 1},
        {"a" + "\u0315" * 8000 + "\u0300" * 8000: 1},
        {f"{n:03}" + "\u0300" * 200: 1 for n in range(FOREIGN // 200 + 1)},
    ],
    ids=["many", "long", "long and foreign", "many and foreign"],
)
def test_keys_that_cost_too_much_to_compare_are_refused(params: dict[str, object]) -> None:
    """Security row 24: to fold a key of combining marks costs the square of its length."""
    assert "too many or too long" in unclear(about(**params))


@pytest.mark.parametrize(
    "data",
    [
        about(),
        about(name="a", arguments={"Name": 1, "name": 2, "NAME": 3}),
        about(name="a", vendor="b", _meta={"example.com/x": 1}),
        about(ref={"type": "ref/prompt", "name": "a", "title": "A"}, argument={}),
        about(notifications={"resourceSubscriptions": [], "vendor": True}),
        about(ref="no object"),
    ],
)
def test_what_is_clear_passes(data: dict[str, object]) -> None:
    assert unclear(data) == ""


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"name": "a", "title": "b"}, False),
        ({"name": "a", "Name": "b"}, True),
        ({"NAME": "a"}, True),
        ({"name": "a", "na\0me": "b"}, True),
        ({"name": "a", "\uff4eame": "b"}, True),
        ({"name": "a", "URI": "b"}, False),
        ({"name": "a", "k" * (LONGEST_KEY + 1): "b"}, True),
    ],
    ids=["clear", "beside it", "alone", "a NUL", "a wide letter", "another", "too long"],
)
def test_an_item_of_a_list_has_one_name_for_all_parsers(
    item: dict[str, object], expected: bool
) -> None:
    assert unclear_item(item, "name") is expected
