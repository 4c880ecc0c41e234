"""The CRDs, generated from the models.  `python -m ostiary_operator.crdgen crds/` writes them.

A structural schema is a small part of JSON Schema: references are inlined, optionals unwrapped,
titles and defaults dropped.  No default is ever in a CRD: one that the API server writes into a
user's object is drift for ever; defaults live in code, and in the descriptions.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from ostiary_operator.api import (
    CATEGORY,
    GROUP,
    VERSION,
    MCPAccessPolicy,
    MCPAccessToken,
    MCPGroup,
    MCPServer,
    names,
)
from ostiary_operator.api.schema import VALIDATIONS, Part
from ostiary_operator.api.status import (
    MCPAccessPolicyStatus,
    MCPAccessTokenStatus,
    MCPGroupStatus,
    MCPServerStatus,
)

Schema = dict[str, Any]

KEPT: Final = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    VALIDATIONS,
)
"""Keywords that mean the same in a structural schema, in the order they are written."""
DROPPED: Final = frozenset({"title", "default", "additionalProperties", "propertyNames", "const"})
HANDLED: Final = frozenset({"properties", "items", "anyOf", "$ref", "$defs"})


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    path: str
    type: str = "string"
    wide: bool = False
    description: str = ""

    def as_manifest(self) -> Schema:
        return {
            "name": self.name,
            "type": self.type,
            "jsonPath": self.path,
            **({"description": self.description} if self.description else {}),
            **({"priority": 1} if self.wide else {}),
        }


def _condition(kind: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].status'


AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True, slots=True)
class Kind:
    kind: str
    plural: str
    short: str
    model: type[Part]
    status: type[Part]
    columns: tuple[Column, ...]
    scalable: bool = False


KINDS: Final = (
    Kind(
        kind=names.SERVER_KIND,
        plural=names.SERVER_PLURAL,
        short="oserver",
        model=MCPServer,
        status=MCPServerStatus,
        columns=(
            Column("Ready", _condition("Ready")),
            Column("Private", _condition("BackendPrivate")),
            Column("Callers", ".status.callers", "integer"),
            Column("Tools", ".status.tools.count", "integer"),
            Column("URL", ".status.url"),
            Column("Protocol", ".status.protocol.backend", wide=True),
            Column("Proxy", ".status.proxyVersion", wide=True),
            AGE,
        ),
        scalable=True,
    ),
    Kind(
        kind=names.GROUP_KIND,
        plural=names.GROUP_PLURAL,
        short="ogroup",
        model=MCPGroup,
        status=MCPGroupStatus,
        columns=(
            Column("Ready", _condition("Ready")),
            Column("Servers", ".status.servers", description="Members that are ready."),
            Column("Tools", ".status.tools.count", "integer"),
            Column("URL", ".status.url"),
            AGE,
        ),
        scalable=True,
    ),
    Kind(
        kind=names.POLICY_KIND,
        plural=names.POLICY_PLURAL,
        short="opolicy",
        model=MCPAccessPolicy,
        status=MCPAccessPolicyStatus,
        columns=(
            Column("Accepted", _condition("Accepted")),
            Column("Enforced", ".status.enforced", description="Pods that enforce it."),
            Column("Targets", ".status.targetCount", "integer"),
            AGE,
        ),
    ),
    Kind(
        kind=names.TOKEN_KIND,
        plural=names.TOKEN_PLURAL,
        short="otoken",
        model=MCPAccessToken,
        status=MCPAccessTokenStatus,
        columns=(
            Column("Ready", _condition("Ready")),
            Column("User", ".spec.user"),
            Column("Opens", ".status.opens", "integer"),
            Column("Enforced", ".status.enforced", description="Pods that take it."),
            Column("Expires", ".spec.expirationTime", "date"),
            AGE,
        ),
    ),
)


def definition(kind: Kind) -> Schema:
    """The CustomResourceDefinition of a kind."""
    scale = {
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _root_schema(kind)},
                    "subresources": {"status": {}} | (scale if kind.scalable else {}),
                    "additionalPrinterColumns": [it.as_manifest() for it in kind.columns],
                }
            ],
        },
    }


def _root_schema(kind: Kind) -> Schema:
    schema = kind.model.model_json_schema(by_alias=True)
    status = structural(kind.status.model_json_schema(by_alias=True))
    rules = {VALIDATIONS: schema[VALIDATIONS]} if VALIDATIONS in schema else {}
    return {
        "description": " ".join(schema["description"].split()),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _convert(schema["properties"]["spec"], schema["$defs"]),
            "status": {**status, "description": "What the operator has seen. Written by it alone."},
        },
        **rules,
    }


def structural(schema: Mapping[str, Any]) -> Schema:
    """A pydantic JSON schema as the API server takes it."""
    return _convert(schema, schema.get("$defs", {}))


def _convert(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    flat = _flatten(schema, definitions)
    unknown = set(flat) - set(KEPT) - DROPPED - HANDLED
    if unknown:
        raise ValueError(f"no place in a structural schema for {', '.join(sorted(unknown))}")
    result: Schema = {key: flat[key] for key in KEPT if key in flat}
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if "const" in flat:
        result["enum"] = [flat["const"]]
    if "anyOf" in flat:
        result["anyOf"] = flat["anyOf"]
    values = _map_values(flat)
    if values is not None:
        result["additionalProperties"] = _convert(values, definitions)
    if "items" in flat:
        result["items"] = _convert(flat["items"], definitions)
    if "properties" in flat:
        result["properties"] = {
            name: _convert(part, definitions) for name, part in flat["properties"].items()
        }
    return result


def _map_values(flat: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of a map's values.  Its keys have none: a CEL rule of their owner checks them."""
    values = flat.get("additionalProperties")
    return values if isinstance(values, Mapping) else None


def _flatten(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """References inlined, `X or null` unwrapped; what stands beside them wins, as it is nearer."""
    flat = dict(schema)
    while True:
        if "$ref" in flat:
            name = flat.pop("$ref").rsplit("/", maxsplit=1)[-1]
            flat = {**definitions[name], **flat}
        elif "anyOf" in flat and not flat.get("x-kubernetes-int-or-string"):
            branches = [it for it in flat.pop("anyOf") if it != {"type": "null"}]
            if len(branches) != 1:
                raise ValueError(f"a structural schema knows no union: {branches}")
            flat = {**branches[0], **flat}
        else:
            return flat


class _Dumper(yaml.SafeDumper):
    """Without anchors: every schema stands where it is used."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render(kind: Kind) -> str:
    body = yaml.dump(definition(kind), Dumper=_Dumper, sort_keys=False, width=100)
    return f"# Generated from the models by ostiary_operator.crdgen: change those.\n{body}"


def file_name(kind: Kind) -> str:
    return f"{GROUP}_{kind.plural}.yaml"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write the CRDs.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (folder / file_name(kind)).write_text(render(kind), encoding="utf-8")


if __name__ == "__main__":
    main()
