"""Arguments of tools that headers repeat."""

from typing import Any

import pytest

from ostiary_proxy.mirror import Mirror, headers, mirrors


def tool(name: object = "t", **properties: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


REGION = {"type": "string", "x-mcp-header": "Region"}
NESTED = {"type": "object", "properties": {"region": REGION}}


def test_an_annotated_argument_is_found_by_its_path() -> None:
    assert mirrors([tool(where=NESTED)]) == {
        "t": (Mirror(b"mcp-param-region", ("where", "region")),)
    }


@pytest.mark.parametrize(
    "listed",
    [
        tool(a={"type": "string"}),
        tool(a={"type": "object", "x-mcp-header": "A"}),
        tool(a=REGION, b=REGION),
        tool(7, a=REGION),
        {"name": "t"},
    ],
    ids=["no annotation", "a flawed one", "one header twice", "no name", "no schema"],
)
def test_what_no_client_may_follow_mirrors_nothing(listed: dict[str, Any]) -> None:
    assert mirrors([listed]) == {}


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("eu", b"eu"),
        (" eu", b"=?base64?IGV1?="),
        (7, b"7"),
        (True, b"true"),
        (None, None),
        ([], None),
    ],
)
def test_an_argument_becomes_a_header(value: object, header: bytes | None) -> None:
    mirror = Mirror(b"mcp-param-region", ("where", "region"))

    made = dict(headers((mirror,), {"where": {"region": value}}))

    assert made == ({} if header is None else {b"mcp-param-region": header})
