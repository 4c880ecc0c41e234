"""MCPAccessPolicy: who may call what on which servers and groups.

Rules add up; a deny always wins; a server that no policy selects refuses everybody.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from ostiary_proxy.config import complaint

from .fields import DnsLabel, Glob, LabelSelector, Namespaces, Subdomain, UriGlob
from .limits import CallerRate
from .metadata import Metadata
from .names import GROUP_KIND
from .schema import ATOMIC, SET, Part, Rule, at_least_one, keyed
from .subjects import From, Who

Globs = Annotated[
    tuple[Glob, ...] | None, Field(min_length=1, max_length=256, json_schema_extra=ATOMIC)
]
UriGlobs = Annotated[
    tuple[UriGlob, ...] | None, Field(min_length=1, max_length=256, json_schema_extra=ATOMIC)
]


class TargetRef(Part):
    kind: Literal["MCPServer", "MCPGroup"]
    """Kind of the target. A policy on a group grants nothing: it narrows, for callers who come
    through the group, what the members' own policies grant. Required."""
    name: Subdomain
    """Name of the target, in this namespace. Required."""


class Allow(Part):
    laws: ClassVar = (
        at_least_one(
            "tools",
            "resources",
            "prompts",
            "effects",
            message="say what is allowed: tools, resources, prompts or effects, "
            'for example tools: ["*"]',
        ),
        Rule(
            cel="!has(self.effects) || has(self.tools) "
            "|| !(has(self.resources) || has(self.prompts))",
            message='effects narrow tools: write tools as well, for example tools: ["*"]',
            holds=lambda it: (
                it.effects is None
                or it.tools is not None
                or (it.resources is None and it.prompts is None)
            ),
        ),
    )

    tools: Globs = None
    """Tools that may be called; `*` stands for any text. Default: none."""
    resources: UriGlobs = None
    """Resources that may be read, by URI; `*` stands for any text. Default: none."""
    prompts: Globs = None
    """Prompts that may be used; `*` stands for any text. Default: none."""
    effects: Annotated[
        tuple[Literal["ReadOnly", "Idempotent", "Destructive", "OpenWorld"], ...] | None,
        Field(min_length=1, max_length=4, json_schema_extra=SET),
    ] = None
    """Of the tools only those with one of these effects, as the MCPServer's spec.tools.effects has
    them; without any list: every tool with one of them. Default: tools are allowed whatever they
    do."""
    servers: Globs = None
    """In a policy on groups, the members that the rule speaks of, by alias; `*` stands for any
    text. Default: every member."""


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
    when: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """CEL that must hold as well, over args (of the call), caller and tool, for example
    args.path.startsWith('/public/'); an error does not hold. Default: nothing more."""
    limits: CallerRate | None = None
    """How often each caller may do what this rule allows; beyond it 429 with Retry-After. Default:
    no limit."""

    @field_validator("when")
    @classmethod
    def _is_understood(cls, value: str | None) -> str | None:
        found = complaint(value) if value else ""
        if found:
            raise PydanticCustomError("expression", "{found}", {"found": found})
        return value


class Deny(Part):
    laws: ClassVar = (
        at_least_one(
            "tools",
            "resources",
            "prompts",
            "from",
            message="say what is denied, or to whom: tools, resources, prompts or from, "
            'for example tools: ["*"]',
        ),
    )

    tools: Globs = None
    """Tools that may not be called. Default: none, or everything when all three lists are left
    out."""
    resources: UriGlobs = None
    """Resources that may not be read, by URI. Default: none, as tools."""
    prompts: Globs = None
    """Prompts that may not be used. Default: none, as tools."""
    from_: Annotated[
        tuple[Who, ...] | None,
        Field(alias="from", min_length=1, max_length=32, json_schema_extra=ATOMIC),
    ] = None
    """Whom it is denied to: any of these. Default: everybody."""


class MCPAccessPolicySpec(Part):
    laws: ClassVar = (
        Rule(
            cel="(has(self.scope) && self.scope == 'Cluster') "
            "|| has(self.targetRefs) != has(self.selector)",
            message="write exactly one of targetRefs and selector; selector: {} means every "
            "MCPServer of the namespace",
            holds=lambda it: (
                it.scope == "Cluster" or (it.targetRefs is None) != (it.selector is None)
            ),
        ),
        Rule(
            cel="!(has(self.scope) && self.scope == 'Cluster') "
            "|| !(has(self.targetRefs) || has(self.selector))",
            message="scope: Cluster speaks of every MCPServer of its namespaces: leave targetRefs "
            "and selector out",
            holds=lambda it: (
                it.scope != "Cluster" or (it.targetRefs is None and it.selector is None)
            ),
        ),
        Rule(
            cel="(has(self.scope) && self.scope == 'Cluster') == has(self.namespaces)",
            message="write namespaces with scope: Cluster, and only then: its ceiling is over "
            "their servers",
            holds=lambda it: (it.scope == "Cluster") == (it.namespaces is not None),
        ),
        Rule(
            cel="!has(self.rules) || !self.rules.exists(r, has(r.allow.servers)) "
            "|| (has(self.targetRefs) && self.targetRefs.all(t, t.kind == 'MCPGroup'))",
            message="allow.servers speaks of members of groups: leave it out, or let every "
            "targetRef be a kind: MCPGroup",
            holds=lambda it: (
                all(rule.allow.servers is None for rule in it.rules or ()) or it.is_of_groups
            ),
            field="rules",
        ),
        Rule(
            cel="(has(self.rules) && size(self.rules) > 0) "
            "|| (has(self.deny) && size(self.deny) > 0)",
            message="write at least one rule, or one deny",
            holds=lambda it: bool(it.rules) or bool(it.deny),
        ),
    )

    scope: Literal["Namespace", "Cluster"] | None = None
    """Namespace: rules grant, on servers of this namespace. Cluster: a ceiling, which grants
    nothing: on servers of `namespaces` nobody may do more than its rules say, if it has any, and
    its denials hold; only in the namespace that the settings call policyNamespace. Default:
    Namespace."""
    mode: Literal["Enforce", "Observe"] | None = None
    """Enforce: the policy is in force. Observe: it never grants and never refuses; what it would
    have decided otherwise is counted in status, metrics and audit. Default: Enforce."""
    namespaces: Namespaces | None = None
    """With scope: Cluster, the namespaces whose servers the ceiling is over. Default: none;
    required with scope: Cluster."""
    targetRefs: Annotated[
        tuple[TargetRef, ...] | None,
        Field(min_length=1, max_length=64, json_schema_extra=keyed("kind", "name")),
    ] = None
    """Servers and groups that the policy speaks of, by name. Default: none; exactly one of
    targetRefs and selector is needed, but with scope: Cluster."""
    selector: LabelSelector | None = None
    """Servers of this namespace that the policy speaks of, by label; {} means all. Default: none;
    exactly one of targetRefs and selector is needed, but with scope: Cluster."""
    rules: Annotated[
        tuple[AccessRule, ...] | None,
        Field(max_length=64, json_schema_extra=keyed("name")),
    ] = None
    """Rules, which add up. Default: none."""
    deny: Annotated[tuple[Deny, ...] | None, Field(max_length=64, json_schema_extra=ATOMIC)] = None
    """What nobody may do, whatever any rule of any policy says. Default: none."""

    @property
    def is_of_groups(self) -> bool:
        """Of nothing but groups."""
        return bool(self.targetRefs) and all(it.kind == GROUP_KIND for it in self.targetRefs or ())

    @property
    def is_ceiling(self) -> bool:
        return self.scope == "Cluster"

    @property
    def is_observed(self) -> bool:
        return self.mode == "Observe"


class MCPAccessPolicy(Part):
    """Who may call what on which MCPServers of this namespace. Rules add up; a deny always wins."""

    apiVersion: Literal["ostiary.dev/v1alpha1"]
    kind: Literal["MCPAccessPolicy"]
    metadata: Metadata
    spec: MCPAccessPolicySpec
    """Which servers, who, and what."""
