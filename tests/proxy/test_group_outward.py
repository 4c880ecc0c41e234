"""What a member says, as the clients of its group hear it."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.era import LISTS
from ostiary_proxy.group_inward import Routed, route
from ostiary_proxy.group_names import GroupNames, group_names
from ostiary_proxy.group_outward import response, said
from ostiary_proxy.group_shapes import GroupBackend


def named(mode: str, *aliases: str) -> GroupNames:
    members = [{"alias": one, "namespace": "n", "name": one, "uid": "u"} for one in aliases]
    group = GroupBackend.model_validate({"members": members, "naming": {"mode": mode}})
    return group_names(group, {"a": ["x"], "b": ["x", "y"]}, {"b": ["p"]})


NAMES = named("Always", "a", "b")
BARE = named("Never", "a", "b")
SOLE = named("Never", "b")

TEXT = {"type": "text", "text": "memo:x", "uri": "memo:x"}
NOVEL = {"type": "novel", "resource": {"uri": "memo:x"}, "uri": "memo:x"}
LINK = {"type": "resource_link", "uri": "memo:x", "name": "x", "size": 1}
VIEW = {"uri": "ui://v", "text": "<a href='ui://v'>"}
EMBEDDED = {"type": "resource", "resource": VIEW}
SHOWN_LINK = {**LINK, "uri": "b+memo:x"}
SHOWN_EMBEDDED = {"type": "resource", "resource": {**VIEW, "uri": "ui://b/v"}}
BLOCKS = [TEXT, NOVEL, LINK, EMBEDDED]
SHOWN_BLOCKS = [TEXT, NOVEL, SHOWN_LINK, SHOWN_EMBEDDED]
USED = {"type": "tool_result", "toolUseId": "1", "content": BLOCKS, "structuredContent": LINK}
SHOWN_USED = {**USED, "content": SHOWN_BLOCKS}

RESULTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "tools": (
        "tools/list",
        {"tools": [{"name": "x", "title": "X", "inputSchema": {"name": "x"}, "new": 1}]},
        {"tools": [{"name": "b_x", "title": "X", "inputSchema": {"name": "x"}, "new": 1}]},
    ),
    "a tool's app": (
        "tools/list",
        {"tools": [{"name": "x", "_meta": {"ui": {"resourceUri": "ui://v", "visibility": []}}}]},
        {
            "tools": [
                {"name": "b_x", "_meta": {"ui": {"resourceUri": "ui://b/v", "visibility": []}}}
            ]
        },
    ),
    "a tool's app, of old": (
        "tools/list",
        {"tools": [{"name": "x", "_meta": {"ui/resourceUri": "ui://v", "k": "ui://v"}}]},
        {"tools": [{"name": "b_x", "_meta": {"ui/resourceUri": "ui://b/v", "k": "ui://v"}}]},
    ),
    "prompts": (
        "prompts/list",
        {"prompts": [{"name": "p", "arguments": [{"name": "p"}]}]},
        {"prompts": [{"name": "b_p", "arguments": [{"name": "p"}]}]},
    ),
    "resources": (
        "resources/list",
        {"resources": [{"uri": "memo:x", "name": "x"}, {"uri": "ui://v", "name": "v"}]},
        {"resources": [{"uri": "b+memo:x", "name": "x"}, {"uri": "ui://b/v", "name": "v"}]},
    ),
    "templates": (
        "resources/templates/list",
        {"resourceTemplates": [{"uriTemplate": "memo:{id}", "name": "x"}]},
        {"resourceTemplates": [{"uriTemplate": "b+memo:{id}", "name": "x"}]},
    ),
    "a call": (
        "tools/call",
        {"content": BLOCKS, "structuredContent": {"content": BLOCKS, "uri": "memo:x"}},
        {"content": SHOWN_BLOCKS, "structuredContent": {"content": BLOCKS, "uri": "memo:x"}},
    ),
    "the app of an answer": (
        "tools/call",
        {"_meta": {"ui": {"resourceUri": "ui://v"}, "ui/resourceUri": "ui://v"}, "content": []},
        {"_meta": {"ui": {"resourceUri": "ui://b/v"}, "ui/resourceUri": "ui://b/v"}, "content": []},
    ),
    "a prompt": (
        "prompts/get",
        {"messages": [{"role": "user", "content": block} for block in BLOCKS]},
        {"messages": [{"role": "user", "content": block} for block in SHOWN_BLOCKS]},
    ),
    "contents": (
        "resources/read",
        {"contents": [{"uri": "memo:x", "text": "memo:x"}, {"uri": "ui://v", "blob": ""}]},
        {"contents": [{"uri": "b+memo:x", "text": "memo:x"}, {"uri": "ui://b/v", "blob": ""}]},
    ),
    "questions": (
        "tools/call",
        {
            "resultType": "input_required",
            "requestState": "s",
            "inputRequests": {
                "1": {
                    "method": "sampling/createMessage",
                    "params": {"messages": [{"role": "user", "content": [USED, LINK]}]},
                },
                "2": {"method": "elicitation/create", "params": {"message": "memo:x"}},
            },
        },
        {
            "resultType": "input_required",
            "requestState": "s",
            "inputRequests": {
                "1": {
                    "method": "sampling/createMessage",
                    "params": {"messages": [{"role": "user", "content": [SHOWN_USED, SHOWN_LINK]}]},
                },
                "2": {"method": "elicitation/create", "params": {"message": "memo:x"}},
            },
        },
    ),
}

SAID: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "sampling": (
        "sampling/createMessage",
        {"messages": [{"role": "user", "content": LINK}, {"role": "user", "content": [USED]}]},
        {
            "messages": [
                {"role": "user", "content": SHOWN_LINK},
                {"role": "user", "content": [SHOWN_USED]},
            ]
        },
    ),
    "an update": (
        "notifications/resources/updated",
        {"uri": "memo:x", "_meta": {"k": 1}},
        {"uri": "b+memo:x", "_meta": {"k": 1}},
    ),
    "an acknowledgement": (
        "notifications/subscriptions/acknowledged",
        {
            "notifications": {
                "toolsListChanged": True,
                "resourceSubscriptions": ["memo:x", "ui://v"],
            }
        },
        {
            "notifications": {
                "toolsListChanged": True,
                "resourceSubscriptions": ["b+memo:x", "ui://b/v"],
            }
        },
    ),
}


def answered(result: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


def asked(method: str, params: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@pytest.mark.parametrize(("method", "own", "shown"), RESULTS.values(), ids=RESULTS.keys())
def test_an_answer_in_the_groups_words(
    method: str, own: dict[str, Any], shown: dict[str, Any]
) -> None:
    came = answered({**own, "unknown": [LINK]})
    before = deepcopy(came)

    assert response(method, came, "b", NAMES) == answered({**shown, "unknown": [LINK]})
    assert came == before


@pytest.mark.parametrize(("method", "own", "shown"), SAID.values(), ids=SAID.keys())
def test_what_a_member_says_by_itself_in_the_groups_words(
    method: str, own: dict[str, Any], shown: dict[str, Any]
) -> None:
    came = asked(method, {**own, "unknown": [LINK]})
    before = deepcopy(came)

    assert said(came, "b", NAMES) == asked(method, {**shown, "unknown": [LINK]})
    assert came == before


@pytest.mark.parametrize(("method", "own", "shown"), RESULTS.values(), ids=RESULTS.keys())
def test_a_single_member_under_its_own_names_is_heard_as_it_speaks(
    method: str, own: dict[str, Any], shown: dict[str, Any]
) -> None:
    came = answered(own)

    assert response(method, came, "b", SOLE) is came


@pytest.mark.parametrize("code", [-32602, -32002])
def test_an_error_says_which_resource_there_is_not(code: int) -> None:
    error = {"code": code, "message": "No memo:x.", "data": {"uri": "memo:x", "k": 1}}

    heard = response("resources/read", {"id": 1, "error": error}, "b", NAMES)

    assert heard == {"id": 1, "error": {**error, "data": {"uri": "b+memo:x", "k": 1}}}


@pytest.mark.parametrize(
    "error",
    [
        {"code": -32603, "message": "", "data": {"uri": "memo:x"}},
        {"code": -32602, "message": "", "data": "memo:x"},
        {"code": -32602, "message": "", "data": {"uri": ["memo:x"]}},
        {"code": [-32602], "message": "", "data": {"uri": "memo:x"}},
        {"code": -32602, "message": ""},
        "memo:x",
    ],
    ids=str,
)
def test_other_errors_are_passed_as_they_came(error: object) -> None:
    came = {"id": 1, "error": error}

    assert response("resources/read", came, "b", NAMES) is came


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("tools/call", {"content": [TEXT, NOVEL], "structuredContent": LINK}),
        ("prompts/get", {"messages": [{"role": "user", "content": TEXT}]}),
        ("completion/complete", {"completion": {"values": ["memo:x"]}}),
        ("initialize", {"serverInfo": {"name": "x"}, "contents": [{"uri": "memo:x"}]}),
        ("tools/call", {"inputRequests": {"1": {"method": "roots/list"}}}),
        ("resources/read", {"contents": []}),
    ],
)
def test_what_names_nothing_is_the_very_object_that_came(
    method: str, result: dict[str, Any]
) -> None:
    came = answered(result)

    assert response(method, came, "b", NAMES) is came


@pytest.mark.parametrize(
    "message",
    [
        asked("notifications/message", {"data": LINK, "uri": "memo:x"}),
        asked("elicitation/create", {"message": "memo:x", "url": "https://x.example"}),
        asked(
            "sampling/createMessage", {"messages": [{"content": TEXT}], "tools": [{"name": "x"}]}
        ),
        {"method": "ping"},
        answered({"content": [LINK]}),
    ],
    ids=lambda message: str(message.get("method")),
)
def test_what_a_member_says_of_no_resource_is_passed_as_it_came(message: dict[str, Any]) -> None:
    assert said(message, "b", NAMES) is message


@given(
    method=st.sampled_from(["tools/list", "prompts/list", "resources/list"]),
    owns=st.lists(st.text(max_size=60), max_size=4),
)
def test_a_client_that_takes_a_list_at_its_word_asks_for_what_was_listed(
    method: str, owns: list[str]
) -> None:
    key, named_by = LISTS[method][0], LISTS[method][2]
    asking = {"tools": "tools/call", "prompts": "prompts/get", "resources": "resources/read"}[key]
    group = GroupBackend.model_validate(
        {"members": [{"alias": "b", "namespace": "n", "name": "b", "uid": "u"}]}
    )
    names = group_names(group, {"b": owns}, {"b": owns})

    heard = response(method, answered({key: [{named_by: own} for own in owns]}), "b", names)

    routed = [route(asking, item, names) for item in heard["result"][key]]
    assert [(one.alias, one.params) for one in routed if isinstance(one, Routed)] == [
        ("b", {named_by: own}) for own in owns
    ]


def test_a_tool_whose_name_another_member_has_too_is_left_out() -> None:
    came = answered({"tools": [{"name": "x"}, {"name": "y"}], "nextCursor": "2"})

    assert response("tools/list", came, "a", BARE)["result"]["tools"] == []
    assert response("tools/list", came, "b", BARE)["result"] == {
        "tools": [{"name": "y"}],
        "nextCursor": "2",
    }


@pytest.mark.parametrize(
    ("method", "key", "named_by"),
    [
        ("tools/list", "tools", "name"),
        ("prompts/list", "prompts", "name"),
        ("resources/list", "resources", "uri"),
        ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ],
)
def test_an_item_that_a_client_may_read_otherwise_is_left_out(
    method: str, key: str, named_by: str
) -> None:
    """Some parsers take keys by any case: behind such a one a member could speak as another."""
    good = {named_by: "p", "description": "first"}
    bad = [
        None,
        "p",
        {},
        {named_by: None},
        {named_by: ["p"]},
        {named_by: "p", named_by.upper(): "a_x"},
        {named_by: "p", named_by.title(): "a_x"},
        {named_by.upper(): "a_x"},
    ]

    heard = response(method, answered({key: [*bad, good]}), "b", NAMES)

    assert [item["description"] for item in heard["result"][key]] == ["first"]


@pytest.mark.parametrize("uri", ["https://x.example/a", "HTTP://x.example"])
def test_a_client_that_fetches_from_the_web_finds_where(uri: str) -> None:
    link = {**LINK, "uri": uri, "_meta": {"k": 1}}
    shown = {**link, "uri": f"b+{uri}", "_meta": {"k": 1, "ostiary.dev/uri": uri}}

    called = response("tools/call", answered({"content": [link]}), "b", NAMES)
    listed = response("resources/list", answered({"resources": [link]}), "b", NAMES)

    assert called["result"]["content"] == [shown]
    assert listed["result"]["resources"] == [shown]


def test_a_links_meta_of_a_wrong_type_is_left_alone() -> None:
    link = {**LINK, "uri": "https://x.example", "_meta": "k"}

    heard = response("tools/call", answered({"content": [link]}), "b", NAMES)

    assert heard["result"]["content"] == [{**link, "uri": "b+https://x.example"}]


def test_untouched_parts_are_shared_with_what_came() -> None:
    schema = {"type": "object"}
    came = answered({"tools": [{"name": "x", "inputSchema": schema}], "_meta": {"k": 1}})

    heard = response("tools/list", came, "b", NAMES)["result"]

    assert heard["tools"][0]["inputSchema"] is schema
    assert heard["_meta"] is came["result"]["_meta"]


def test_content_within_content_is_followed_no_further_than_a_tools_result() -> None:
    block: dict[str, Any] = LINK
    for _ in range(10_000):
        block = {"type": "tool_result", "content": [block]}

    came = answered({"content": [block]})

    assert response("tools/call", came, "b", NAMES) is came


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=5),
    st.sampled_from(["resource", "resource_link", "tool_result", "ui://x", "memo:x", "y" * 10_000]),
)
KEYS = st.sampled_from(
    [
        "name",
        "uri",
        "uriTemplate",
        "type",
        "resource",
        "content",
        "_meta",
        "ui",
        "resourceUri",
        "ui/resourceUri",
        "messages",
        "contents",
        "tools",
        "inputRequests",
        "method",
        "params",
        "N",
    ]
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.fixed_dictionaries({"type": st.sampled_from(["resource", "tool_result"])})
    ),
    max_leaves=12,
)
METHODS = st.sampled_from(sorted({method for method, _, _ in RESULTS.values()}))
TOP = st.dictionaries(
    st.sampled_from(
        [
            "tools",
            "prompts",
            "resources",
            "resourceTemplates",
            "content",
            "messages",
            "contents",
            "inputRequests",
            "_meta",
            "uri",
            "notifications",
            "code",
            "data",
        ]
    ),
    JSON,
)


@given(method=METHODS, body=TOP, key=st.sampled_from(["result", "error"]), names=st.booleans())
def test_whatever_a_member_answers_is_read_and_left_as_it_is(
    method: str, body: dict[str, Any], key: str, names: bool
) -> None:
    came = {"id": 1, key: body}
    before = deepcopy(came)

    response(method, came, "b", NAMES if names else BARE)

    assert came == before


@given(method=st.sampled_from(sorted({method for method, _, _ in SAID.values()})), params=TOP)
def test_whatever_a_member_says_is_read_and_left_as_it_is(
    method: str, params: dict[str, Any]
) -> None:
    came = asked(method, params)
    before = deepcopy(came)

    said(came, "b", NAMES)

    assert came == before
