"""The digest of what a model is told of a tool."""

import json
from typing import Any

import pytest

from ostiary_proxy.config import ToolReport
from ostiary_proxy.tool_digest import TOLD, canonical, digest, hints, report, twin, whole

TOOL: dict[str, Any] = {"name": "a", "description": "x", "inputSchema": {"type": "object"}}


@pytest.mark.parametrize("key", TOLD)
def test_each_field_that_a_model_is_told_changes_it(key: str) -> None:
    assert digest({**TOOL, key: "another"}) != digest(TOOL)


def test_neither_order_nor_what_no_model_is_told_changes_it() -> None:
    assert digest(dict(reversed(TOOL.items()))) == digest(TOOL)
    assert digest({**TOOL, "icons": [], "title": None}) == digest(TOOL)
    assert report(TOOL) == ToolReport(name="a", digest=digest(TOOL))
    assert digest(TOOL).startswith("sha256:")


def test_the_whole_is_of_all_tools_in_any_order() -> None:
    one, other = report(TOOL), report({**TOOL, "name": "b"})
    assert whole((one, other)) == whole((other, one))
    assert len({whole(()), whole((one,)), whole((one, one)), whole((one, other))}) == 4


def test_a_tool_has_a_twin_where_the_bridge_leaves_its_output_schema_out() -> None:
    assert twin(TOOL) == ""
    assert twin({**TOOL, "outputSchema": {"type": "object"}}) == ""
    assert twin({**TOOL, "outputSchema": {"type": "array"}}) == digest(TOOL)


def test_only_a_hint_that_is_true_in_so_many_words_is_one() -> None:
    annotations = {"readOnlyHint": True, "destructiveHint": False, "openWorldHint": "yes"}
    assert hints({**TOOL, "annotations": annotations}) == ("ReadOnly",)
    assert hints({**TOOL, "annotations": [1]}) == ()


@pytest.mark.parametrize(
    "value",
    [
        {"b": 1, "a": {"d": [{"f": 1, "e": 2}], "c": None}},
        {"\U00010000": 1, "\uffff": 2, "\u00e9": 3, "z": 4, "": 5},
        {"b": 2**70, "a": 1.5},
    ],
    ids=["nested", "beyond the plane", "long number"],
)
def test_the_canonical_form_is_that_of_sorted_keys(value: dict[str, Any]) -> None:
    plain = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    assert canonical(value) == plain.encode()
