"""What a server's proxy and its walls are told of the groups that it is a member of.  Pure.

The addresses of a group's endpoints are made here, for its gateway as well.
"""

from collections.abc import Callable, Iterable

from ostiary_operator.api import LABEL_GROUP, MCPGroup
from ostiary_proxy import config

from . import names
from .hosts import service_audiences
from .memberships import Membership
from .peers import Peer, namespace_named, peer

MCP_PATH = "/mcp"


def passthrough_path(alias: str) -> str:
    """Of one member of a group, untouched."""
    return f"/servers/{alias}/mcp"


def group_audiences(
    group: MCPGroup, aliases: Iterable[str], exposed_url: str = ""
) -> tuple[str, ...]:
    """The canonical URL first; then one path after the other, as members come; and the same from
    outside the cluster, where the group has a URL there."""
    aliases = tuple(aliases)
    place = group.metadata
    service = names.service(names.group(place.name))
    paths = (MCP_PATH, *map(passthrough_path, aliases))
    inside = tuple(
        audience for path in paths for audience in service_audiences(service, place.namespace, path)
    )
    if not exposed_url:
        return inside
    return (*inside, exposed_url, *(exposed_url + passthrough_path(alias) for alias in aliases))


def group_link(group: MCPGroup, alias: str, exposed_url: str = "") -> config.GroupLink:
    """`alias`: what the server is called there."""
    place = group.metadata
    pods = names.pods_service(names.group(place.name))
    return config.GroupLink(
        namespace=place.namespace,
        name=place.name,
        uid=place.uid,
        alias=alias,
        audiences=group_audiences(group, (alias,), exposed_url),
        pods=f"{pods}.{place.namespace}.svc",
        subject=f"system:serviceaccount:{place.namespace}:{names.group_account(place.name)}",
    )


def links(
    namespace: str,
    name: str,
    groups: Iterable[tuple[MCPGroup, Iterable[Membership]]],
    exposed_url: Callable[[MCPGroup], str] = lambda group: "",
) -> tuple[config.GroupLink, ...]:
    """Of the server with this name; `groups`: each with all that it speaks of.  By namespace and
    name of the group.  `exposed_url`: which one a group has, if any."""
    found = [
        group_link(group, it.alias, exposed_url(group))
        for group, memberships in groups
        for it in memberships
        if it.state == "Accepted" and (it.namespace, it.name) == (namespace, name)
    ]
    return tuple(sorted(found, key=lambda it: (it.namespace, it.name)))


def gateway_peer(link: config.GroupLink) -> Peer:
    """The gateway's pods and no others of its namespace."""
    return peer(
        namespaces=namespace_named(link.namespace),
        pods={"matchLabels": {LABEL_GROUP: link.name}},
    )
