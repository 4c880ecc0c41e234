"""MCPAccessPolicy: who may call what on which servers.

Rules add up; a deny always wins; a server that no policy selects refuses everybody.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .fields import (
    AccountGlob,
    DnsLabel,
    Glob,
    LabelSelector,
    Namespaces,
    Subdomain,
    UriGlob,
)
from .metadata import Metadata
from .schema import ATOMIC, Part, Rule, at_least_one, exactly_one, keyed

Globs = Annotated[
    tuple[Glob, ...] | None, Field(min_length=1, max_length=256, json_schema_extra=ATOMIC)
]
UriGlobs = Annotated[
    tuple[UriGlob, ...] | None, Field(min_length=1, max_length=256, json_schema_extra=ATOMIC)
]


class TargetRef(Part):
    kind: Literal["MCPServer"]
    """Kind of the target. Required."""
    name: Subdomain
    """Name of the target, in this namespace. Required."""


class ServiceAccounts(Part):
    names: Annotated[
        tuple[AccountGlob, ...], Field(min_length=1, max_length=64, json_schema_extra=ATOMIC)
    ]
    """Names of ServiceAccounts; `*` stands for any text. Required."""
    namespaces: Namespaces | None = None
    """Namespaces that these accounts live in; they shape the NetworkPolicy too. Default: the
    namespace of this policy."""


class Anonymous(Part):
    """Everybody, without a token."""


class From(Part):
    laws: ClassVar = (
        exactly_one(
            "serviceAccounts",
            "anonymous",
            message="write exactly one of serviceAccounts and anonymous in each entry",
        ),
    )

    serviceAccounts: ServiceAccounts | None = None
    """Callers with a token of such a Kubernetes ServiceAccount. Default: none."""
    anonymous: Anonymous | None = None
    """Callers without a token, from every namespace; write anonymous: {}. Default: none."""


class Allow(Part):
    laws: ClassVar = (
        at_least_one(
            "tools",
            "resources",
            "prompts",
            message='say what is allowed: tools, resources or prompts, for example tools: ["*"]',
        ),
    )

    tools: Globs = None
    """Tools that may be called; `*` stands for any text. Default: none."""
    resources: UriGlobs = None
    """Resources that may be read, by URI; `*` stands for any text. Default: none."""
    prompts: Globs = None
    """Prompts that may be used; `*` stands for any text. Default: none."""


class AccessRule(Part):
    name: DnsLabel
    """Name of the rule, unique in this policy; audit lines bear it. Required."""
    from_: Annotated[
        tuple[From, ...],
        Field(alias="from", min_length=1, max_length=32, json_schema_extra=ATOMIC),
    ]
    """Who: any of these. Required."""
    allow: Allow
    """What they may do. Required."""


class Deny(Part):
    laws: ClassVar = (
        at_least_one(
            "tools",
            "resources",
            "prompts",
            message='say what is denied: tools, resources or prompts, for example tools: ["*"]',
        ),
    )

    tools: Globs = None
    """Tools that nobody may call. Default: none."""
    resources: UriGlobs = None
    """Resources that nobody may read, by URI. Default: none."""
    prompts: Globs = None
    """Prompts that nobody may use. Default: none."""


class MCPAccessPolicySpec(Part):
    laws: ClassVar = (
        exactly_one(
            "targetRefs",
            "selector",
            message="write exactly one of targetRefs and selector; selector: {} means every "
            "MCPServer of the namespace",
        ),
        Rule(
            cel="(has(self.rules) && size(self.rules) > 0) "
            "|| (has(self.deny) && size(self.deny) > 0)",
            message="write at least one rule, or one deny",
            holds=lambda it: bool(it.rules) or bool(it.deny),
        ),
    )

    targetRefs: Annotated[
        tuple[TargetRef, ...] | None,
        Field(min_length=1, max_length=64, json_schema_extra=keyed("kind", "name")),
    ] = None
    """Servers that the policy speaks of, by name. Default: none; exactly one of targetRefs and
    selector is needed."""
    selector: LabelSelector | None = None
    """Servers of this namespace that the policy speaks of, by label; {} means all. Default: none;
    exactly one of targetRefs and selector is needed."""
    rules: Annotated[
        tuple[AccessRule, ...] | None,
        Field(max_length=64, json_schema_extra=keyed("name")),
    ] = None
    """Rules, which add up. Default: none."""
    deny: Annotated[tuple[Deny, ...] | None, Field(max_length=64, json_schema_extra=ATOMIC)] = None
    """What nobody may do, whatever any rule of any policy says. Default: none."""


class MCPAccessPolicy(Part):
    """Who may call what on which MCPServers of this namespace. Rules add up; a deny always wins."""

    apiVersion: Literal["ostiary.dev/v1alpha1"]
    kind: Literal["MCPAccessPolicy"]
    metadata: Metadata
    spec: MCPAccessPolicySpec
    """Which servers, who, and what."""
