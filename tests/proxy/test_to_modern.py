"""A legacy client's messages at a modern backend: obligation 51, message by message."""

from typing import Any

import pytest

from ostiary_proxy import to_modern
from ostiary_proxy.message import Message

PREFIX = "io.modelcontextprotocol/"


def legacy(method: str, **params: Any) -> Message:
    data = {"jsonrpc": "2.0", "id": 3, "method": method, "params": params, "extra": 1}
    return Message("request", 3, method, params, data, b"")


def test_a_request_gets_the_envelope_and_keeps_all_else() -> None:
    meta = to_modern.envelope({"sampling": {}}, {"name": "c", "version": "1"}, "info")
    message = legacy(
        "tools/call", name="t", arguments={}, task={"ttl": 1}, odd=2, _meta={"progressToken": 9}
    )

    sent = to_modern.request(message, meta, {"requestState": "s", "inputResponses": {"a": {}}})

    assert sent.data["extra"] == 1
    assert sent.data["params"] == sent.params
    assert sent.params == {
        "name": "t",
        "arguments": {},
        "odd": 2,
        "requestState": "s",
        "inputResponses": {"a": {}},
        "_meta": {
            "progressToken": 9,
            f"{PREFIX}protocolVersion": "2026-07-28",
            f"{PREFIX}clientCapabilities": {"sampling": {}},
            f"{PREFIX}clientInfo": {"name": "c", "version": "1"},
            f"{PREFIX}logLevel": "info",
        },
    }


def test_no_level_and_no_name_are_not_made_up() -> None:
    assert set(to_modern.envelope({}, None, "")) == {
        f"{PREFIX}protocolVersion",
        f"{PREFIX}clientCapabilities",
    }


def test_capabilities_of_the_handshake_era_alone_are_not_declared() -> None:
    declared = {
        "roots": {"listChanged": True},
        "tasks": {},
        "elicitation": {"form": {}},
        "extensions": {f"{PREFIX}tasks": {}, "com.x/y": {}},
        "odd": {},
    }

    assert to_modern.capabilities(declared) == {
        "roots": {},
        "elicitation": {"form": {}},
        "extensions": {"com.x/y": {}},
        "odd": {},
    }
    assert to_modern.capabilities(None) == {}


def test_a_result_loses_what_only_modern_clients_know() -> None:
    result = {
        "resultType": "complete",
        "ttlMs": 5,
        "cacheScope": "public",
        "content": [],
        "odd": 1,
        "_meta": {f"{PREFIX}serverInfo": {"name": "s"}, "x": 2},
    }

    told = to_modern.answer(legacy("tools/call"), {"id": 99, "result": result}, "2025-11-25")

    assert told == {"id": 3, "result": {"content": [], "odd": 1, "_meta": {"x": 2}}}


CODES: dict[str, tuple[str, dict[str, Any], int]] = {
    "a header that the proxy made": ("tools/call", {"code": -32020}, -32603),
    "a revision that the proxy chose": ("tools/call", {"code": -32022}, -32603),
    "a capability that is missing": ("tools/call", {"code": -32021, "data": {"x": 1}}, -32600),
    "a resource that is not there": (
        "resources/read",
        {"code": -32602, "data": {"uri": "memo:x"}},
        -32002,
    ),
    "parameters of another kind": ("resources/read", {"code": -32602}, -32602),
    "anything else": ("tools/call", {"code": -32601}, -32601),
}


@pytest.mark.parametrize(("method", "error", "wanted"), CODES.values(), ids=CODES.keys())
def test_errors_have_the_codes_of_the_clients_era(
    method: str, error: dict[str, Any], wanted: int
) -> None:
    full = {"message": "no", **error}

    told = to_modern.answer(legacy(method), {"id": 1, "error": full}, "2025-06-18")["error"]

    assert told == {**full, "code": wanted}


def test_a_page_has_an_elicitation_id_of_ours() -> None:
    one = {
        "method": "elicitation/create",
        "params": {"mode": "url", "message": "?", "url": "https://e.org", "odd": 1},
    }

    body = to_modern.question(one, "ostiary-4", "2025-11-25")

    assert body["id"] == "ostiary-4"
    assert body["params"] == {**one["params"], "elicitationId": "ostiary-4"}
    assert "params" not in to_modern.question({"method": "roots/list"}, "q", "2025-06-18")


def test_a_question_that_the_client_cannot_be_asked_is_named() -> None:
    """Obligation 34."""
    asked = {"a": {"method": "roots/list"}, "b": {"method": "sampling/createMessage"}}

    assert to_modern.unanswerable(asked, {"roots": {}}) == "sampling/createMessage"
    assert to_modern.unanswerable(asked, {"roots": {}, "sampling": {}}) == ""
    assert to_modern.unanswerable({"a": {"method": "odd"}}, {"odd": {}}) == "something unknown"
    assert to_modern.unanswerable({"a": {}}, {}) == "something unknown"


REPLIES: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None]] = {
    "a result": ("roots/list", {"result": {"roots": []}}, {"roots": []}),
    "a form that was not shown": ("elicitation/create", {"error": {}}, {"action": "cancel"}),
    "a model that did not answer": ("sampling/createMessage", {"error": {}}, None),
}


@pytest.mark.parametrize(("method", "response", "wanted"), REPLIES.values(), ids=REPLIES.keys())
def test_a_clients_response(
    method: str, response: dict[str, Any], wanted: dict[str, Any] | None
) -> None:
    assert to_modern.reply(method, response) == wanted


def test_a_subscriptions_id_is_kept_from_a_legacy_client() -> None:
    """Obligation 51."""
    meta = {f"{PREFIX}subscriptionId": 4}
    bare = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    updated = {"jsonrpc": "2.0", "method": "notifications/resources/updated"}

    assert to_modern.notification({**bare, "params": {"_meta": meta}}) == bare
    assert to_modern.notification({**updated, "params": {"uri": "a", "_meta": meta}}) == {
        **updated,
        "params": {"uri": "a"},
    }


def test_only_an_object_is_a_question() -> None:
    assert to_modern.questions({"inputRequests": {"a": {"method": "x"}, "b": 1}}) == {
        "a": {"method": "x"}
    }
    assert to_modern.questions({"inputRequests": []}) == {}
    assert to_modern.asks({"result": {"resultType": "input_required"}})
    assert not to_modern.asks({"result": {"resultType": "complete"}})
    assert not to_modern.asks({"error": {}})
