"""Content that an older client does not know reaches it as text: obligation 53."""

from typing import Any

import pytest

from ostiary_proxy import downlevel

AUDIO = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}
LINK = {"type": "resource_link", "name": "memo", "uri": "memo:one"}
TEXT = {"type": "text", "text": "words", "odd": 1}
NEWER = {"type": "hologram", "x": 1}

TABLE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "text passes": ("2024-11-05", TEXT, TEXT),
    "audio at the first revision": (
        "2024-11-05",
        AUDIO,
        {"type": "text", "text": "[audio, audio/wav]"},
    ),
    "audio at the second": ("2025-03-26", AUDIO, AUDIO),
    "a link at the second": (
        "2025-03-26",
        LINK,
        {"type": "text", "text": "[memo](memo:one)"},
    ),
    "a link at the third": ("2025-06-18", LINK, LINK),
    "a kind of the future at the second": (
        "2025-03-26",
        NEWER,
        {"type": "text", "text": '{"type":"hologram","x":1}'},
    ),
    "a kind of the future at the newest": ("2025-11-25", NEWER, NEWER),
}


@pytest.mark.parametrize(("version", "item", "wanted"), TABLE.values(), ids=TABLE.keys())
def test_a_tools_content(version: str, item: dict[str, Any], wanted: dict[str, Any]) -> None:
    value = {"content": [item], "isError": False, "odd": 2}

    assert downlevel.result("tools/call", value, version) == {**value, "content": [wanted]}


def test_a_prompts_messages() -> None:
    value = {"messages": [{"role": "user", "content": LINK}]}

    told = downlevel.result("prompts/get", value, "2024-11-05")

    assert told["messages"] == [
        {"role": "user", "content": {"type": "text", "text": "[memo](memo:one)"}}
    ]


@pytest.mark.parametrize("structured", [[1], "text", 3, None])
def test_structured_content_that_is_no_object_is_left_out(structured: object) -> None:
    value = {"content": [TEXT], "structuredContent": structured}

    assert downlevel.result("tools/call", value, "2025-11-25") == {"content": [TEXT]}


def test_an_output_schema_that_describes_no_object_is_left_out() -> None:
    kept = {"name": "a", "outputSchema": {"type": "object"}}
    value = {"tools": [kept, {"name": "b", "outputSchema": {"type": "array"}}]}

    assert downlevel.result("tools/list", value, "2025-06-18")["tools"] == [kept, {"name": "b"}]


def test_a_question_to_an_older_model_holds_one_thing_at_a_time() -> None:
    params = {"messages": [{"role": "user", "content": [TEXT, AUDIO]}], "maxTokens": 5}

    old = downlevel.question("sampling/createMessage", params, "2024-11-05")
    new = downlevel.question("sampling/createMessage", params, "2025-11-25")

    assert [one["content"]["type"] for one in old["messages"]] == ["text", "text"]
    assert new == params
