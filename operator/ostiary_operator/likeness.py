"""Is a live object as we want it?  Compares a manifest of ours with what the API server holds.

Pure.  `project` cuts a live object down to the fields that a manifest speaks of, so that what
others own (a revision annotation, a cluster address) is never taken for a difference.  `matches`
says whether those fields also mean the same, for the first look after a restart.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

MERGE_KEYS: Final = ("name", "mountPath", "containerPort", "uid")
"""Lists of objects that all bear one of these are maps to the API server, not sequences."""
QUANTITIES: Final = frozenset({"requests", "limits", "sizeLimit", "divisor"})
"""Fields whose values the API server rewrites in its own canonical form."""

_SUFFIXES: Final[Mapping[str, Decimal]] = {
    **{
        unit: Decimal(1024) ** power
        for power, unit in enumerate("KMGTPE", 1)
        for unit in [f"{unit}i"]
    },
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{unit: Decimal(1000) ** -power for power, unit in enumerate("mun", 1)},
    "": Decimal(1),
}


def digest(document: object) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def project(wanted: Any, live: Any) -> Any:
    """What `live` says of the fields in `wanted`; None where it says nothing."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return {key: project(value, live.get(key)) for key, value in wanted.items()}
    key = _merge_key(wanted)
    if key and isinstance(live, Sequence) and _merge_key(live) == key:
        found = {item[key]: item for item in live}
        return [project(item, found.get(item[key])) for item in wanted]
    return live


def matches(wanted: Any, live: Any, *, quantity: bool = False) -> bool:
    """Whether every field of `wanted` means the same in `live`."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return all(
            matches(value, live.get(key), quantity=quantity or key in QUANTITIES)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list | tuple) and isinstance(live, list):
        return _lists_match(wanted, live, quantity=quantity)
    if wanted == live:
        return True
    if live is None:
        # The API server leaves out what is empty, false or zero.
        return not wanted
    return quantity and _number(wanted) == _number(live) is not None


def _lists_match(wanted: Sequence[Any], live: Sequence[Any], *, quantity: bool) -> bool:
    key = _merge_key(wanted)
    if key and (not live or _merge_key(live) == key):
        found = {item[key]: item for item in live}
        return all(matches(item, found.get(item[key]), quantity=quantity) for item in wanted)
    return len(wanted) == len(live) and all(
        matches(item, other, quantity=quantity) for item, other in zip(wanted, live, strict=True)
    )


def _merge_key(items: Any) -> str:
    if not isinstance(items, list | tuple) or not items:
        return ""
    if not all(isinstance(item, Mapping) for item in items):
        return ""
    return next((key for key in MERGE_KEYS if all(key in item for item in items)), "")


def _number(value: object) -> Decimal | None:
    text = str(value)
    suffix = next((s for s in _SUFFIXES if s and text.endswith(s)), "")
    try:
        return Decimal(text.removesuffix(suffix)) * _SUFFIXES[suffix]
    except InvalidOperation:
        return None
