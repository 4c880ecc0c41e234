"""`ostiary who-can`: every subject that may, by which rule, on what condition, from where.  Pure.

A subject is an entry of a policy, or what is left of it where entries of denials and ceilings meet
it; it stands for all callers that it describes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ostiary_operator.api import MCPAccessToken, MCPServer
from ostiary_proxy.callers import Caller
from ostiary_proxy.policy import Deny, Target

from .engine import ALWAYS, Engine, Grant, Granted, Outcome
from .neighbours import Neighbours
from .standing import Standing
from .walls import doors
from .witnesses import callers_in, covers, shown

OFFLINE: Final = (
    "A ServiceAccount's token is verified offline: one of an account that is deleted is good until "
    "it expires, 24 hours at most. A deny that names the account ends it at once."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One subject by one rule."""

    caller: Caller
    policy: str
    rule: str
    when: str
    """Empty: no condition."""
    over: tuple[str, ...]
    """Conditions of ceilings."""
    network: tuple[str, ...]
    exceptions: tuple[tuple[Caller, str], ...]
    """Whom of them it is not for, and what refuses them."""
    tokens: tuple[str, ...]
    """MCPAccessTokens by which such callers come."""

    @property
    def subject(self) -> str:
        return shown(self.caller)

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        return tuple((shown(who), by) for who, by in self.exceptions)

    def as_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "policy": self.policy,
            "rule": self.rule,
            "if": [it for it in (self.when, *self.over) if it],
            "network": list(self.network),
            "except": [{"subject": who, "by": by} for who, by in self.refused],
            "tokens": list(self.tokens),
        }


@dataclass(frozen=True, slots=True)
class Who:
    server: str
    rows: tuple[Row, ...]
    complete: bool
    notes: tuple[str, ...] = ()
    via: str = ""
    """The group that calls come through."""

    def as_json(self) -> dict[str, Any]:
        return {
            "server": self.server,
            **({"via": self.via} if self.via else {}),
            "subjects": [it.as_json() for it in self.rows],
            "complete": self.complete,
            "notes": list(self.notes),
        }


def who_can(standing: Standing, server: MCPServer, target: Target) -> Who:
    section = standing.as_pinned(server)
    engine, witnesses = Engine(section), callers_in((section,))
    return told(
        standing,
        f"{server.metadata.namespace}/{server.metadata.name}",
        {it: engine.ask(target, it) for it in witnesses.callers},
        complete=witnesses.complete,
        tokens=standing.opened_by(server),
        network=lambda caller, it: doors(standing, section, caller, it.policy, it.rule),
    )


def told(
    standing: Standing,
    server: str,
    outcomes: Mapping[Caller, Outcome],
    *,
    complete: bool,
    tokens: Iterable[MCPAccessToken],
    network: Callable[[Caller, Grant], tuple[str, ...]],
) -> Who:
    """`tokens`: those that open it; `network`: from where a caller of a rule may connect."""
    known, opened = _Known(outcomes, standing), tuple(tokens)
    rows: list[Row] = []
    for caller, outcome in outcomes.items():
        if isinstance(outcome, Granted) and not known.tells(caller, outcome):
            shows = tuple(_tokens(standing, opened, caller))
            rows += _rows(caller, outcome, known.refused_of(caller), shows, network)
    rows.sort(key=lambda it: (it.subject, it.policy, it.rule))
    return Who(server, tuple(rows), complete, tuple(_notes(standing, rows, complete=complete)))


def _notes(standing: Standing, rows: Sequence[Row], *, complete: bool) -> Iterable[str]:
    if any(it.caller.kind == "serviceAccount" for it in rows):
        yield OFFLINE
    if not complete:
        yield "The policies name more than can be listed: others may be able to as well."
    trusted = None if standing.issuers is None else {it.url for it in standing.issuers}
    strange = {it.caller.issuer for it in rows if it.caller.issuer} - (trusted or set())
    for issuer in sorted(strange) if trusted is not None else ():
        yield f"The settings do not name the issuer {issuer}: nobody has a token of it."


class _Known:
    """What was answered for everybody."""

    def __init__(self, outcomes: Mapping[Caller, Outcome], standing: Standing) -> None:
        self._outcomes, self._labels = outcomes, standing.namespaces
        granted = [it for it, outcome in outcomes.items() if isinstance(outcome, Granted)]
        refused = [it for it, outcome in outcomes.items() if isinstance(outcome, Deny)]
        self._granted = Neighbours(granted, lambda it: it, self._labels)
        self._refused = Neighbours(refused, lambda it: it, self._labels)

    def tells(self, caller: Caller, outcome: Granted) -> bool:
        """A wider subject has all of its rows."""
        return any(
            self._has_all(self._outcomes[it], outcome)
            and not (covers(caller, it, self._labels) and shown(caller) < shown(it))
            for it in self._granted.wider(caller)
            if it is not caller
        )

    def _has_all(self, other: Outcome, outcome: Granted) -> bool:
        return (
            isinstance(other, Granted)
            and other.ceilings == outcome.ceilings
            and set(outcome.grants) <= set(other.grants)
        )

    def refused_of(self, caller: Caller) -> list[tuple[Caller, str]]:
        found = []
        for it in self._refused.narrower(caller):
            deny = self._outcomes[it]
            assert isinstance(deny, Deny), "only those are among them"
            found.append((it, f"{deny.policy} {deny.rule}".strip() or deny.reason))
        return found


def _rows(
    caller: Caller,
    outcome: Granted,
    within: Sequence[tuple[Caller, str]],
    tokens: tuple[str, ...],
    network: Callable[[Caller, Grant], tuple[str, ...]],
) -> Iterable[Row]:
    for grant in outcome.grants:
        yield Row(
            caller=caller,
            policy=grant.policy,
            rule=grant.rule,
            when=grant.when,
            over=tuple(text for _, texts in outcome.ceilings for text in texts if text != ALWAYS),
            network=network(caller, grant),
            exceptions=tuple(within),
            tokens=tokens,
        )


def _tokens(standing: Standing, opened: Iterable[MCPAccessToken], caller: Caller) -> Iterable[str]:
    for token in opened:
        place = token.metadata
        shows = (
            Caller.user(token.spec.user)
            if token.spec.user
            else Caller.token(place.namespace, place.name)
        )
        if covers(caller, shows, standing.namespaces):
            yield f"{place.namespace}/{place.name}"
