"""Peers of a NetworkPolicy: every one of ours is built here.

In one peer a namespaceSelector and a podSelector mean AND, while in two they mean OR.
"""

from typing import Any

from ostiary_operator.api import LABEL_NAMESPACE_NAME
from ostiary_operator.api.fields import Namespaces
from ostiary_operator.api.subjects import From

from .meta import Manifest

Peer = dict[str, Any]


def peer(*, namespaces: Manifest | None = None, pods: Manifest | None = None) -> Peer:
    """One peer: what is given must hold together.  Selectors are copied verbatim."""
    given = {"namespaceSelector": namespaces, "podSelector": pods}
    return {key: selector for key, selector in given.items() if selector is not None}


def namespace_named(name: str) -> Manifest:
    return {"matchLabels": {LABEL_NAMESPACE_NAME: name}}


def subject_peer(entry: From, *, own: str) -> Peer:
    """From where the entry's callers may connect; `own` is the policy's namespace."""
    if entry.network is not None:
        return _within(entry.network.namespaces, own)
    if entry.serviceAccounts is not None:
        return _within(entry.serviceAccounts.namespaces, own)
    if entry.anonymous is not None:
        return peer(namespaces={})
    # Where people and their tokens connect from is told by nothing but `network`.
    return peer(namespaces=namespace_named(own))


def _within(namespaces: Namespaces | None, own: str) -> Peer:
    if namespaces is None or namespaces.from_ == "Same":
        return peer(namespaces=namespace_named(own))
    if namespaces.from_ == "All" or namespaces.selector is None:
        return peer(namespaces={})
    return peer(namespaces=namespaces.selector.as_manifest())
