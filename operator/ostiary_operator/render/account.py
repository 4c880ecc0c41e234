"""The ServiceAccount of a server: an identity without rights and without a token."""

from ostiary_operator.api import MCPServer

from . import names
from .meta import Manifest, metadata


def account_name(server: MCPServer) -> str:
    """The account that the pods run as: one of the server's own, unless the spec names another."""
    identity = server.spec.identity
    return (identity and identity.serviceAccountName) or names.account(server.metadata.name)


def render_account(server: MCPServer) -> Manifest | None:
    """None when the spec names an account: that one is somebody else's."""
    name = names.account(server.metadata.name)
    if account_name(server) != name:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(server, name),
        "automountServiceAccountToken": False,
    }
