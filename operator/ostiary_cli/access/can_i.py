"""`ostiary can-i`: yes or no, by which rule, or what is missing.  Pure.

The answer is the proxy's: what the caller shows must be taken at all, and then its own function
decides.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

from ostiary_operator.api import MCPServer
from ostiary_operator.render.tokens import is_restricted_to
from ostiary_proxy import config
from ostiary_proxy.policy import FILTER_RULE, Deny, Target

from .asked import Asker
from .engine import Engine, Granted, looks_at_arguments
from .standing import Standing
from .walls import doors

ALLOWED: Final = "Allowed"


@dataclass(frozen=True, slots=True)
class Answer:
    """One server's."""

    server: str
    allowed: bool
    reason: str
    """Allowed, or why not: a word of the proxy's audit, TokenUnknown, TokenRefused,
    TokenElsewhere, or IssuerNotConfigured."""
    policy: str = ""
    rule: str = ""
    message: str = ""
    conditions: tuple[str, ...] = ()
    """Of a call whose arguments were not given: one of these must hold for it."""
    network: tuple[str, ...] = ()
    """From where the NetworkPolicy lets its callers connect."""
    via: str = ""
    """The group that the call comes through."""

    def as_json(self) -> dict[str, Any]:
        found = asdict(self)
        found["if"] = list(found.pop("conditions"))
        found["network"] = list(self.network)
        if not self.via:
            del found["via"]
        return found


def can_i(standing: Standing, server: MCPServer, who: Asker, target: Target) -> Answer:
    name = f"{server.metadata.namespace}/{server.metadata.name}"
    missing = _not_taken(standing, server, who)
    if missing is not None:
        reason, message = missing
        return Answer(name, False, reason, message=message)
    section = standing.as_pinned(server)
    engine = Engine(section)
    decision = engine.live(target, who.caller)
    if isinstance(decision, Deny):
        return Answer(
            name,
            False,
            decision.reason,
            decision.policy,
            decision.rule,
            _missing(decision, engine, who, target),
        )
    return Answer(
        name,
        True,
        ALLOWED,
        decision.policy,
        decision.rule,
        conditions=() if target.args is not None else conditions_of(section, who, target),
        network=doors(standing, section, who.caller, decision.policy, decision.rule),
    )


def _not_taken(standing: Standing, server: MCPServer, who: Asker) -> tuple[str, str] | None:
    """Why what the caller shows is no proof here, before anything is decided."""
    if who.token is not None:
        return _token_not_taken(standing, server, who)
    return not_trusted(standing, who)


def not_trusted(standing: Standing, who: Asker) -> tuple[str, str] | None:
    """Wherever it is shown: the token that is named is not there, or nobody trusts its issuer."""
    caller = who.caller
    if caller.kind == "token" and who.token is None:
        where = f"{caller.namespace}/{caller.name}"
        return "TokenUnknown", f"There is no MCPAccessToken {where}: ostiary token create makes one"
    if caller.issuer and standing.issuers is not None:
        trusted = sorted(it.url for it in standing.issuers)
        if caller.issuer not in trusted:
            known = ", ".join(trusted) or "no issuer"
            return (
                "IssuerNotConfigured",
                f"The settings do not name the issuer {caller.issuer}, but {known}",
            )
    return None


def _token_not_taken(standing: Standing, server: MCPServer, who: Asker) -> tuple[str, str] | None:
    token = who.token
    assert token is not None
    key = f"{token.metadata.namespace}/{token.metadata.name}"
    if token not in standing.good:
        why = next((it for it in standing.notes if f"MCPAccessToken {key} " in it), "it is refused")
        return "TokenRefused", why
    if not is_restricted_to(token, server):
        opens = ", ".join(f"{it.kind} {it.namespace}/{it.name}" for it in token.spec.restrictTo)
        return "TokenElsewhere", f"spec.restrictTo of MCPAccessToken {key} names {opens} alone"
    if token not in standing.opened_by(server):
        return "NotAdmitted", f"No rule of a policy of this server names MCPAccessToken {key}"
    return None


def conditions_of(section: config.Server, who: Asker, target: Target) -> tuple[str, ...]:
    """What the rules that allow it leave to the arguments."""
    outcome = Engine(section, leave_open=looks_at_arguments).ask(target, who.caller)
    if not isinstance(outcome, Granted):
        return ()
    return tuple(sorted({text for texts in outcome.conditions for text in texts}))


def _missing(deny: Deny, engine: Engine, who: Asker, target: Target) -> str:
    match deny.reason:
        case "NotAdmitted" if not deny.policy:
            return "No rule of a policy of this server admits this caller"
        case "NotAdmitted" | "NotAllowed" if deny.policy:
            return "The ceiling has no rule that allows it to this caller"
        case "Denied":
            return "It is denied literally, whatever any rule says"
        case "Condition":
            return f"The rule's `when` does not hold with these arguments: {_when(deny, engine)}"
        case "NotAllowed" if deny.rule == FILTER_RULE:
            return f"spec.tools of the MCPServer has no tool {target.name}"
        case _:
            rules = ", ".join(f"{it.policy} {it.rule}" for it in engine.admitting(who.caller))
            return f"Rules that admit this caller, but do not allow {target.name}: {rules}"


def _when(deny: Deny, engine: Engine) -> str:
    return next(
        (
            rule.when
            for policy in engine.section.policies
            for rule in policy.rules
            if (f"{policy.namespace}/{policy.name}", rule.name) == (deny.policy, deny.rule)
        ),
        "",
    )
