"""`ostiary diff`: what a change of manifests changes of who may do what.  Pure.

First a proof is tried that nothing changed; where there is none, callers and names that stand for
all others are asked on both sides.  What neither can tell is said, as a change.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ostiary_operator.api import (
    API_VERSION,
    LABEL_NAMESPACE_NAME,
    SERVER_KIND,
    MCPAccessPolicy,
    MCPAccessToken,
    MCPServer,
    parse_server,
)
from ostiary_operator.render.selection import Labels
from ostiary_proxy.callers import Caller

from .classes import classes_in, labels_for, name_of
from .compared import Change, Presence, Side, compare
from .normal import Atom, Form, allows_no_more, denied, differing, form_of, granted
from .standing import Standing
from .walls import peers_of

NOTHING: Final = Form(
    frozenset("*"), frozenset(), frozenset(), frozenset(), frozenset(), frozenset()
)
"""Of a server that is not there: it allows nobody anything."""
OTHERS: Final = "any other server"


@dataclass(frozen=True, slots=True)
class Doors:
    """A change of the NetworkPolicy."""

    server: str
    opened: tuple[str, ...]
    closed: tuple[str, ...]


@dataclass(slots=True)
class Difference:
    changes: list[Change] = field(default_factory=list)
    network: list[Doors] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)

    @property
    def is_none(self) -> bool:
        return not (self.changes or self.network or self.undecided)

    def as_json(self) -> dict[str, Any]:
        return {
            "changes": [it.as_json() for it in self.changes],
            "network": [
                {"server": it.server, "opened": list(it.opened), "closed": list(it.closed)}
                for it in self.network
            ],
            "undecided": self.undecided,
        }


def diff(old: Standing, new: Standing) -> Difference:
    found = Difference()
    every = [*old.policies.values(), *new.policies.values()]
    classes = classes_in(every)
    names = {*old.namespaces, *new.namespaces}
    known: dict[str, Labels] = {it: {LABEL_NAMESPACE_NAME: it} for it in sorted(names)}
    # A namespace that stands for a selector never takes the place of one that is written down.
    common: dict[str, Labels] = {**known, **classes.labels}
    old, new = old.with_namespaces(common), new.with_namespaces(common)
    for key, mine, yours in _servers(old, new, found):
        _compare(key, (old, mine), (new, yours), found, complete=classes.complete)
    found.undecided += _of_ceilings(old, new)
    found.undecided += _of_issuers(old, new)
    return found


Sided = tuple[Standing, MCPServer | None]


def _compare(key: str, old: Sided, new: Sided, found: Difference, *, complete: bool) -> None:
    forms = [form_of(it, server) if server else NOTHING for it, server in (old, new)]
    no_gain, no_loss = allows_no_more(forms[1], forms[0]), allows_no_more(*forms)
    if _pinned(old) != _pinned(new):
        found.undecided.append(
            f"{key}: spec.tools.pin or trustAnnotations differ: which tools that hides, or what "
            "effects they have, only the running server can tell"
        )
    tokens = list(_tokens(old, new))
    _compare_doors(key, old, new, found)
    if no_gain and no_loss and not tokens:
        return
    one, other = (Side(it.section(server) if server else None) for it, server in (old, new))
    labels = {**old[0].namespaces, **new[0].namespaces}
    seen = compare(key, one, other, labels, tokens, differing(*forms))
    found.changes += seen.changes
    directions = {it.direction for it in seen.changes}
    for word, proven, said in (("gain", no_gain, "gains"), ("lose", no_loss, "loses")):
        if not proven and not directions & {said, "changes"}:
            found.undecided.append(
                f"{key}: the rules differ, and nobody was found who would {word} by it: read them"
            )
    if not (seen.complete and complete) and not (no_gain and no_loss):
        found.undecided.append(
            f"{key}: the policies name more than can be compared one by one: there may be more"
        )


def _pinned(side: Sided) -> tuple[object, ...]:
    tools = side[1].spec.tools if side[1] else None
    return (tools.pin, bool(tools.trustAnnotations)) if tools else (None, False)


def _compare_doors(key: str, old: Sided, new: Sided, found: Difference) -> None:
    (one, mine), (other, yours) = old, new
    if mine is None or yours is None:
        return
    before, after = peers_of(one, mine), peers_of(other, yours)
    if before != after:
        opened, closed = tuple(sorted(after - before)), tuple(sorted(before - after))
        found.network.append(Doors(key, opened, closed))


def _tokens(old: Sided, new: Sided) -> Iterator[Presence]:
    """Access tokens that open the server on one side alone, or with another secret or end."""
    opened = [
        {
            (it.metadata.namespace, it.metadata.name): it
            for it in (standing.opened_by(server) if server else ())
        }
        for standing, server in (old, new)
    ]
    for place in sorted({*opened[0], *opened[1]}):
        before, after = (it.get(place) for it in opened)
        if _proof(before) == _proof(after):
            continue
        for token, on_old in ((before, True), (after, False)):
            if token is not None:
                yield _presence(token, on_old=on_old, again=before is not None is not after)


def _proof(token: MCPAccessToken | None) -> tuple[object, ...]:
    return (token.spec.user or "", token.spec.sha256, token.spec.expires) if token else ()


def _presence(token: MCPAccessToken, *, on_old: bool, again: bool) -> Presence:
    place, user = token.metadata, token.spec.user
    caller = Caller.user(user) if user else Caller.token(place.namespace, place.name)
    which = f" {token.spec.sha256[:8]} until {token.spec.expirationTime}" if again else ""
    label = f"MCPAccessToken {place.namespace}/{place.name}{which} ({caller.principal})"
    return Presence(caller, label, old=on_old, new=not on_old)


def _servers(
    old: Standing, new: Standing, found: Difference
) -> Iterator[tuple[str, MCPServer | None, MCPServer | None]]:
    for key in sorted({*old.servers, *new.servers}):
        yield key, old.servers.get(key), new.servers.get(key)
    named = {
        f"{policy.metadata.namespace}/{ref.name}"
        for standing in (old, new)
        for policy in standing.policies.values()
        for ref in policy.spec.targetRefs or ()
        if ref.kind == SERVER_KIND
    }
    for key in sorted(named - {*old.servers, *new.servers}):
        namespace, _, name = key.partition("/")
        stub = _stub(namespace, name, {})
        yield f"{key} (not in these folders)", stub, stub
    for namespace in sorted(_namespaces(old) | _namespaces(new)):
        yield from _unseen(namespace, old, new, found)


def _namespaces(standing: Standing) -> set[str]:
    return {it.metadata.namespace for it in standing.policies.values()}


def _unseen(
    namespace: str, old: Standing, new: Standing, found: Difference
) -> Iterator[tuple[str, MCPServer, MCPServer]]:
    """Servers that are in neither folder, as policies that select by label may reach them."""
    mine, yours = _selecting(namespace, old), _selecting(namespace, new)
    differing = [it for it in {**mine, **yours} if mine.get(it) != yours.get(it)]
    for text in differing:
        selector = (mine.get(text) or yours[text])[0].spec.selector
        assert selector is not None
        made = labels_for(selector)
        if not made:
            found.undecided.append(
                f"{namespace}: no labels were found that {text} selects, and its policies differ"
            )
        for labels in made:
            stub = _stub(namespace, "other", labels)
            where = f" with {name_of(labels)}" if labels else ""
            yield f"{namespace}/* ({OTHERS}{where})", stub, stub


def _selecting(namespace: str, standing: Standing) -> Mapping[str, list[MCPAccessPolicy]]:
    """Enforced policies by what they select."""
    found: dict[str, list[MCPAccessPolicy]] = {}
    for policy in standing.policies.values():
        own = policy.metadata.namespace == namespace and not policy.spec.is_observed
        if own and policy.spec.selector is not None:
            text = policy.spec.selector.model_dump_json(exclude_none=True)
            found.setdefault(text, []).append(policy)
    return found


def _stub(namespace: str, name: str, labels: Mapping[str, str]) -> MCPServer:
    parsed = parse_server(
        {
            "apiVersion": API_VERSION,
            "kind": SERVER_KIND,
            "metadata": {"namespace": namespace, "name": name, "labels": dict(labels)},
            "spec": {"image": "unknown", "command": ["unknown"]},
        }
    )
    if isinstance(parsed, MCPServer):
        return parsed
    # A name that no server can have: it is compared all the same, nothing depends on it.
    base = _stub(namespace, "other", labels)
    return replace_name(base, name)


def replace_name(server: MCPServer, name: str) -> MCPServer:
    metadata = server.metadata.model_copy(update={"name": name})
    return server.model_copy(update={"metadata": metadata})


Over = tuple[str, str, str, frozenset[Atom], frozenset[Atom]]


def _of_ceilings(old: Standing, new: Standing) -> Iterable[str]:
    before, after = Counter(_ceilings(old)), Counter(_ceilings(new))
    for namespace, name, *_ in sorted(
        {*(before - after), *(after - before)}, key=lambda it: it[:2]
    ):
        yield (
            f"MCPAccessPolicy {namespace}/{name}: the ceilings differ, which matters to servers "
            "that are not in these folders, and where its namespaces are chosen by label"
        )


def _ceilings(standing: Standing) -> Iterator[Over]:
    for policy in standing.policies.values():
        if policy.spec.is_ceiling and not policy.spec.is_observed:
            over = policy.spec.namespaces
            text = over.model_dump_json(exclude_none=True) if over else ""
            place, known = policy.metadata, standing.namespaces
            yield place.namespace, place.name, text, granted(policy, known), denied(policy, known)


def _of_issuers(old: Standing, new: Standing) -> Iterable[str]:
    if old.issuers != new.issuers:
        yield (
            "The issuers of the settings differ: whose tokens are taken, and which names their "
            "users have, is not compared further"
        )
