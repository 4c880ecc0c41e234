"""Shapes of groups, a part of `config`, where others find them: many servers behind one endpoint,
and what a member knows of the groups that it consents to.

Shapes only: no files, no clock, no decisions.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from ostiary_proxy.policy_shapes import Policy, ToolFilter
from ostiary_proxy.shape import Shape

FIND: Final = "find_tools"
CALL: Final = "call_tool"
SEARCH_TOOLS: Final = frozenset({FIND, CALL})
"""Of a group with `discovery: Search`: no member's tool is called so."""
ALIAS_PATTERN = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
"""No underscore and no dot: the first separator of a prefixed name ends the alias."""


class Naming(Shape):
    """What a member's tools and prompts are called in the group."""

    mode: Literal["Always", "Never"] = "Always"
    """Always: `<alias><separator><name>`; Never: as the member calls them."""
    separator: Literal["_", "__", "."] = "_"
    maxLength: Annotated[int, Field(ge=32, le=128)] = 45
    """Of the whole name; a longer one is cut, with a hash of (alias, name) at its end."""


class Member(Shape):
    """One server of a group, and all that decides there: lists are filtered before it is asked."""

    alias: Annotated[str, Field(pattern=ALIAS_PATTERN, max_length=54)]
    namespace: str
    name: str
    uid: str
    host: str = ""
    """Its headless Service, whose every address is a pod.  Empty: this very process (local)."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    path: str = "/mcp"
    policies: tuple[Policy, ...] = ()
    """Its own: no policy, and everybody is refused."""
    tools: ToolFilter = ToolFilter()
    sessionAffinity: Literal["Principal", "Request"] = "Principal"


class GroupBackend(Shape):
    """In a server's place: an endpoint with one list of all that its members have.  The policies
    of such a "server" are ceilings over its members'; without one the members' alone decide."""

    kind: Literal["group"] = "group"
    members: tuple[Member, ...] = ()
    """In the order of their lists; aliases differ."""
    naming: Naming = Naming()
    onMemberFailure: Literal["Continue", "Fail"] = "Continue"
    """Of lists: Continue leaves out what was never heard of; Fail refuses the list."""
    discovery: Literal["None", "Search"] = "None"
    """Search: two tools of ours, `find_tools` and `call_tool`, in place of all."""


class GroupLink(Shape):
    """A group that this server consents to be a member of."""

    namespace: str
    name: str
    uid: str
    alias: str
    """This server's in it."""
    audiences: tuple[str, ...]
    """Of the group's endpoints; a token that bears only one of these is taken from the group's
    own addresses alone."""
    pods: str
    """The group's headless Service, which holds those addresses."""
    subject: str
    """Of the gateway's own tokens: `system:serviceaccount:<namespace>:<name>`."""
