"""MCPGroup: many servers behind one endpoint, as members that both sides agreed to.

A member is an MCPServer that the group names or selects and that exposes itself to the group's
namespace (`spec.exposeTo`); `memberships` decides which are.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ostiary_proxy.config import ALIAS_PATTERN

from .expose import Expose
from .fields import DnsLabel, LabelSelector, Namespaces
from .metadata import Metadata
from .object_names import GROUP_NAME_LENGTH, NAME_PATTERN, SERVER_NAME_LENGTH, name_rules
from .schema import ATOMIC, Part, Rule, exactly_one

Alias = Annotated[str, Field(max_length=SERVER_NAME_LENGTH, pattern=ALIAS_PATTERN)]


class ServerRef(Part):
    name: Annotated[str, Field(max_length=SERVER_NAME_LENGTH, pattern=NAME_PATTERN)]
    """Name of the MCPServer. Required."""
    namespace: DnsLabel | None = None
    """Namespace that it is in. Default: the group's."""


class MemberEntry(Part):
    laws: ClassVar = (
        exactly_one(
            "server",
            "selector",
            message="write exactly one of server and selector in each entry",
        ),
        Rule(
            cel="!has(self.alias) || has(self.server)",
            message="an alias is for one server: write it beside server",
            holds=lambda it: it.alias is None or it.server is not None,
            field="alias",
        ),
        Rule(
            cel="!has(self.namespaces) || has(self.selector)",
            message="namespaces says where selector selects: beside server write server.namespace",
            holds=lambda it: it.namespaces is None or it.selector is not None,
            field="namespaces",
        ),
    )

    server: ServerRef | None = None
    """One MCPServer by name. Default: none; exactly one of server and selector is needed."""
    alias: Alias | None = None
    """What the server is called in this group: the prefix of its tools, and its place in the path
    /servers/ALIAS/mcp. Of two alike the older server keeps it. Default: the server's name."""
    selector: LabelSelector | None = None
    """Every MCPServer with these labels; {} means all. Default: none; exactly one of server and
    selector is needed."""
    namespaces: Namespaces | None = None
    """Namespaces that selector selects in. Default: the group's own."""


class GroupNaming(Part):
    mode: Literal["Always", "Never"] | None = None
    """Always: tools and prompts are called ALIAS, separator, and their own name; Never: as their
    server calls them, and of two alike neither is served. Default: Always."""
    separator: Literal["_", "__", "."] | None = None
    """Between alias and name. Default: _."""
    maxLength: Annotated[int, Field(ge=32, le=128)] | None = None
    """Characters of a whole name; a longer one is cut, with a hash at its end that never changes.
    Default: 45, which leaves room for the prefix that clients add."""


class MCPGroupSpec(Part):
    members: Annotated[
        tuple[MemberEntry, ...], Field(min_length=1, max_length=256, json_schema_extra=ATOMIC)
    ]
    """Servers of the group, any of these. Each must expose itself to the group's namespace too, by
    its own spec.exposeTo. Required."""
    naming: GroupNaming | None = None
    """What the members' tools and prompts are called here. Default: see each field."""
    onMemberFailure: Literal["Continue", "Fail"] | None = None
    """When a member cannot be asked. Continue: lists hold what it had last, marked stale, or leave
    it out; Fail: lists are refused while it is missing from them. Default: Continue."""
    discovery: Literal["None", "Search"] | None = None
    """Search: in place of all tools clients see find_tools and call_tool, over the tools that they
    may call: for groups with hundreds of them. Default: None."""
    expose: Expose | None = None
    """A way in from outside the cluster, beside the one inside it; each member's own endpoint lies
    below it, at /servers/ALIAS/mcp. Default: none."""
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Pods of the gateway. Default: 1, without writing it here."""


class MCPGroup(Part):
    """Many MCP servers behind one endpoint, with one list of tools.

    Who may call which tool is the word of the members' own policies; a policy of the group's can
    only narrow it.
    """

    laws: ClassVar = name_rules(GROUP_NAME_LENGTH, "everyday")

    apiVersion: Literal["ostiary.dev/v1alpha1"]
    kind: Literal["MCPGroup"]
    metadata: Metadata
    spec: MCPGroupSpec
    """Which servers, and what clients see of them."""
