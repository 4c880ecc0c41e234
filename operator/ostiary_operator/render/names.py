"""Names of the children of servers and groups.  Deterministic; the name rules keep them apart."""

from typing import Final

KEY_NUMBERS: Final = range(4)
"""A server's session masters take these numbers in turn."""


def deployment(server: str) -> str:
    return server


def network_policy(server: str) -> str:
    return server


def protection(server: str) -> str:
    """The NetworkPolicy on the pods of a Service that the proxy stands before."""
    return f"{server}-proxy"


def disruption_budget(server: str) -> str:
    return server


def service(server: str) -> str:
    """The server's own name, so that its URL can be guessed."""
    return server


def pods_service(server: str) -> str:
    """The headless Service, which holds every pod's address."""
    return f"{server}-pods"


def account(server: str) -> str:
    return f"{server}-mcp"


def config(server: str) -> str:
    return f"{server}-proxy"


def key(server: str, number: int) -> str:
    """Of the ConfigMap with the hash, and of the Secret with the master."""
    return f"{server}-key-{number}"


def group(name: str) -> str:
    """Where a server's children bear the server's own name, a group's bear this: the same helpers
    on it name the Deployment, the NetworkPolicy, the budget, the Service and its twin with every
    pod's address, the config and the keys."""
    return f"{name}-group"


def group_account(name: str) -> str:
    return group(name)
