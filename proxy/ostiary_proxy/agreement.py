"""Do the headers of a call repeat what its arguments say?  Pure.

A gateway may have routed or decided by a header, so a call whose headers say another thing than its
body must not run.  Behind HTTP the backend itself compares; a stdio server sees no headers.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from ostiary_proxy.era import decode_value
from ostiary_proxy.mirror import Mirror, argument

_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,400})(?:\.[0-9]{1,400})?")


def disagreement(
    mirrored: Iterable[Mirror], arguments: object, sent: Iterable[tuple[bytes, bytes]]
) -> str:
    """What does not agree; empty when all does.  `sent`: the request's headers."""
    wanted = tuple(mirrored)
    if not wanted:
        return ""
    found: dict[bytes, list[bytes]] = {}
    for name, value in sent:
        found.setdefault(name, []).append(value)
    for mirror in wanted:
        values = found.get(mirror.header, [])
        if len(values) > 1:
            return f"{_named(mirror)} is there twice."
        flaw = _flaw(argument(arguments, mirror.path), values[0] if values else None)
        if flaw:
            return f"{_named(mirror)} {flaw} params.arguments.{'.'.join(mirror.path)}."
    return ""


def _named(mirror: Mirror) -> str:
    return f"Mcp-Param-{mirror.header.decode().removeprefix('mcp-param-')}"


def _flaw(value: object, header: bytes | None) -> str:
    if value is None or isinstance(value, Mapping | list):
        return "" if header is None else "repeats no"
    if header is None:
        return "is missing and must repeat"
    text = decode_value(header)
    return "" if text is not None and _says(text, value) else "is not"


def _says(text: str, value: object) -> bool:
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    if isinstance(value, int | float):
        # By number, and exactly: 42.0 is 42, and no float stands between.
        return _DECIMAL.fullmatch(text) is not None and Decimal(text) == Decimal(str(value))
    return text == value
