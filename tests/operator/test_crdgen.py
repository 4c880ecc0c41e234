"""The CRDs: as committed, and by the rules that every CRD of ours keeps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import re2
import yaml

from ostiary_operator import crdgen
from ostiary_operator.api.schema import Part
from ostiary_operator.crdgen import KINDS, Kind, definition, file_name, render, structural

CRDS = Path(__file__).resolve().parents[2] / "crds"


def kind_id(kind: Kind) -> str:
    return kind.kind


def schema_of(kind: Kind) -> dict[str, Any]:
    (version,) = definition(kind)["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part of spec and status with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        if path or name in ("spec", "status"):
            yield from nodes(part, f"{path}.{name}".lstrip("."))
    for field in ("items", "additionalProperties"):
        if field in schema:
            yield from nodes(schema[field], f"{path}[]")


PARTS = [
    pytest.param(part, id=f"{kind.kind}.{path}")
    for kind in KINDS
    for path, part in nodes(schema_of(kind))
    if path
]


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_what_is_committed_is_what_the_models_say(kind: Kind) -> None:
    committed = (CRDS / file_name(kind)).read_text(encoding="utf-8")

    assert committed == render(kind), "write them again: python -m ostiary_operator.crdgen crds/"


def test_nothing_else_is_committed(tmp_path: Path) -> None:
    crdgen.main([str(tmp_path)])

    assert {it.name for it in tmp_path.iterdir()} == {it.name for it in CRDS.iterdir()}


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_a_crd_is_smaller_than_256_kib(kind: Kind) -> None:
    assert len(render(kind)) < 256 * 1024


@pytest.mark.parametrize("part", PARTS)
def test_a_part_keeps_the_rules_of_every_crd(part: dict[str, Any]) -> None:
    limits = {"string": "maxLength", "array": "maxItems"}
    kind = part.get("type")

    assert not {"default", "nullable", "$ref", "title", "allOf", "oneOf"} & set(part)
    assert part.get("additionalProperties") is not False
    assert kind in ("string", "array", "object", "integer", "boolean") or (
        part.get("x-kubernetes-int-or-string")
    )
    assert kind not in limits or limits[kind] in part or "enum" in part
    assert kind != "array" or "x-kubernetes-list-type" in part
    assert "additionalProperties" not in part or "maxProperties" in part


@pytest.mark.parametrize("part", PARTS)
def test_patterns_are_re2(part: dict[str, Any]) -> None:
    if "pattern" in part:
        re2.compile(part["pattern"])


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_each_field_is_described_and_says_its_default(kind: Kind) -> None:
    parts = {path: part for path, part in nodes(schema_of(kind)) if path and path[-1] != "]"}
    spec = {path: part for path, part in parts.items() if path.startswith("spec.")}

    undescribed = [path for path, part in parts.items() if not part.get("description")]
    silent = [
        path
        for path, part in spec.items()
        if "Default" not in part["description"] and "Required" not in part["description"]
    ]

    assert undescribed == []
    assert silent == []


def test_columns_are_the_documented_ones() -> None:
    columns = {kind.kind: [(it.name.upper(), it.wide) for it in kind.columns] for kind in KINDS}

    assert columns == {
        "MCPServer": [
            ("READY", False),
            ("PRIVATE", False),
            ("CALLERS", False),
            ("TOOLS", False),
            ("URL", False),
            ("PROTOCOL", True),
            ("PROXY", True),
            ("AGE", False),
        ],
        "MCPGroup": [
            ("READY", False),
            ("SERVERS", False),
            ("TOOLS", False),
            ("URL", False),
            ("AGE", False),
        ],
        "MCPAccessPolicy": [
            ("ACCEPTED", False),
            ("ENFORCED", False),
            ("TARGETS", False),
            ("AGE", False),
        ],
        "MCPAccessToken": [
            ("READY", False),
            ("USER", False),
            ("OPENS", False),
            ("ENFORCED", False),
            ("EXPIRES", False),
            ("AGE", False),
        ],
    }


def test_names_claim_nothing_that_others_own() -> None:
    names = [definition(kind)["spec"]["names"] for kind in KINDS]

    assert [it["shortNames"] for it in names] == [["oserver"], ["ogroup"], ["opolicy"], ["otoken"]]
    assert [it["categories"] for it in names] == [["ostiary"]] * 4


@pytest.mark.parametrize("kind", KINDS[:2], ids=kind_id)
def test_servers_and_groups_can_be_scaled(kind: Kind) -> None:
    (version,) = definition(kind)["spec"]["versions"]

    assert version["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }


def test_a_keyword_without_a_place_in_a_crd_is_no_crd() -> None:
    with pytest.raises(ValueError, match="no place in a structural schema for if"):
        structural({"type": "object", "if": {}})


def test_a_union_is_no_crd() -> None:
    class Either(Part):
        a: int | str

    with pytest.raises(ValueError, match="no union"):
        structural(Either.model_json_schema())


def test_yaml_reads_it_back_as_it_was() -> None:
    for kind in KINDS:
        assert yaml.safe_load(render(kind)) == definition(kind)
