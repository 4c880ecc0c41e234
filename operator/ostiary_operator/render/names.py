"""Names of a root's children.  Deterministic, and kept apart by the CRDs' name rules.

`prefix` is what `meta.prefix` says: an MCPServer's own name, or `<name>-group` of an MCPGroup.
"""

from typing import Final

KEY_NUMBERS: Final = range(4)
"""A root's session masters take these numbers in turn."""


def deployment(prefix: str) -> str:
    return prefix


def network_policy(prefix: str) -> str:
    return prefix


def protection(server: str) -> str:
    """The NetworkPolicy on the pods of a Service that the proxy stands before."""
    return f"{server}-proxy"


def disruption_budget(prefix: str) -> str:
    return prefix


def service(prefix: str) -> str:
    """The prefix itself, so that the URL can be guessed."""
    return prefix


def pods_service(prefix: str) -> str:
    """The headless Service, which holds every pod's address."""
    return f"{prefix}-pods"


def account(server: str) -> str:
    return f"{server}-mcp"


def config(prefix: str) -> str:
    return f"{prefix}-proxy"


def key(prefix: str, number: int) -> str:
    """Of the ConfigMap with the hash, and of the Secret with the master."""
    return f"{prefix}-key-{number}"


def route(prefix: str, number: int = 0) -> str:
    """Of the Ingress or the HTTPRoute; a server with the longer name there is no other's."""
    return prefix if number == 0 else f"{prefix}-{number}-mcp"


def group(name: str) -> str:
    """Where a server's children bear the server's own name, a group's bear this."""
    return f"{name}-group"


def group_account(name: str) -> str:
    """Its tokens name it to the members."""
    return group(name)
