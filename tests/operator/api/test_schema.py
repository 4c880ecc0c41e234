"""Rules written once, read twice; closed and strict models."""

import pytest
import re2
from pydantic import ValidationError

from ostiary_operator.api.schema import Part, Rule, at_least_one, exactly_one

# Importing the kinds is what makes every model a subclass of Part.
from ostiary_operator.api import MCPAccessPolicy, MCPServer  # isort: skip


def models() -> list[type[Part]]:
    found: list[type[Part]] = []
    todo: list[type[Part]] = [MCPServer, MCPAccessPolicy, *Part.__subclasses__()]
    while todo:
        model = todo.pop()
        if model not in found and model.__module__.startswith("ostiary_operator"):
            found.append(model)
            todo += model.__subclasses__()
    return found


LAWS = [
    pytest.param(model, law, id=f"{model.__name__}-{law.message[:30]}")
    for model in models()
    for law in model.laws
]


class Pair(Part):
    laws = (
        exactly_one("a", "b", message="write a or b"),
        at_least_one("b", "c", message="write b or c"),
    )

    a: int | None = None
    b: int | None = None
    c: int | None = None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"a": 1, "c": 1}, []),
        ({"b": 1}, []),
        ({}, ["write a or b", "write b or c"]),
        ({"a": 1, "b": 1}, ["write a or b"]),
        ({"a": 1}, ["write b or c"]),
    ],
    ids=str,
)
def test_all_broken_rules_are_said_at_once(given: dict[str, int], said: list[str]) -> None:
    try:
        Pair(**given)
        found: list[str] = []
    except ValidationError as err:
        found = [message for _, message in err.errors()[0]["ctx"]["violations"]]

    assert found == said


def test_the_schema_bears_the_rules() -> None:
    rules = Pair.model_json_schema()["x-kubernetes-validations"]

    assert rules == [
        {
            "rule": "[has(self.a), has(self.b)].filter(given, given).size() == 1",
            "message": "write a or b",
        },
        {"rule": "has(self.b) || has(self.c)", "message": "write b or c"},
    ]


@pytest.mark.parametrize(("model", "law"), LAWS)
def test_a_rule_names_a_field_that_exists(model: type[Part], law: Rule) -> None:
    names = {info.alias or name for name, info in model.model_fields.items()}

    assert not law.field or law.field in names


@pytest.mark.parametrize(("model", "law"), LAWS)
def test_a_rules_patterns_are_re2(model: type[Part], law: Rule) -> None:
    for piece in law.cel.split("matches('")[1:]:
        re2.compile(piece.split("')")[0])


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_a_model_is_closed_strict_and_described(model: type[Part]) -> None:
    config = model.model_config
    undescribed = [
        name
        for name, info in model.model_fields.items()
        if not info.description and name not in ("apiVersion", "kind", "metadata")
    ]

    assert (config.get("extra"), config.get("strict"), config.get("frozen")) == (
        "forbid",
        True,
        True,
    )
    assert undescribed == []


def test_a_manifest_leaves_out_what_was_not_said() -> None:
    assert Pair(b=1).as_manifest() == {"b": 1}
