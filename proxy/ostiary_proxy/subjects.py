"""Whom a rule or a denial speaks of.  Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.globs import Globs

GROUPS: Final = "groups"
"""This claim is read as the settings map it, whatever the issuer itself calls it."""
SCOPES: Final = ("scope", "scp")
"""Claims of words separated by spaces."""

_SPOKEN_OF: Final = {
    "serviceAccount": "serviceAccount",
    "token": "token",
    "user": "user",
    "oidc": "user",
    "anonymous": "anonymous",
}
"""Kind of subject -> the only kind of caller that it can match."""


@dataclass(frozen=True, slots=True)
class Subject:
    kind: str
    names: Globs
    namespaces: frozenset[str] | None
    issuer: str
    claims: Mapping[str, frozenset[str]]
    network: bool = False
    """anonymous: only straight from that network."""

    def matches(self, caller: Caller) -> bool:
        if _SPOKEN_OF[self.kind] != caller.kind:
            return False
        match self.kind:
            case "anonymous":
                return not (self.network and caller.relayed)
            case "oidc":
                return caller.issuer == self.issuer != "" and self._claimed(caller)
            case "user":
                return self.names.match(caller.name)
            case _:
                return self._lives_there(caller) and self.names.match(caller.name)

    def _lives_there(self, caller: Caller) -> bool:
        return self.namespaces is None or caller.namespace in self.namespaces

    def _claimed(self, caller: Caller) -> bool:
        """Of every claim named, the token bears one of the values."""
        return all(
            not wanted.isdisjoint(values_of(caller, claim)) for claim, wanted in self.claims.items()
        )


def compile_subject(subject: config.Subject) -> Subject:
    namespaces = subject.namespaces
    return Subject(
        kind=subject.kind,
        names=Globs.compile(subject.names),
        namespaces=None if namespaces is None else frozenset(namespaces),
        issuer=subject.issuer,
        claims={claim: frozenset(values) for claim, values in subject.claims.items()},
        network=subject.network,
    )


def values_of(caller: Caller, claim: str) -> frozenset[str]:
    """The strings that a token bears under a claim: itself, its words, or its items."""
    if claim == GROUPS:
        return frozenset(caller.groups)
    value = caller.claims.get(claim)
    if isinstance(value, str):
        return frozenset(value.split(" ")) if claim in SCOPES else frozenset((value,))
    if isinstance(value, bool):
        return frozenset(("true" if value else "false",))
    if isinstance(value, list):
        return frozenset(item for item in value if isinstance(item, str))
    return frozenset()
