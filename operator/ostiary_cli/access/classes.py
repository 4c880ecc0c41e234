"""Namespaces and servers that stand for all whose labels match a selector.  Pure.

Folders seldom say which namespaces have which labels, or hold every server that a policy selects.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from ostiary_operator.api import LABEL_NAMESPACE_NAME, MCPAccessPolicy
from ostiary_operator.api.fields import LabelSelector
from ostiary_operator.render.selection import entries, matches, namespaces_named

Labels = dict[str, str]
MOST: Final = 24
"""Selectors of which pairs are made."""
SOME_VALUE: Final = "any"


@dataclass(frozen=True, slots=True)
class Classes:
    labels: Mapping[str, Labels]
    """By the name of a namespace, or `{labels}` for all that have them."""
    complete: bool


def labels_for(selector: LabelSelector) -> list[Labels]:
    """Labels that match it, one set for each value that it lists; none where none was found."""
    found: list[Labels] = [dict(selector.matchLabels or {})]
    for it in selector.matchExpressions or ():
        if it.operator == "In":
            values = it.values or ()
            found = [
                labels if it.key in labels else {**labels, it.key: value}
                for labels in found
                for value in values[:MOST]
            ]
        elif it.operator == "Exists":
            found = [{it.key: SOME_VALUE, **labels} for labels in found]
    unique = {name_of(it): it for it in found[:MOST] if matches(selector, it)}
    return list(unique.values())


def classes_in(policies: Iterable[MCPAccessPolicy]) -> Classes:
    """Of the namespaces that entries of the policies select."""
    found: dict[str, Labels] = {}
    complete = True
    for selector in _selectors(policies):
        made = labels_for(selector)
        complete = complete and bool(made)
        found |= {name_of(it): it for it in made}
    singles = list(found.values())
    complete = complete and len(singles) <= MOST
    for one, other in combinations(singles[:MOST], 2):
        both = {**one, **other}
        if all(both[key] == value for key, value in one.items()):
            found.setdefault(name_of(both), both)
    return Classes({name: _as_namespace(name, labels) for name, labels in found.items()}, complete)


def _selectors(policies: Iterable[MCPAccessPolicy]) -> Iterator[LabelSelector]:
    for policy in policies:
        for entry in entries(policy):
            named = namespaces_named(entry)
            if named is not None and named.selector is not None:
                yield named.selector


def name_of(labels: Mapping[str, str]) -> str:
    """A namespace's own name where that is what is asked for."""
    if LABEL_NAMESPACE_NAME in labels:
        return labels[LABEL_NAMESPACE_NAME]
    return "{" + ",".join(f"{key}={value}" for key, value in sorted(labels.items())) + "}"


def _as_namespace(name: str, labels: Labels) -> Labels:
    return labels if name.startswith("{") else {**labels, LABEL_NAMESPACE_NAME: name}
