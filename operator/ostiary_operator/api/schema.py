"""What every model of the API shares: strictness, and rules kept on both sides of the API server.

A `Rule` is one sentence of the API with two readings: CEL, which the API server evaluates, and
Python, which the operator and `ostiary up` evaluate.  The fixtures under tests/crds prove that the
two agree.  No field of any kind is defined here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

VALIDATIONS: Final = "x-kubernetes-validations"
LIST_TYPE: Final = "x-kubernetes-list-type"
LIST_KEYS: Final = "x-kubernetes-list-map-keys"
RULE_ERROR: Final = "rule"
"""Type of the pydantic error that carries violated rules in its context."""

ATOMIC: Final[dict[str, Any]] = {LIST_TYPE: "atomic"}
SET: Final[dict[str, Any]] = {LIST_TYPE: "set"}


def keyed(*keys: str) -> dict[str, Any]:
    """A list whose items are told apart by these fields, and merged by them."""
    return {LIST_TYPE: "map", LIST_KEYS: list(keys)}


@dataclass(frozen=True, slots=True)
class Rule:
    cel: str
    message: str
    """What to write instead."""
    holds: Callable[[Any], bool]
    field: str = ""
    """The field at fault, below the model that holds the rule."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule about a change: there is nothing to compare with outside of the API server."""

    cel: str
    message: str


def exactly_one(*fields: str, message: str) -> Rule:
    present = ", ".join(f"has(self.{field})" for field in fields)
    return Rule(
        cel=f"[{present}].filter(given, given).size() == 1",
        message=message,
        holds=lambda part: sum(getattr(part, field) is not None for field in fields) == 1,
    )


def at_least_one(*fields: str, message: str) -> Rule:
    return Rule(
        cel=" || ".join(f"has(self.{field})" for field in fields),
        message=message,
        holds=lambda part: any(
            # `from` is a word of Python's.
            getattr(part, "from_" if field == "from" else field) is not None
            for field in fields
        ),
    )


class Part(BaseModel):
    """A piece of a manifest: closed, frozen, and strict, as the API server is."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    laws: ClassVar[tuple[Rule, ...]] = ()
    transitions: ClassVar[tuple[Transition, ...]] = ()

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        violations = [(rule.field, rule.message) for rule in self.laws if not rule.holds(self)]
        violations += self._repeated_keys()
        if violations:
            raise PydanticCustomError(RULE_ERROR, "rules violated", {"violations": violations})
        return self

    def _repeated_keys(self) -> list[tuple[str, str]]:
        found = []
        for field, info in type(self).model_fields.items():
            extra = info.json_schema_extra
            keys = extra.get(LIST_KEYS) if isinstance(extra, dict) else None
            if isinstance(keys, list):
                items = getattr(self, field) or ()
                seen = [tuple(getattr(item, str(key)) for key in keys) for item in items]
                repeated = sorted({str(key[-1]) for key in seen if seen.count(key) > 1})
                if repeated:
                    found.append((field, f"{repeated[0]!r} is there twice: give each its own"))
        return found

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        rules = [
            {"rule": rule.cel, "message": rule.message}
            | ({"fieldPath": f".{rule.field}"} if rule.field else {})
            for rule in cls.laws
        ]
        rules += [{"rule": it.cel, "message": it.message} for it in cls.transitions]
        if rules:
            schema[VALIDATIONS] = rules
        return schema

    def as_manifest(self) -> dict[str, Any]:
        """The part as it would stand in a manifest: what was not said is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
