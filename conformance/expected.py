"""Reads expected.yaml: the differences that we choose, each with its reason."""

from pathlib import Path
from typing import Any, Final

import yaml
from conformance.compare import Check, Expected

GROUP: Final = {"reason", "runs", "differences"}
DIFFERENCE: Final = {"scenario", "check", "direct", "through"}


def read_expected(path: Path, known: frozenset[str]) -> tuple[Expected, ...]:
    """`known`: every run that there is; an entry for another one would never be found stale."""
    return tuple(
        expected for group in yaml.safe_load(path.read_text()) for expected in _read(group, known)
    )


def _read(group: dict[str, Any], known: frozenset[str]) -> list[Expected]:
    _check(group, GROUP)
    runs = frozenset(group["runs"])
    if not runs or not runs <= known:
        raise ValueError(f"runs must name some of {sorted(known)}: {sorted(runs)}")
    if not group["reason"].strip():
        raise ValueError(f"say why: {group}")
    for entry in group["differences"]:
        _check(entry, DIFFERENCE)
    return [
        Expected(
            runs=runs,
            check=Check(entry["scenario"], entry["check"]),
            direct=entry["direct"],
            through=_several(entry["through"]),
            reason=group["reason"],
        )
        for entry in group["differences"]
    ]


def _several(statuses: str | list[str]) -> tuple[str, ...]:
    return (statuses,) if isinstance(statuses, str) else tuple(statuses)


def _check(given: dict[str, Any], wanted: set[str]) -> None:
    if given.keys() != wanted:
        raise ValueError(f"an entry has {sorted(wanted)}, not {sorted(given)}")
