"""All that a group's clients know by another name than its members do: one thing to hand on.  Pure.

How single names are made is `names`' and `uris`' business, where they stand in messages that of
`group_inward` and `group_outward`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ostiary_proxy.group_shapes import SEARCH_TOOLS, GroupBackend
from ostiary_proxy.names import Directory, Owned
from ostiary_proxy.uris import UriNaming, uri_naming


@dataclass(frozen=True, slots=True)
class GroupNames:
    """As they stand with the lists that the members have now."""

    tools: Directory
    prompts: Directory
    uris: UriNaming

    @property
    def sole(self) -> str | None:
        """The only member, where it keeps its own names: then messages pass as they are."""
        return self.uris.sole

    def place(self, kind: str, name: str) -> Owned | None:
        """Whose a name is that the group's clients know."""
        match kind:
            case "tool":
                return self.tools.find(name)
            case "prompt":
                return self.prompts.find(name)
            case "resource":
                return self.uris.inward(name)
        return None


def group_names(
    group: GroupBackend,
    tools: Mapping[str, Iterable[str]],
    prompts: Mapping[str, Iterable[str]],
) -> GroupNames:
    """`tools` and `prompts`: by alias, what each member lists under its own names; a member that
    was never heard of has none."""
    aliases = [member.alias for member in group.members]
    ours = SEARCH_TOOLS if group.discovery == "Search" else ()
    return GroupNames(
        tools=Directory(group.naming, [(one, tools.get(one, ())) for one in aliases], ours),
        prompts=Directory(group.naming, [(one, prompts.get(one, ())) for one in aliases]),
        uris=uri_naming(group),
    )
