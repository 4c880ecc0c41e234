"""Session masters: the ConfigMap that holds a hash, the Secret that holds the master, and turns.

Pure: randomness and the clock come in as arguments.  Both objects are created once and never
changed; the operator cannot read a Secret, so the ConfigMap is what it knows a master by.
"""

import base64
import hashlib
import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ostiary_proxy.config import SessionKey

from . import names
from .meta import Manifest, Root, labels, metadata, prefix

MASTER_BYTES: Final = 32
MASTER_FIELD: Final = "master"
HASH_FIELD: Final = "sha256"
ROTATE_AFTER: Final = timedelta(days=30)
RETIRE_AFTER: Final = timedelta(days=8)
"""After the successor came: a session lives at most 7 days."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key ConfigMap of ours, as it stands in the cluster."""

    number: int
    sha256: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """What to do with a root's keys now."""

    create: int | None = None
    retire: tuple[int, ...] = ()
    exhausted: bool = False
    """A key is needed and every number is taken."""


def hash_of(master: bytes) -> str:
    return hashlib.sha256(master).hexdigest()


def render_key_config(root: Root, number: int, master: bytes) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(root, names.key(prefix(root), number)),
        "immutable": True,
        "data": {HASH_FIELD: hash_of(master)},
    }


def render_key_secret(root: Root, number: int, master: bytes, *, config_uid: str) -> Manifest:
    """Owned by its ConfigMap, so that the two go together."""
    name = names.key(prefix(root), number)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": root.metadata.namespace,
            "labels": labels(root),
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "name": name,
                    "uid": config_uid,
                    "controller": True,
                }
            ],
        },
        "immutable": True,
        "type": "Opaque",
        "data": {MASTER_FIELD: base64.b64encode(master).decode()},
    }


def newest_first(keys: Iterable[Key], *, settled: Collection[int]) -> tuple[SessionKey, ...]:
    """`settled`: numbers that every pod holds; the others open and do not seal yet, so that no
    pod gives out an id that another cannot read."""
    ordered = sorted(keys, key=lambda key: (key.created, key.number), reverse=True)
    return tuple(
        SessionKey(
            number=key.number,
            sha256=key.sha256,
            seals=len(ordered) == 1 or key.number in settled,
        )
        for key in ordered
    )


def next_turn(
    keys: Collection[Key],
    *,
    now: datetime,
    foreign: frozenset[int] = frozenset(),
    unusable: frozenset[int] = frozenset(),
) -> Turn:
    """`foreign`: numbers whose name somebody else holds; `unusable`: masters of ours that the
    proxies do not hold although they should."""
    ordered = sorted(keys, key=lambda key: (key.created, key.number))
    usable = [key for key in ordered if key.number not in unusable]
    retire = tuple(
        key.number
        for key, successor in itertools.pairwise(usable)
        if now - successor.created > RETIRE_AFTER
    )
    if usable and now - usable[-1].created < ROTATE_AFTER:
        return Turn(retire=retire)
    taken = {key.number for key in ordered} | foreign
    free = _next_free(usable[-1].number if usable else -1, taken)
    return Turn(create=free, retire=retire, exhausted=free is None)


def _next_free(last: int, taken: Collection[int]) -> int | None:
    count = len(names.KEY_NUMBERS)
    turns = ((last + step) % count for step in range(1, count + 1))
    return next((number for number in turns if number not in taken), None)
