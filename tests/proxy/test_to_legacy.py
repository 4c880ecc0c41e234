"""A modern client's messages at a legacy backend: obligation 52, message by message."""

from typing import Any

import pytest

from ostiary_proxy import to_legacy
from ostiary_proxy.message import Message

PREFIX = "io.modelcontextprotocol/"
INFO = {"name": "s", "version": "1"}


def modern(method: str, meta: dict[str, Any] | None = None, **params: Any) -> Message:
    envelope = {
        f"{PREFIX}protocolVersion": "2026-07-28",
        f"{PREFIX}clientCapabilities": {"roots": {}, "odd": {}},
        **(meta or {}),
    }
    full = {**params, "_meta": envelope}
    data = {"jsonrpc": "2.0", "id": 7, "method": method, "params": full, "extra": 1}
    return Message("request", 7, method, full, data, b"")


def test_the_envelope_of_the_modern_era_is_taken_away_and_nothing_else() -> None:
    message = modern(
        "tools/call",
        {"progressToken": 5, f"{PREFIX}logLevel": "info", "traceparent": "00-1", "com.x/y": [1]},
        name="t",
        arguments={"a": None},
        future={"b": 1},
        requestState="s",
        inputResponses={},
    )

    assert to_legacy.request(message) == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "extra": 1,
        "params": {
            "name": "t",
            "arguments": {"a": None},
            "future": {"b": 1},
            "_meta": {"progressToken": 5, "traceparent": "00-1", "com.x/y": [1]},
        },
    }


def test_a_request_without_parameters_has_none() -> None:
    assert "params" not in to_legacy.request(modern("tools/list"))


def test_the_handshake_declares_what_the_client_declared() -> None:
    """Obligations 18 and 40: never capabilities of our own."""
    meta = {f"{PREFIX}clientInfo": {"name": "c", "version": "2", "title": "C"}}

    params = to_legacy.handshake(modern("tools/list", meta), "2025-06-18")

    assert params == {
        "protocolVersion": "2025-06-18",
        "capabilities": {"roots": {}, "odd": {}},
        "clientInfo": {"name": "c", "version": "2", "title": "C"},
    }


def answered(method: str, **body: Any) -> dict[str, Any]:
    return to_legacy.answer(method, {"jsonrpc": "2.0", "id": 1, **body}, "mine", INFO)


@pytest.mark.parametrize("method", sorted(to_legacy.CACHED))
def test_results_that_a_client_may_keep_say_for_how_long(method: str) -> None:
    result = answered(method, result={"odd": 1, "ttlMs": 5000, "cacheScope": "public"})["result"]

    assert (result["ttlMs"], result["cacheScope"]) == (0, "private")
    assert (result["resultType"], result["odd"]) == ("complete", 1)


def test_a_result_says_that_it_is_complete_whatever_the_backend_wrote_there() -> None:
    result = answered("tools/call", result={"content": [], "resultType": "input_required"})

    assert result["id"] == "mine"
    assert result["result"]["resultType"] == "complete"
    assert "ttlMs" not in result["result"]
    assert result["result"]["_meta"] == {f"{PREFIX}serverInfo": INFO}


def test_tools_are_not_said_to_be_tasks() -> None:
    tools = [
        {"name": "a", "execution": {"taskSupport": "required"}},
        {"name": "b", "execution": {"taskSupport": "optional", "odd": 1}},
        "odd",
    ]

    result = answered("tools/list", result={"tools": tools})["result"]

    assert result["tools"] == [{"name": "a"}, {"name": "b", "execution": {"odd": 1}}, "odd"]


CODES = {-32002: -32602, -32601: -32601, -32603: -32603, -32800: -32800, -32602: -32602, 7: 7}


@pytest.mark.parametrize(("code", "wanted"), CODES.items())
def test_errors_keep_what_they_say(code: int, wanted: int) -> None:
    error = {"code": code, "message": "no", "data": {"uri": "memo:x"}}

    assert answered("resources/read", error=error)["error"] == {**error, "code": wanted}


FORM: dict[str, Any] = {"message": "?", "requestedSchema": {}}
URL: dict[str, Any] = {"mode": "url", "message": "?", "url": "https://e.org", "elicitationId": "e"}
ALLOWED: dict[str, tuple[str, dict[str, Any], dict[str, Any], bool]] = {
    "a form, said plainly": ("elicitation/create", FORM, {"elicitation": {}}, True),
    "a form, said in full": ("elicitation/create", FORM, {"elicitation": {"form": {}}}, True),
    "a form where only pages are": (
        "elicitation/create",
        FORM,
        {"elicitation": {"url": {}}},
        False,
    ),
    "a page": ("elicitation/create", URL, {"elicitation": {"url": {}}}, True),
    "a page where only forms are": ("elicitation/create", URL, {"elicitation": {}}, False),
    "no elicitation": ("elicitation/create", FORM, {"roots": {}}, False),
    "sampling": ("sampling/createMessage", {}, {"sampling": {}}, True),
    "no sampling": ("sampling/createMessage", {}, {}, False),
    "roots": ("roots/list", {}, {"roots": {}}, True),
    "something unknown": ("odd/ask", {}, {"odd": {}}, False),
    "an odd declaration": ("roots/list", {}, {"roots": True}, False),
}


@pytest.mark.parametrize(
    ("method", "params", "declared", "wanted"), ALLOWED.values(), ids=ALLOWED.keys()
)
def test_a_client_is_asked_only_what_it_declared(
    method: str, params: dict[str, Any], declared: dict[str, Any], wanted: bool
) -> None:
    """Obligations 30 and 34."""
    assert to_legacy.allowed(method, params, declared) is wanted


def test_a_question_loses_what_only_its_era_knows() -> None:
    params = {**URL, "task": {"ttl": 1}, "_meta": {"progressToken": 1, "x": 2}, "odd": 3}

    assert to_legacy.question("elicitation/create", params) == {
        "method": "elicitation/create",
        "params": {
            "mode": "url",
            "message": "?",
            "url": "https://e.org",
            "_meta": {"x": 2},
            "odd": 3,
        },
    }
    assert to_legacy.question("roots/list", {}) == {"method": "roots/list"}


def test_pages_that_must_be_visited_first_become_questions() -> None:
    """Obligation 52: -32042."""
    data = {"code": -32042, "message": "go", "data": {"elicitations": [URL, {"odd": 1}]}}

    found = to_legacy.urls_of({"error": data})

    assert found == {
        "e": {
            "method": "elicitation/create",
            "params": {"mode": "url", "message": "?", "url": "https://e.org"},
        }
    }
    assert to_legacy.urls_of({"error": {"code": -32603}}) == {}
    assert to_legacy.urls_of({"result": {}}) == {}


LOUD = {
    ("debug", "info"): False,
    ("info", "info"): True,
    ("error", "info"): True,
    ("odd", "info"): True,
    ("error", ""): False,
}


@pytest.mark.parametrize(("told", "wanted"), LOUD.items())
def test_a_log_message_is_for_those_who_asked_for_its_level(
    told: tuple[str, str], wanted: bool
) -> None:
    """Obligation 28."""
    assert to_legacy.is_loud_enough({"level": told[0]}, told[1]) is wanted


def test_the_level_of_all_is_the_most_talkative() -> None:
    assert to_legacy.quietest(["error", "", "info"]) == "info"
    assert to_legacy.quietest(["", ""]) == ""


def test_what_changes_is_marked_with_the_subscription() -> None:
    """Obligation 36: the id keeps its type."""
    note = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}

    assert to_legacy.tagged(note, 7)["params"] == {"_meta": {f"{PREFIX}subscriptionId": 7}}
    ack = to_legacy.acknowledged({"toolsListChanged": True}, "7")
    assert ack["params"]["notifications"] == {"toolsListChanged": True}
    assert ack["params"]["_meta"] == {f"{PREFIX}subscriptionId": "7"}
