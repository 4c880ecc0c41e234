"""Field types that several kinds share: names, globs, labels, quantities, namespaces.

Patterns are RE2 and carry a length, because the API server budgets CEL by lengths.
"""

import re
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from .schema import ATOMIC, Part, Rule

DNS_LABEL_PATTERN: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL_KEY_PATTERN: Final = (
    r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
LABEL_VALUE_PATTERN: Final = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
GLOB_PATTERN: Final = "^[!-~]([ -~]*[!-~])?$"
ACCOUNT_GLOB_PATTERN: Final = "^[-a-z0-9.*]+$"
QUANTITY_PATTERN: Final = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)

DnsLabel = Annotated[str, Field(max_length=63, pattern=DNS_LABEL_PATTERN)]
Subdomain = Annotated[str, Field(max_length=253, pattern=SUBDOMAIN_PATTERN)]
SubdomainOrNone = Annotated[
    str, Field(max_length=253, pattern=f"^({SUBDOMAIN_PATTERN.strip('^$')})?$")
]
"""Empty is as good as left out: templates and tools write it so."""
LabelKey = Annotated[str, Field(max_length=317, pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_VALUE_PATTERN)]
AnnotationValue = Annotated[str, Field(max_length=4096)]
Glob = Annotated[str, Field(max_length=128, pattern=GLOB_PATTERN)]
UriGlob = Annotated[str, Field(max_length=512, pattern=GLOB_PATTERN)]
AccountGlob = Annotated[str, Field(max_length=253, pattern=ACCOUNT_GLOB_PATTERN)]
DataKey = Annotated[str, Field(max_length=253, pattern="^[-._a-zA-Z0-9]+$")]


def _quantity(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and len(value) <= 32 and re.fullmatch(QUANTITY_PATTERN[1:-1], value):
        return value
    raise PydanticCustomError("quantity", "write a quantity such as 500m, 2 or 256Mi")


def _int_or_string(value: object) -> int | str:
    if isinstance(value, (int, str)) and not isinstance(value, bool) and len(str(value)) <= 63:
        return value
    raise PydanticCustomError("int_or_string", "write a whole number, or a name of 63 characters")


_either: Final[dict[str, Any]] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}
Quantity = Annotated[
    int | str,
    PlainValidator(_quantity),
    WithJsonSchema({**_either, "maxLength": 32, "pattern": QUANTITY_PATTERN}),
]
IntOrString = Annotated[
    int | str,
    PlainValidator(_int_or_string),
    WithJsonSchema({**_either, "maxLength": 63}),
]

# A map's keys have no place in a structural schema, so a rule of the model that holds it has them.
MapKey = Annotated[str, Field(max_length=317)]
LabelMap = Annotated[dict[MapKey, LabelValue] | None, Field(max_length=32)]
AnnotationMap = Annotated[dict[MapKey, AnnotationValue] | None, Field(max_length=32)]
_key_cel: Final = f"k.matches('{LABEL_KEY_PATTERN}')"


def label_keys(field: str) -> Rule:
    return Rule(
        cel=f"!has(self.{field}) || self.{field}.all(k, {_key_cel})",
        message="a key is not valid: write [prefix/]name, for example example.com/team",
        holds=lambda it: all(
            re.fullmatch(LABEL_KEY_PATTERN[1:-1], key) for key in getattr(it, field) or ()
        ),
        field=field,
    )


class LabelSelectorRequirement(Part):
    laws: ClassVar = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            message="In and NotIn need values; Exists and DoesNotExist take none",
            holds=lambda it: (it.operator in ("In", "NotIn")) == bool(it.values),
            field="values",
        ),
    )

    key: LabelKey
    """Label key that the requirement speaks of. Required."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is compared with the values. Required."""
    values: Annotated[
        tuple[LabelValue, ...] | None, Field(max_length=64, json_schema_extra=ATOMIC)
    ] = None
    """Values to compare with: at least one for In and NotIn, none otherwise. Default: none."""


class LabelSelector(Part):
    """As everywhere in Kubernetes: all of it must match; an empty one matches everything."""

    laws: ClassVar = (label_keys("matchLabels"),)

    matchLabels: LabelMap = None
    """Labels that must be there with exactly these values. Default: none required."""
    matchExpressions: Annotated[
        tuple[LabelSelectorRequirement, ...] | None,
        Field(max_length=32, json_schema_extra=ATOMIC),
    ] = None
    """Further requirements, all of which must hold. Default: none."""


class Namespaces(Part):
    """The one shape for 'which namespaces'."""

    laws: ClassVar = (
        Rule(
            cel="(self.from == 'Selector') == has(self.selector)",
            message="write selector with from: Selector, and only then",
            holds=lambda it: (it.from_ == "Selector") == (it.selector is not None),
            field="selector",
        ),
    )

    from_: Annotated[Literal["Same", "All", "Selector"], Field(alias="from")]
    """Same: the namespace of this object; All: every namespace; Selector: those whose labels match
    `selector`. Required; leaving the whole `namespaces` out means Same."""
    selector: LabelSelector | None = None
    """Selects namespaces by label, with from: Selector only. Whoever may label a namespace can
    join. Default: none."""
