"""Observed children and the proxies' reports, to conditions.  Pure: no clock, no cluster."""

from .observed import Conflict, Enforcement, Failure, Observed, Unreachable, enforcement
from .policy import Target, Watched, policy_status
from .readiness import next_look
from .server import invalid_status, server_status
from .token import token_status

__all__ = [
    "Conflict",
    "Enforcement",
    "Failure",
    "Observed",
    "Target",
    "Unreachable",
    "Watched",
    "enforcement",
    "invalid_status",
    "next_look",
    "policy_status",
    "server_status",
    "token_status",
]
