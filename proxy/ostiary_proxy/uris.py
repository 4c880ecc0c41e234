"""What the resources of a group's members are called at the group, and back.  Pure.

`ui://x` becomes `ui://<alias>/x`, for hosts of MCP Apps know an app by its scheme; every other URI
gets the alias before its scheme, as `git+https:` has it.  So nothing has to be listed to be found:
templates are rewritten like URIs, and what a client makes of one leads back as well.
"""

import re
from dataclasses import dataclass
from typing import Final

from ostiary_proxy.group_shapes import ALIAS_PATTERN, GroupBackend
from ostiary_proxy.names import Owned

APP: Final = "ui://"

_ALIAS: Final = re.compile(ALIAS_PATTERN.rstrip("$") + r"\Z")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LONGEST_ALIAS: Final = 54


def outward(alias: str, uri: str) -> str:
    """What the group calls it; of a URI template, the template of what the group calls them."""
    if uri.startswith(APP):
        return f"{APP}{alias}/{uri[len(APP) :]}"
    # What has no scheme of its own (relative, or all of it a variable) stands behind an empty one.
    return f"{alias}+{uri}" if _SCHEME.match(uri) else f"{alias}+:{uri}"


def inward(uri: str) -> Owned | None:
    """Whose it is; None for what `outward` makes of nothing.  Whether there is such a member is
    for the caller to say: `git+https://x` looks as one of a member called git."""
    if uri.startswith(APP):
        alias, slash, rest = uri[len(APP) :].partition("/")
        return Owned(alias, APP + rest) if slash and _is_alias(alias) else None
    alias, _, own = uri.partition("+")
    if not _is_alias(alias):
        return None
    if own.startswith(":"):
        return Owned(alias, own[1:])
    return Owned(alias, own) if _SCHEME.match(own) else None


def _is_alias(text: str) -> bool:
    return len(text) <= _LONGEST_ALIAS and _ALIAS.match(text) is not None


@dataclass(frozen=True, slots=True)
class UriNaming:
    """`outward` and `inward` as one group has them."""

    aliases: frozenset[str]
    sole: str | None = None
    """A group of this one member whose names are its own as well: nothing is rewritten."""

    def outward(self, alias: str, uri: str) -> str:
        return uri if self.sole is not None else outward(alias, uri)

    def inward(self, uri: str) -> Owned | None:
        if self.sole is not None:
            return Owned(self.sole, uri)
        found = inward(uri)
        return found if found is not None and found.alias in self.aliases else None


def uri_naming(group: GroupBackend) -> UriNaming:
    aliases = frozenset(member.alias for member in group.members)
    alone = len(aliases) == 1 and group.naming.mode == "Never"
    return UriNaming(aliases, next(iter(aliases)) if alone else None)
