"""Pinned tool sets: what is approved, and what of a server's tools is not.  Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import Field

from ostiary_proxy.shape import Shape

DigestText = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


class ToolPin(Shape):
    name: str
    digest: DigestText


class Pin(Shape):
    """`spec.tools.pin` of the server."""

    mode: Literal["Off", "Warn", "Enforce"] = "Off"
    """Enforce: a tool that is not approved as it stands does not exist for anybody."""
    digest: DigestText | Literal[""] = ""
    """Of the whole set: approves every tool in it while the set is just this one."""
    tools: tuple[ToolPin, ...] = ()
    """Approved by themselves; one name may have several digests, of which any will do."""

    @property
    def approves_any(self) -> bool:
        return bool(self.digest or self.tools)


class Reported(Protocol):
    """A tool as it stands."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Drift:
    """Names of tools, sorted, that are not as they were approved."""

    changed: tuple[str, ...] = ()
    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    """Only told of tools that were approved by name."""
    whole: bool = False
    """The whole set was approved, and is another now; which tools made it so is not known."""

    def __bool__(self) -> bool:
        return bool(self.changed or self.appeared or self.vanished or self.whole)

    @property
    def unapproved(self) -> tuple[str, ...]:
        """What Enforce hides."""
        return (*self.changed, *self.appeared)


def approved(pins: Iterable[ToolPin]) -> Mapping[str, frozenset[str]]:
    """By name."""
    found: dict[str, frozenset[str]] = {}
    for pin in pins:
        found[pin.name] = found.get(pin.name, frozenset()) | {pin.digest}
    return found


def drift(pin: Pin, digest: str, tools: Iterable[Reported]) -> Drift:
    """What of a server's tools nobody approved; `digest`: of the whole set as it stands."""
    if pin.digest and pin.digest == digest:
        return Drift()
    known, standing = approved(pin.tools), tuple(tools)
    names = {tool.name for tool in standing}
    off = {tool.name for tool in standing if tool.digest not in known.get(tool.name, ())}
    return Drift(
        changed=tuple(sorted(off & known.keys())),
        appeared=tuple(sorted(off - known.keys())),
        vanished=tuple(sorted(known.keys() - names)),
        whole=bool(pin.digest) and not known,
    )
