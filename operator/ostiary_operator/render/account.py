"""The ServiceAccount of a server or a gateway: an identity without rights and without a token."""

from ostiary_operator.api import MCPGroup, MCPServer

from . import names
from .meta import Manifest, Root, metadata


def account_name(server: MCPServer) -> str:
    """The account that the pods run as: one of the server's own, unless the spec names another."""
    identity = server.spec.identity
    return (identity and identity.serviceAccountName) or names.account(server.metadata.name)


def render_account(server: MCPServer) -> Manifest | None:
    """None when the spec names an account: that one is somebody else's."""
    name = names.account(server.metadata.name)
    return _account(server, name) if account_name(server) == name else None


def render_gateway_account(group: MCPGroup) -> Manifest:
    return _account(group, names.group_account(group.metadata.name))


def _account(root: Root, name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(root, name),
        "automountServiceAccountToken": False,
    }
