"""Whether what is under way may go on, by the rules and tokens that are in force now.  Pure."""

from typing import Final

from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.policy import Caller, Deny, Target, decide
from ostiary_proxy.runtime import Endpoint

_ADMITTED: Final = (Target("protocol"),)


def allowed(exchange: Exchange, endpoint: Endpoint) -> bool:
    assert exchange.caller is not None
    return permitted(exchange.caller, exchange.targets, endpoint)


def permitted(caller: Caller, targets: tuple[Target, ...], endpoint: Endpoint) -> bool:
    if not endpoint.knows(caller):
        return False
    about = targets or _ADMITTED
    return not any(isinstance(decide(target, caller, endpoint.rules), Deny) for target in about)


def check(exchange: Exchange, endpoint: Endpoint) -> None:
    """Before anything is sent, after a wait in which the rules may have changed."""
    if not allowed(exchange, endpoint):
        raise Refused(failed(403, "Access was just revoked.", "Revoked"))
