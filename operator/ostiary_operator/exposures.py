"""Who has which URL outside the cluster: of two objects that want one, the older.

Reads the models alone.  A URL is told apart by host and path: a port is not, for a route has none.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from .api import MCPGroup
from .api.expose import Expose
from .models import Models
from .render import names
from .render.expose import NOT_EXPOSED, Exposure
from .render.meta import Root, kind_of, prefix


@dataclass(frozen=True, slots=True)
class Claim:
    root: Root
    expose: Expose

    @property
    def place(self) -> str:
        it = self.root.metadata
        return f"{kind_of(self.root)} {it.namespace}/{it.name}"

    @property
    def age(self) -> tuple[datetime, str, str, str]:
        it = self.root.metadata
        try:
            made = datetime.fromisoformat(str(it.creationTimestamp)).astimezone(UTC)
        except ValueError:
            made = datetime.fromtimestamp(0, UTC)
        return made, it.namespace, it.name, kind_of(self.root)

    def meets(self, other: "Claim") -> bool:
        if self.expose.host != other.expose.host:
            return False
        same = self.expose.path == other.expose.path
        return same or self._holds(other) or other._holds(self)

    def _holds(self, other: "Claim") -> bool:
        """A group's members have paths below its own."""
        own = isinstance(self.root, MCPGroup)
        return own and other.expose.path.startswith(f"{self.expose.path}/servers/")


class Exposures:
    def __init__(self, models: Models, *, has_routes: Callable[[], bool]) -> None:
        """`has_routes`: whether the cluster knows HTTPRoutes just now."""
        self._models = models
        self._has_routes = has_routes

    def of(self, root: Root) -> Exposure:
        expose = root.spec.expose
        if expose is None:
            return NOT_EXPOSED
        if holder := self._namesake(expose.host):
            return Exposure(taken_by=f"{holder}, inside the cluster")
        own = Claim(root, expose)
        older = [
            it
            for it in self._claims()
            if it.root.metadata.uid != root.metadata.uid and it.age < own.age and it.meets(own)
        ]
        if older:
            return Exposure(taken_by=min(older, key=lambda it: it.age).place)
        return Exposure(expose, has_routes=self._has_routes())

    def rivals(self, host: str) -> Iterator[Root]:
        """Whoever wants a URL of this host."""
        return (it.root for it in self._claims() if it.expose.host == host)

    def _claims(self) -> Iterator[Claim]:
        roots: tuple[Root, ...] = (*self._models.every_server(), *self._models.groups())
        for root in roots:
            if root.spec.expose is not None:
                yield Claim(root, root.spec.expose)

    def _namesake(self, host: str) -> str:
        """`NAME.NAMESPACE` is how clients inside the cluster may call a Service of ours: tokens for
        it are that one's."""
        name, _, namespace = host.partition(".")
        roots: tuple[Root, ...] = (*self._models.servers(namespace), *self._models.groups())
        for root in roots:
            place = root.metadata
            if (names.service(prefix(root)), place.namespace) == (name, namespace):
                return f"{kind_of(root)} {place.namespace}/{place.name}"
        return ""
